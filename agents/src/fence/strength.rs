//! What an `off` reading of each agent type is worth as a proof that a host cannot run anything.

/// The **strength** of a fence agent type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Proves nothing.
    None,
    /// Cuts the host off from storage or network; what runs on it runs on.
    Fabric,
    /// Switches power, but its reading is not known to be the host's own (an outlet of several, a cloud's word).
    PowerUnverified,
    /// Reads the power state of the host itself: the only one that proves by itself.
    PowerVerified,
}

impl std::fmt::Display for Strength {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "proves nothing",
            Self::Fabric => "fabric",
            Self::PowerUnverified => "power-unverified",
            Self::PowerVerified => "power-verified",
        })
    }
}

/// BMCs and hypervisors, which know whether *this* machine is powered.
const VERIFIED: &[&str] = &[
    "fake",
    "ipmi",
    "redfish",
    "fence_amt",
    "fence_amt_ws",
    "fence_bladecenter",
    "fence_cisco_ucs",
    "fence_drac",
    "fence_drac5",
    "fence_hpblade",
    "fence_ibmblade",
    "fence_idrac",
    "fence_ilo",
    "fence_ilo2",
    "fence_ilo3",
    "fence_ilo3_ssh",
    "fence_ilo4",
    "fence_ilo4_ssh",
    "fence_ilo5",
    "fence_ilo5_ssh",
    "fence_ilo_moonshot",
    "fence_ilo_mp",
    "fence_ilo_ssh",
    "fence_imm",
    "fence_intelmodular",
    "fence_ipmilan",
    "fence_ipmilanplus",
    "fence_ironic",
    "fence_lpar",
    "fence_pve",
    "fence_redfish",
    "fence_rhevm",
    "fence_rsa",
    "fence_rsb",
    "fence_vbox",
    "fence_virsh",
    "fence_vmware",
    "fence_vmware_rest",
    "fence_vmware_soap",
    "fence_virt",
    "fence_xvm",
];

/// Switches of a network or of storage.
const FABRIC: &[&str] =
    &["fence_brocade", "fence_cisco_mds", "fence_ifmib", "fence_mpath", "fence_sanbox2", "fence_scsi"];

/// A question to a person, a hint, a heuristic, a wait, or a toy.
const NOTHING: &[&str] = &[
    "fence_ack_manual",
    "fence_compute",
    "fence_crosslink",
    "fence_dummy",
    "fence_evacuate",
    "fence_heuristics_ping",
    "fence_kdump",
    "fence_sbd",
    "sbd",
];

/// The strength of an agent by its name; a `fence_*` program nobody here knows is power-unverified.
pub fn of(agent: &str) -> Strength {
    if VERIFIED.contains(&agent) {
        Strength::PowerVerified
    } else if FABRIC.contains(&agent) {
        Strength::Fabric
    } else if NOTHING.contains(&agent) || !agent.starts_with("fence_") {
        Strength::None
    } else {
        Strength::PowerUnverified
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_the_hosts_own_power_proves_by_itself() {
        let rows = [
            ("ipmi", Strength::PowerVerified),
            ("redfish", Strength::PowerVerified),
            ("fence_ipmilan", Strength::PowerVerified),
            ("fence_apc", Strength::PowerUnverified),
            ("fence_somebody_elses", Strength::PowerUnverified),
            ("fence_scsi", Strength::Fabric),
            ("fence_kdump", Strength::None),
            ("ssh", Strength::None),
            ("", Strength::None),
        ];
        for (agent, want) in rows {
            assert_eq!(of(agent), want, "{agent}");
        }
    }
}
