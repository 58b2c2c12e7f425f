//! What the cluster's resources are called in its own words: VMs where all of them are, and resources where any is not.

use super::Status;

/// A noun, for one and for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noun {
    /// `VM`
    pub one: &'static str,
    /// `VMs`
    pub many: &'static str,
    /// `VMs`, as a heading.
    pub title: &'static str,
}

impl Noun {
    /// `1 VM`, `2 VMs`
    pub fn counted(self, count: usize) -> String {
        format!("{count} {}", if count == 1 { self.one } else { self.many })
    }

    /// `1 VM waits`, `2 VMs wait`: the verb as it is of many.
    pub(super) fn doing(self, count: usize, verb: &str) -> String {
        format!("{} {verb}{}", self.counted(count), if count == 1 { "s" } else { "" })
    }
}

impl Status {
    /// What to call what this cluster runs. A cluster that runs nothing yet will run VMs.
    pub fn noun(&self) -> Noun {
        match self.resources.iter().all(|resource| resource.agent.starts_with("vm:")) {
            true => Noun { one: "VM", many: "VMs", title: "VMs" },
            false => Noun { one: "resource", many: "resources", title: "Resources" },
        }
    }
}
