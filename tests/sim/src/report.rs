//! What a run found, and what it went through: without that, a pass could be empty.

use std::fmt;
use std::ops::AddAssign;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The rule's name.
    pub rule: &'static str,
    /// What happened.
    pub what: String,
    /// When, in simulated milliseconds.
    pub at: u64,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}.{:03} s: {}", self.rule, self.at / 1000, self.at % 1000, self.what)
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its seed.
    pub seed: u64,
    /// What broke, if anything did.
    pub failure: Option<Failure>,
    /// What it went through.
    pub counts: Counts,
    /// The same for the same seed, and for no other.
    pub fingerprint: u64,
    /// What happened, line by line, where that was asked for.
    pub trace: Vec<String>,
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// What happened, counted.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)* }

        impl AddAssign for Counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$name += other.$name;)*
            }
        }

        impl fmt::Display for Counts {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let parts = [$(format!("{} {}", self.$name, $text),)*];
                f.write_str(&parts.join(", "))
            }
        }
    };
}

counts! {
    /// Power cuts.
    power_cuts = "power cuts",
    /// Freezes.
    freezes = "freezes",
    /// Judgements held up before they were written.
    held_up = "judgements held up",
    /// Daemons killed.
    daemon_kills = "daemons killed",
    /// Daemon starts, those at boot included.
    daemon_starts = "daemon starts",
    /// Leaders elected.
    leaders = "leaders elected",
    /// Changes of the members that have a place or a vote.
    member_changes = "changes of members",
    /// Stores that were lost or older than what was seen of them.
    lost_stores = "stores lost",
    /// Of these, those that rejoined under a new raft id.
    rejoined = "rejoined",
    /// Members removed.
    removed = "members removed",
    /// Of these, those that joined again.
    joined = "joined again",
    /// Whole states taken over.
    snapshots = "whole states taken over",
    /// Times a leader offered to hand over.
    hand_overs = "hand-overs",
    /// Disks that ran full.
    full_disks = "full disks",
    /// Offers of leadership for want of room.
    made_way = "offers of leaders without room",
    /// VMs that crashed.
    crashes = "VM crashes",
    /// VMs killed while their hypervisor was silent.
    killed = "killed past a silent hypervisor",
    /// VMs that began to run.
    starts = "VM starts",
    /// Of these, those whose last host had been proven dead.
    recoveries = "recoveries",
    /// OCF resources that an agent brought up.
    service_starts = "service starts",
    /// OCF resources that vanished or stopped working.
    service_faults = "services hit",
    /// Agents that failed, hung or did half of it.
    bad_agents = "agents that failed",
    /// Starts beside a copy on a lost host, where somebody waived its proof.
    waived = "waived copies",
    /// Migrations that began.
    migrations = "migrations",
    /// Links cut just then between the ends of one.
    cuts_on_the_way = "links cut on the way",
    /// Guests that stood still in a cut-off migration until they were ended.
    stuck_ends = "guests stuck and ended",
    /// Of these, those whose copy was let run.
    handovers = "handovers",
    /// Notices that instances of clones heard.
    heard = "notices heard",
    /// Instances of clones that were promoted.
    promotions = "promotions",
    /// Sessions judged lost.
    lost = "nodes lost",
    /// Sessions proven dead.
    proofs = "proofs of death",
    /// Of these, by power.
    power_proofs = "by power",
    /// Of these, by having waited for a watchdog.
    watchdog_proofs = "by a watchdog",
    /// Of these, those whose hosts had been left a pill.
    pill_proofs = "with a pill",
    /// Fences called off.
    called_off = "fences called off",
    /// Sessions condemned.
    condemned = "condemned",
    /// Hosts that fenced themselves.
    self_fences = "self-fences",
    /// Beats of hosts with a watchdog that a leader said yes to.
    beats = "beats answered",
    /// Watchdogs opened.
    dogs_opened = "watchdogs opened",
    /// Hosts that their watchdogs reset.
    bites = "watchdogs bit",
    /// Of hosts with a watchdog, cuts that are longer than the wait for it.
    long_cuts = "long cuts",
    /// Pills that were left, or meant to be.
    pills_left = "pills left",
    /// Hosts that read one.
    pills_swallowed = "swallowed",
    /// Slots that somebody emptied.
    pills_taken = "taken away",
    /// Times that disks were lost to hosts.
    disks_lost = "disks lost",
    /// Hosts that a device switched off.
    device_offs = "hosts switched off",
    /// Hosts that a device switched on again.
    device_ons = "on again",
    /// Feeds that were switched off.
    feed_offs = "feeds switched off",
    /// Offs that a device sat on.
    late_offs = "late offs",
    /// Hosts shut down in order.
    shutdowns = "hosts shut down",
    /// Of these, those that said goodbye.
    goodbyes = "goodbyes",
    /// Fence devices that passed their first drill, failed, or passed again.
    drills = "words of drills",
    /// Lies of devices.
    lies = "lies of devices",
    /// Proofs found false.
    false_proofs = "proofs found false",
    /// Entries committed.
    entries = "log entries",
    /// Events that happened.
    events = "events",
    /// Simulated milliseconds.
    millis = "simulated ms",
}
