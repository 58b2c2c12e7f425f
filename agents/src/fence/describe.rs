//! What a fence agent says of itself, and whether a device's parameters are what it takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use quorate_core::config::DEVICE_PARAMETERS;

use super::{Problem, exec};
use crate::builtin;
use crate::ocf::{Complaint, DESCRIBE_TIME, MetaData, OcfError, check_params, describe};
use crate::process::{Processes, Spec};

/// Given by the cluster, whatever an agent requires.
const GIVEN: &[&str] = &["action", "nodename", "plug", "port"];

/// Why nothing can be said of an agent.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// It is not there.
    #[error(transparent)]
    Missing(Problem),
    /// It does not describe itself.
    #[error(transparent)]
    Odd(#[from] OcfError),
}

/// What an agent says of itself, by its name as `stonith:` has it: `ipmi`, `fence_ipmilan` …
///
/// # Errors
/// It is not here, or says nothing sensible.
pub async fn metadata(name: &str, processes: &Processes) -> Result<MetaData, DescribeError> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let agent = format!("stonith:{name}");
    if let Some(built_in) = builtin::metadata(&agent) {
        return Ok(built_in);
    }
    let program = exec::find(name).map_err(DescribeError::Missing)?;
    let action = format!("describe-{name}-{}", CALLS.fetch_add(1, Ordering::Relaxed));
    let spec = Spec::new(action, program, DESCRIBE_TIME).args(["-o", "metadata"]);
    let mut read = describe(processes, spec, &agent).await?;
    if read.name != name {
        read.notes.push(format!("it calls itself '{}'", read.name));
    }
    Ok(read)
}

/// What is wrong with a device's parameters by its agent's meta-data, errors first. What is the cluster's part of them is
/// not looked at.
pub fn check_device(agent: &str, metadata: &MetaData, params: &BTreeMap<String, String>) -> Vec<Complaint> {
    let theirs = |name: &str| !DEVICE_PARAMETERS.contains(&name);
    let params = params.iter().filter(|(name, _)| theirs(name));
    let params: BTreeMap<String, String> = params.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut metadata = metadata.clone();
    for parameter in &mut metadata.parameters {
        let older = parameter.obsoletes.as_ref().is_some_and(|older| params.contains_key(older));
        parameter.required &= !parameter.deprecated && !older && !GIVEN.contains(&parameter.name.as_str());
        // Every configuration of some age uses them, and they go on working.
        parameter.deprecated = false;
    }
    // Agents pass over what they do not know without a word.
    metadata.parameters.retain(|parameter| !["action", "nodename"].contains(&parameter.name.as_str()));
    check_params(agent, &metadata, &params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ocf::parse_metadata;

    #[test]
    fn a_device_is_checked_by_what_its_agent_takes_and_the_cluster_gives() {
        let metadata = parse_metadata(
            r#"<resource-agent name="fence_x"><parameters>
            <parameter name="action" required="1"/>
            <parameter name="plug" required="1" obsoletes="port"/>
            <parameter name="port" required="1" deprecated="1"/>
            <parameter name="ip" required="1" obsoletes="ipaddr"/><parameter name="ipaddr" deprecated="1" required="1"/>
            <parameter name="ssl"><content type="boolean"/></parameter>
            </parameters><actions><action name="off"/><action name="status"/></actions></resource-agent>"#,
        );
        let metadata = metadata.expect("meta-data");
        let told = |params: &[(&str, &str)]| -> Vec<String> {
            let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            check_device("stonith:fence_x", &metadata, &params).into_iter().map(|it| it.what).collect()
        };
        let ours = [("pcmk_host_map", "n1:1"), ("target", "n1"), ("proves_off", "true")];
        assert_eq!(told(&[&ours[..], &[("ip", "a"), ("ssl", "1")]].concat()), [""; 0]);
        assert_eq!(told(&[("ipaddr", "a"), ("plug", "7")]), [""; 0]);
        assert_eq!(
            told(&[("ssl", "maybe"), ("action", "reboot")]),
            [
                "stonith:fence_x needs the parameter 'ip'",
                "stonith:fence_x has no parameter 'action'",
                "ssl=maybe is not understood: true or false",
            ]
        );
    }

    #[tokio::test]
    async fn an_agent_that_is_not_there_is_named() {
        let processes = Processes::new(None);
        for name in ["fence_not_there", "../bin/sh", "ssh"] {
            let error = metadata(name, &processes).await.expect_err(name).to_string();
            assert!(error.contains("there is no fence agent"), "{error}");
        }
        assert_eq!(metadata("ipmi", &processes).await.expect("built in").name, "ipmi");
    }
}
