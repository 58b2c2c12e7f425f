//! What the built-in agents would say of themselves, in the words of those that are programs; and what every fence device
//! takes beside its agent's own parameters.

use crate::ocf::{MetaData, Parameter, parse_metadata};

/// The built-in agents, as they are written in a configuration.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("vm:libvirt", include_str!("builtin/vm-libvirt.xml")),
    ("stonith:ipmi", include_str!("builtin/stonith-ipmi.xml")),
    ("stonith:redfish", include_str!("builtin/stonith-redfish.xml")),
    ("stonith:sbd", include_str!("builtin/stonith-sbd.xml")),
];

/// The meta-data of an agent that is built in; `None` of anything else.
pub fn metadata(agent: &str) -> Option<MetaData> {
    let (_, text) = BUILT_IN.iter().find(|(name, _)| *name == agent)?;
    parse_metadata(text).ok()
}

/// The parameters that are the cluster's part of every fence device.
pub fn device_parameters() -> Vec<Parameter> {
    parse_metadata(include_str!("builtin/device.xml")).map(|read| read.parameters).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_describes_itself_without_oddities() {
        for (name, text) in BUILT_IN {
            let read = parse_metadata(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(read.notes, [""; 0], "{name}");
            assert!(metadata(name).is_some());
        }
        assert!(metadata("ocf:heartbeat:Dummy").is_none());
        let known: Vec<String> = device_parameters().into_iter().map(|it| it.name).collect();
        for name in quorate_core::config::DEVICE_PARAMETERS {
            assert!(known.iter().any(|it| it == name), "{name} is read and not described");
        }
        assert_eq!(known.len(), quorate_core::config::DEVICE_PARAMETERS.len());
    }

    #[test]
    fn the_parameters_are_those_that_are_taken() {
        let names =
            |agent| metadata(agent).map(|read| read.parameters.into_iter().map(|it| it.name).collect::<Vec<_>>());
        let mut wanted: Vec<String> =
            quorate_core::config::MIGRATION_PARAMETERS.iter().map(|name| (*name).to_owned()).collect();
        wanted.insert(0, "xml".to_owned());
        assert_eq!(names("vm:libvirt"), Some(wanted));
    }
}
