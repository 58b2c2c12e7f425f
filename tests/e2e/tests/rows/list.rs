//! The rows: their names, what each shows, and what its bed has.

use anyhow::Result;

use super::stage::Stage;
use super::{
    bmc, clones, copies, daemon, disk, drill, frozen, hardware_watchdog, health, isolation, libvirtd, logged_in,
    majority, membership, migration, migration_faults, ocf, orderly, people, pill, ping, power, recover, redfish,
    redis, refusals, store, storm, systemd, unfencing, virtual_domain, vm, watchdog, watched, web, writes,
};

pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) run: fn(&mut Stage) -> Result<()>,
    /// How many hosts its bed has.
    pub(super) hosts: u32,
    /// The last of them is a witness.
    pub(super) has_witness: bool,
    /// It mostly waits and measures nothing: it is played beside others of its kind.
    pub(super) is_patient: bool,
}

const fn row(name: &'static str, what: &'static str, run: fn(&mut Stage) -> Result<()>) -> Row {
    Row { name, what, run, hosts: 3, has_witness: false, is_patient: false }
}

impl Row {
    const fn hosts(self, hosts: u32) -> Row {
        Row { hosts, ..self }
    }

    const fn with_witness(self) -> Row {
        Row { has_witness: true, ..self }
    }

    const fn patient(self) -> Row {
        Row { is_patient: true, ..self }
    }
}

pub(super) const ROWS: &[Row] = &[
    row("power-cut-follower", "a follower loses power: its VMs run elsewhere within seconds", power::follower),
    row("power-cut-leader", "the leader loses power: its VMs run elsewhere within seconds", power::leader),
    row(
        "power-cut-with-bmc",
        "the BMC dies with its host: nothing starts until a person has answered",
        power::with_bmc,
    )
    .patient(),
    row("network-cut", "a host is cut off with its VMs: it is off before they start elsewhere", isolation::follower),
    row(
        "watchdog",
        "a host with a watchdog and no BMC is cut off: it resets itself, and its VMs wait for that",
        watchdog::cut,
    ),
    row(
        "hardware-watchdog",
        "a machine with an emulated hardware watchdog: it bites, the next boot tells so, and then its wait is a proof",
        hardware_watchdog::reset,
    )
    .patient(),
    row(
        "poison-pill",
        "a host with a slot on a shared disk and no BMC is cut off: it takes its pill, and its VMs wait for that",
        pill::cut,
    )
    .patient(),
    row("frozen-fenced", "a host stands still for too long: it is off before its VMs run elsewhere", frozen::fenced)
        .patient(),
    row(
        "frozen-called-off",
        "its BMC hangs and it goes on: it is taken back, and nothing was started",
        frozen::called_off,
    )
    .patient(),
    row("frozen-condemned", "an off had no effect and it goes on: it kills its VMs and reboots", frozen::condemned)
        .patient(),
    row("breathing", "its BMC lied that it is off, and it goes on: it dies, and the lie is told", frozen::breathing)
        .patient(),
    row("flapping", "a host stands still again and again: nothing new is placed there", frozen::flapping).patient(),
    row("away", "a daemon was stopped and stays away: one question is asked", frozen::away).patient(),
    row("majority-lost", "nobody reaches anybody, then all do: nothing starts meanwhile", majority::lost_and_back)
        .patient(),
    row("all-power-lost", "five hosts lose power at once, two boot slowly: they are waited for", majority::all_power)
        .hosts(5)
        .patient(),
    row("switch-flapping", "the switch between all comes and goes: VMs stay, nobody is fenced", majority::switch_flaps)
        .patient(),
    row("leader-with-a-bad-link", "others hear whom the leader does not: leadership moves", majority::bad_link),
    row("daemon-back-at-once", "a daemon is killed and back after a second: nobody notices", daemon::after_a_second),
    row("daemon-back-in-time", "a daemon is back after 0.9 of its grace: nobody is fenced", daemon::within_grace),
    row("daemon-back-too-late", "a daemon stays away for 1.5 of its grace: its node is fenced, once", daemon::too_late)
        .patient(),
    row("bmc-hung", "the BMC of a cut-off host hangs: zero starts for 60 s, then it is mended", bmc::hung).patient(),
    row("bmc-slow", "it takes 30 s for every answer: zero starts for 60 s, then it is mended", bmc::slow).patient(),
    row("bmc-wrong-password", "it refuses the password: zero starts for 60 s, then it is mended", bmc::wrong_password)
        .patient(),
    row("bmc-stuck", "it says ok to the off and still reads on: zero starts for 60 s, then it is mended", bmc::stuck)
        .patient(),
    row(
        "bmc-dead-node-reboots",
        "a node reboots while its BMC is dead: the new boot proves it",
        bmc::reborn_with_dead_bmc,
    )
    .patient(),
    row(
        "fence-drill",
        "a BMC that nobody needs yet takes no password: status tells, the log does not move",
        drill::drill,
    )
    .patient(),
    row("health-sensors", "a BMC says that its host is too hot: its VM leaves it live", health::sensors).patient(),
    row("bmc-swapped", "two BMCs' addresses are swapped: the drill and a test say whose each is", health::swapped)
        .patient(),
    row(
        "unfencing",
        "a device that lets hosts to their storage fails, works, and does so again after a boot: nothing starts before",
        unfencing::unfencing,
    )
    .patient(),
    row(
        "fence-virsh",
        "a machine on a hypervisor, fenced by logging in there: off, the proof, on; no virsh there is no proof",
        logged_in::fence_virsh,
    )
    .patient(),
    row("redfish-cut", "cut off, fenced by its Redfish service: its VMs run elsewhere", redfish::cut).patient(),
    row("redfish-stuck", "it says ok and still reads On: zero starts for 60 s, then it is mended", redfish::stuck)
        .patient(),
    row(
        "fence-levels",
        "levels by attribute and by pattern; then a node's own: the first refuses, the second proves it",
        bmc::levels,
    )
    .patient(),
    row("fence-reboot", "stonith-action=reboot: off, the proof, then on, never a reset", bmc::reboot).patient(),
    row("late-off", "the executor stood still between grant and off: it never hits the reborn node", bmc::late_off)
        .patient(),
    row("storm-majority-cut", "three of five hosts are cut within 5 s: nobody is fenced", storm::majority_cut)
        .hosts(5)
        .patient(),
    row("storm-limit", "two of five are cut, and one fence is the limit: the timeline says why", storm::limit)
        .hosts(5)
        .patient(),
    row("vm-killed", "a VM's QEMU is killed: it is restarted in place within about a second", vm::killed),
    row("slow-start", "a VM's start hangs while another host is cut: that one's VMs do not wait", vm::slow_start),
    row("stop-fails", "a VM cannot be stopped: its node is fenced", vm::stop_fails).patient(),
    row("migrate-live", "VMs are moved and a node put in standby: they go live, without a restart", migration::live)
        .patient(),
    row(
        "migrate-source-lost",
        "the source loses power in mid-migration: the VM boots anew, once",
        migration::source_lost,
    )
    .patient(),
    row("migrate-target-lost", "the target loses power in mid-migration: the VM goes on", migration::target_lost)
        .patient(),
    row(
        "migrate-link-cut",
        "source and target lose each other before, amid and at the end of a migration: VMs stay",
        migration_faults::link_cut,
    )
    .patient(),
    row(
        "migrate-link-cut-late",
        "source and target lose each other with the last pages under way: the VM runs again, once",
        migration_faults::link_cut_late,
    )
    .patient(),
    row(
        "migrate-source-cut",
        "the source is cut off in mid-migration: the VM boots anew, once",
        migration_faults::source_cut,
    )
    .patient(),
    row("migrate-target-cut", "the target is cut off in mid-migration: the VM goes on", migration_faults::target_cut)
        .patient(),
    row(
        "migrate-handover-cut",
        "the source is cut off after the VM has left and before it runs again: it runs at the target",
        migration_faults::handover_cut,
    )
    .patient(),
    row(
        "migrate-libvirtd-killed",
        "libvirtd is killed at the source, then at the target, in mid-migration: VMs stay",
        migration_faults::libvirtd_killed,
    )
    .patient(),
    row(
        "migrate-called-off",
        "VMs on their way are moved back, stopped, and not asked for any more: each as it was wanted",
        migration_faults::called_off,
    )
    .patient(),
    row("ocf-power-cut", "an address and a dummy go with their VM when its host loses power", ocf::power_cut).patient(),
    row(
        "clone-power-cut",
        "a host with an instance of a clone loses power: the others run on untouched, and one comes back with the host",
        clones::power_cut,
    )
    .patient(),
    row(
        "promoted-power-cut",
        "the host of the promoted instance loses power: another one is promoted after the proof, and stays so",
        clones::promoted_power_cut,
    )
    .patient(),
    row(
        "promoted-address",
        "an address runs with the promoted instance: it follows where another is wanted, and after a power cut",
        clones::address_follows,
    )
    .patient(),
    row(
        "ocf-watched",
        "a set starts side by side, a parameter goes round a clone, and a second one is found where none should run",
        watched::watched,
    )
    .patient(),
    row(
        "redis-pair",
        "the promoted one of two of Debian's Redis loses power: the other serves what was written, by notices alone",
        redis::pair,
    )
    .patient(),
    row("ocf-helpers", "agents say something of their node with none of Pacemaker's own commands", ocf::helpers)
        .patient(),
    row(
        "ping-clone",
        "a host loses its gateway: a clone of ping says so, and what needs it goes elsewhere",
        ping::steers,
    )
    .patient(),
    row(
        "virtual-domain",
        "Debian's VirtualDomain sends its guest to another host alive, and after that host's power cut boots it anew",
        virtual_domain::live,
    )
    .patient(),
    row(
        "systemd-units",
        "a unit is killed, then its host; one does not stop: restarted by a signal, run elsewhere, fenced",
        systemd::units,
    )
    .patient(),
    row("ocf-web", "a file system, an address and apache in a group go elsewhere with what was written", web::group)
        .patient(),
    row("ocf-stop-fails", "an OCF agent breaks: what it cannot stop is fenced, and runs elsewhere", ocf::stop_fails)
        .patient(),
    row(
        "two-hosts-and-witness",
        "two hosts and a witness: any one of them lost, or the link between the hosts",
        membership::two_hosts_and_witness,
    )
    .patient()
    .with_witness(),
    row(
        "removed-stays-out",
        "a lost node is removed and comes back: it is refused until it joins anew",
        membership::removed,
    )
    .patient(),
    row(
        "refusals",
        "no, a foreign, an expired, a removed certificate, a used token: refused, untouched",
        refusals::all,
    )
    .patient(),
    row("recover", "two of three are lost for good: the third goes on alone, and they never come back", recover::alone)
        .patient(),
    row(
        "voters-replaced",
        "four hosts, three vote: a dead voter's place goes to the learner",
        membership::voters_replaced,
    )
    .hosts(4)
    .patient(),
    row(
        "rolling-restart",
        "every daemon is stopped and started in turn: VMs and peace are kept",
        orderly::rolling_restart,
    ),
    row(
        "host-shutdown",
        "the leader's host is shut down in order: its VMs move, and no fence is needed",
        orderly::host,
    ),
    row("store-damaged", "a member's store is damaged: it votes again with a new one; its VMs run on", store::damaged)
        .patient(),
    row(
        "store-rolled-back",
        "a member starts on an older copy of its store: found out, and it votes again with a new one",
        store::rolled_back,
    )
    .patient(),
    row("disk-full", "the disks under the stores run full: told, handed over, and VMs are kept running", disk::full)
        .patient(),
    row("disk-eio", "the leader's disk fails: it ends and says so, and comes back once that is mended", disk::eio)
        .patient(),
    row(
        "disk-cloned",
        "a host is started with a copy of another's disk: refused, also under its address",
        copies::cloned,
    )
    .patient(),
    row("store-foreign", "a member has the store of another cluster: it says so, and rejoins", copies::foreign)
        .patient(),
    row(
        "snapshot-over-the-wire",
        "a member is away until the logs begin after what it has: it gets the whole state",
        copies::snapshot,
    )
    .patient(),
    row("libvirtd-killed", "libvirtd is killed: unknown is told, a stop works, nobody is fenced", libvirtd::killed)
        .patient(),
    row("libvirtd-hung", "libvirtd hangs: unknown is told, a stop works, nobody is fenced", libvirtd::hung).patient(),
    row(
        "libvirtd-forgets",
        "libvirtd comes back without its state: guests live, a restart mends it",
        libvirtd::forgets,
    )
    .patient(),
    row("move-and-drain", "a move leaves nothing behind, a drain stops nothing", people::moves_and_drains).patient(),
    row("moved-by-hand", "in maintenance a VM is moved with virsh: it is found where it is", people::moved_by_hand)
        .patient(),
    row(
        "beside-the-cluster",
        "a VM is started by hand, another deleted and defined again: both are found",
        people::beside_the_cluster,
    )
    .patient(),
    row(
        "definition-changed",
        "a definition changes while its VM runs; a second owner of its disk is refused",
        people::definition_changed,
    )
    .patient(),
    row("crash-loop", "a guest crashes again and again: pauses, then another node", people::crash_loop).patient(),
    row("all-daemons-killed", "all daemons are killed 50 times amid writes: none is lost", writes::survive).patient(),
];
