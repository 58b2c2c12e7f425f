//! Are a resource's parameters what its agent takes? By its meta-data, before anything is run.

use std::collections::BTreeMap;

use super::metadata::{MetaData, Parameter};

/// One thing that is wrong with the parameters of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong.
    pub what: String,
    /// How to mend it.
    pub mend: String,
    /// It keeps the configuration out; else it is a warning.
    pub is_error: bool,
}

/// Taken by every agent of the resource-agents package, and described by none.
const EVERYWHERE: &[&str] = &["trace_dir", "trace_file", "trace_ra"];

/// Every complaint, errors first.
pub fn check(agent: &str, metadata: &MetaData, params: &BTreeMap<String, String>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut error = |what: String, mend: String| complaints.push(Complaint { what, mend, is_error: true });
    let known = |name: &str| metadata.parameters.iter().find(|parameter| parameter.name == name);
    for parameter in metadata.parameters.iter().filter(|it| it.required && !params.contains_key(&it.name)) {
        let about =
            if parameter.short.is_empty() { String::new() } else { format!(" ({})", first_line(&parameter.short)) };
        error(
            format!("{agent} needs the parameter '{}'{about}", parameter.name),
            format!("add `params {}=…`", parameter.name),
        );
    }
    for (name, value) in params {
        match known(name) {
            Some(parameter) => {
                if let Some(wanted) = refused(parameter, value) {
                    let what = format!("{name}={} is not understood: {wanted}", shown(value));
                    error(what, format!("`qrm ra info {agent}` describes it"));
                }
            }
            None if EVERYWHERE.contains(&name.as_str()) => {}
            None => {
                let names: Vec<&str> = metadata.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                let mend = match nearest(name, &names) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("`qrm ra info {agent}` lists what it takes"),
                };
                error(format!("{agent} has no parameter '{name}'"), mend);
            }
        }
    }
    for (name, _) in params.iter().filter(|(name, _)| known(name).is_some_and(|parameter| parameter.deprecated)) {
        let what = format!("{agent} has '{name}' for older configurations only");
        complaints.push(Complaint { what, mend: format!("`qrm ra info {agent}` tells what to use"), is_error: false });
    }
    complaints
}

/// What the value should be, where it is not. Where not even the agent's own default fits, its type says nothing.
fn refused(parameter: &Parameter, value: &str) -> Option<String> {
    let is_trusted = parameter.default.as_ref().is_none_or(|it| it.is_empty() || unfit(parameter, it).is_none());
    unfit(parameter, value).filter(|_| is_trusted)
}

/// What a value of this type should be, where it is not.
pub(super) fn unfit(parameter: &Parameter, value: &str) -> Option<String> {
    match parameter.kind.as_str() {
        "integer" => {
            let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            (!is_number).then(|| "a whole number".to_owned())
        }
        "boolean" => {
            let words = ["true", "false", "yes", "no", "on", "off", "1", "0", "y", "n", "t", "f", "ja"];
            (!words.contains(&value.to_ascii_lowercase().as_str())).then(|| "true or false".to_owned())
        }
        "select" if !parameter.options.is_empty() => {
            let is_one = parameter.options.iter().any(|option| option == value);
            (!is_one).then(|| format!("one of {}", parameter.options.join(", ")))
        }
        _ => None,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A value that is not understood may be a secret in the wrong place: its beginning is enough.
fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(20).collect();
    if value.chars().nth(20).is_some() {
        shown.push('…');
    }
    shown
}

fn nearest<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    quorate_core::config::validate::nearest(name, names)
}

#[cfg(test)]
mod tests {
    use super::super::metadata::parse;
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let metadata = parse(
            r#"<resource-agent name="x"><parameters>
            <parameter name="ip" required="1"><shortdesc>IPv4 address
            or other</shortdesc></parameter>
            <parameter name="mask"><content type="integer"/></parameter>
            <parameter name="dampen"><content type="integer" default="5s"/></parameter>
            <parameter name="lvs"><content type="boolean"/></parameter>
            <parameter name="mode"><content type="select"><option value="a"/><option value="b"/></content></parameter>
            <parameter name="old"><deprecated/></parameter>
            </parameters></resource-agent>"#,
        );
        let metadata = metadata.expect("meta-data");
        let told = |params: &[(&str, &str)]| -> Vec<String> {
            let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let all = check("ocf:a:x", &metadata, &params);
            all.iter()
                .map(|it| format!("{}{}; {}", if it.is_error { "" } else { "(warning) " }, it.what, it.mend))
                .collect()
        };
        assert_eq!(
            told(&[("ip", "::1"), ("mask", "-24"), ("lvs", "No"), ("mode", "b"), ("trace_ra", "1"), ("dampen", "7s")]),
            [""; 0]
        );
        let wrong = [("mask", "24bits"), ("lvs", "maybe"), ("mode", "c"), ("iip", "1"), ("zzz", "1"), ("old", "1")];
        assert_eq!(
            told(&wrong),
            [
                "ocf:a:x needs the parameter 'ip' (IPv4 address); add `params ip=…`",
                "ocf:a:x has no parameter 'iip'; did you mean 'ip'?",
                "lvs=maybe is not understood: true or false; `qrm ra info ocf:a:x` describes it",
                "mask=24bits is not understood: a whole number; `qrm ra info ocf:a:x` describes it",
                "mode=c is not understood: one of a, b; `qrm ra info ocf:a:x` describes it",
                "ocf:a:x has no parameter 'zzz'; `qrm ra info ocf:a:x` lists what it takes",
                "(warning) ocf:a:x has 'old' for older configurations only; `qrm ra info ocf:a:x` tells what to use",
            ]
        );
    }
}
