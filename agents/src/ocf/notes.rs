//! What is odd in an agent's meta-data: told to people, and no reason to refuse it.

use std::collections::BTreeSet;

use quorate_core::grammar::duration;

use super::metadata::{MetaData, Parameter};

/// The types that OCF and the fence agents' library name.
const KINDS: &[&str] = &["boolean", "duration", "epoch_time", "integer", "nonnegative_integer", "percentage", "port"];
/// Those of which nothing can be said by looking at a value.
const PLAIN: &[&str] = &["score", "second", "select", "string", "time", "timeout"];

/// Everything odd.
pub(super) fn odd(metadata: &MetaData) -> Vec<String> {
    let mut notes = Vec::new();
    let mut seen = BTreeSet::new();
    for parameter in &metadata.parameters {
        if !seen.insert(parameter.name.as_str()) {
            notes.push(format!("the parameter {} is described twice", parameter.name));
        }
        notes.extend(value(parameter));
    }
    let is_fence_agent = metadata.action("off").is_some() || metadata.action("reboot").is_some();
    let wanted: &[&str] = match is_fence_agent {
        true => &["off", "status"],
        false => &["start", "stop", "monitor", "meta-data", "validate-all"],
    };
    let missing = wanted.iter().filter(|name| metadata.action(name).is_none());
    notes.extend(missing.map(|name| format!("there is no action {name}")));
    for action in &metadata.actions {
        for (what, text) in [("timeout", &action.timeout), ("interval", &action.interval)] {
            if let Some(text) = text.as_ref().filter(|text| duration(text).is_none()) {
                notes.push(format!("the {what} of {} is '{text}', which is no time", action.name));
            }
        }
    }
    notes
}

fn value(parameter: &Parameter) -> Option<String> {
    let Parameter { name, kind, .. } = parameter;
    if !KINDS.contains(&kind.as_str()) && !PLAIN.contains(&kind.as_str()) {
        return Some(format!("the parameter {name} is a '{kind}', which is no known type"));
    }
    if kind == "select" && parameter.options.is_empty() {
        return Some(format!("the parameter {name} is to be selected from nothing"));
    }
    let default = parameter.default.as_ref().filter(|default| !default.is_empty())?;
    let wanted = super::params::unfit(parameter, default)?;
    Some(format!("the parameter {name} has the default '{default}', which is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::super::metadata::parse;

    #[test]
    fn what_is_odd_is_noted_and_read() {
        let read = parse(
            r#"<resource-agent name="x"><parameters>
            <parameter/>
            <parameter name="a"><content type="integer" default="many"/></parameter>
            <parameter name="a"/>
            <parameter name="b"><content type="sting"/></parameter>
            <parameter name="c"><content type="select"/></parameter>
            </parameters><actions><action name="start" timeout="soon"/><action name="stop"/><action name="monitor"/>
            <action name="meta-data"/></actions></resource-agent>"#,
        );
        let read = read.expect("it is meta-data");
        assert_eq!(read.parameters.len(), 4);
        assert_eq!(
            read.notes,
            [
                "a parameter without a name, line 2",
                "the parameter a has the default 'many', which is not a whole number",
                "the parameter a is described twice",
                "the parameter b is a 'sting', which is no known type",
                "the parameter c is to be selected from nothing",
                "there is no action validate-all",
                "the timeout of start is 'soon', which is no time",
            ]
        );
    }
}
