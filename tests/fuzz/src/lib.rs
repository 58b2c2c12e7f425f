//! Every door through which bytes of others come in: what it answers to any bytes at all.
//!
//! A target gives bytes to the code that a daemon or `qrm` would give them to. It passes when nothing panics, nothing
//! allocates what the sender asks for, and what was read can be written and read again. It must not test anything that
//! no byte of others reaches.

mod bytes;
mod text;

/// One door.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name on the command line, and of its directory of findings.
    pub name: &'static str,
    /// What comes in by it.
    pub about: &'static str,
    /// Gives it bytes.
    pub run: fn(&[u8]),
    /// What it is meant to be given: the engine begins with these.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All doors.
pub const TARGETS: &[Target] = &[
    Target { name: "grammar", about: "configuration text", run: text::grammar, seeds: text::grammar_seeds },
    Target { name: "cib", about: "Pacemaker's CIB", run: text::cib, seeds: text::cib_seeds },
    Target { name: "domain-xml", about: "libvirt's XML of a VM", run: text::domain_xml, seeds: text::domain_seeds },
    Target { name: "agent-output", about: "what OCF agents print", run: text::agent_output, seeds: text::agent_seeds },
    Target {
        name: "identity",
        about: "token, certificates, keys, identity",
        run: text::identity,
        seeds: text::identity_seeds,
    },
    Target { name: "rpc", about: "requests of qrm and other programs", run: bytes::rpc, seeds: bytes::rpc_seeds },
    Target { name: "log", about: "log, snapshots and raft messages", run: bytes::log, seeds: bytes::log_seeds },
    Target { name: "bmc", about: "packets of a BMC", run: bytes::bmc, seeds: bytes::bmc_seeds },
    Target {
        name: "redfish",
        about: "documents of a Redfish service",
        run: bytes::redfish,
        seeds: bytes::redfish_seeds,
    },
    Target {
        name: "fence-output",
        about: "what fence agents print",
        run: bytes::fence_output,
        seeds: bytes::fence_seeds,
    },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn seeds_and_what_was_found_before_go_through_every_door() {
        for target in TARGETS {
            let mut tried = 0;
            for seed in (target.seeds)() {
                (target.run)(&seed);
                // Cut short and damaged, as a disk or a network would have it.
                (target.run)(&seed[..seed.len() / 2]);
                for place in (0..seed.len()).step_by(seed.len() / 50 + 1) {
                    let mut damaged = seed.clone();
                    damaged[place] ^= 0x41;
                    (target.run)(&damaged);
                }
                tried += 1;
            }
            assert!(tried > 0, "{} has no seeds", target.name);
            let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(target.name);
            for entry in std::fs::read_dir(found).into_iter().flatten().flatten() {
                (target.run)(&std::fs::read(entry.path()).expect("it can be read"));
            }
        }
    }
}
