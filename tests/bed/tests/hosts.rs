//! Hosts are independent machines as far as a cluster can see, their faults are real, and nothing of a bed stays behind.

use std::path::Path;
use std::time::Duration;

use quorate_bed::testing::{bed_or_skip, eventually};
use quorate_bed::{Bed, DaemonCommand, DaemonFault, LibvirtFault, Options};

fn sh(bed: &Bed, host: &str, script: &str) -> String {
    let output = bed.exec(host, &["bash", "-c", script]).expect("bash runs");
    output.ok().unwrap_or_else(|error| panic!("{script} on {host}: {error:#}")).trim().to_owned()
}

fn reaches(bed: &Bed, from: &str, address: &str) -> bool {
    let script = format!("timeout 1 bash -c '</dev/tcp/{address}/16509'");
    bed.exec(from, &["bash", "-c", &script]).expect("bash runs").success()
}

#[test]
fn every_host_is_a_machine_of_its_own() {
    let Some(bed) = bed_or_skip(Options::for_test(3)) else { return };
    let mut seen = std::collections::BTreeSet::new();
    for host in bed.hosts() {
        assert_eq!(sh(&bed, &host, "hostname"), host);
        assert_eq!(sh(&bed, &host, "virsh -c qemu:///system hostname"), host);
        let identity = "virsh -c qemu:///system sysinfo >/dev/null 2>&1; cat /proc/sys/kernel/random/boot_id \
                        /run/quorate-bed/product_uuid; virsh -c qemu:///system capabilities | grep -m1 uuid";
        for line in sh(&bed, &host, identity).lines().map(str::trim) {
            let line = format!("{line} {}", if line.contains('<') { "libvirt" } else { "" });
            assert!(seen.insert(line.clone()), "{host} shares {line}");
        }
    }
    assert_eq!(seen.len(), 9);

    // Each has its own guests; the ground truth knows whose.
    bed.create_guest("vm1").expect("the guest's files");
    bed.start_by_hand("n2", "vm1").expect("start");
    assert_eq!(sh(&bed, "n1", "virsh -c qemu:///system list --name"), "");
    assert_eq!(sh(&bed, "n2", "virsh -c qemu:///system list --name"), "vm1");
    let vms = bed.vms().expect("the truth");
    assert_eq!(vms.len(), 1);
    assert_eq!((vms[0].host.as_str(), vms[0].vm.as_str()), ("n2", "vm1"));
    assert_eq!(vms[0].uuid, quorate_bed::uuid_of("vm1"));
    assert!(vms[0].started.elapsed().expect("not in the future") < Duration::from_secs(30));

    // libvirtd may die: the guest does not care, and the next one finds it again.
    bed.libvirtd("n2", LibvirtFault::Kill).expect("kill libvirtd");
    assert_eq!(bed.vms().expect("the truth")[0].pid, vms[0].pid);
    bed.libvirtd("n2", LibvirtFault::Start).expect("start libvirtd");
    assert_eq!(sh(&bed, "n2", "virsh -c qemu:///system list --name"), "vm1");
    bed.kill_vm("n2", "vm1").expect("kill the guest");
    eventually("libvirt to notice", Duration::from_secs(5), || {
        sh(&bed, "n2", "virsh -c qemu:///system list --name").is_empty()
    });
    bed.down().expect("down");
}

#[test]
fn cuts_part_exactly_those_they_name() {
    let Some(bed) = bed_or_skip(Options::for_test(3)) else { return };
    let bmc = |from: &str| {
        let words = "ipmitool -I lanplus -U admin -P secret -C 3 -N 1 -R 1 -H 10.99.0.203 chassis power status";
        bed.exec(from, &words.split(' ').collect::<Vec<_>>()).expect("ipmitool runs").success()
    };
    assert!(reaches(&bed, "n1", "10.99.0.2") && reaches(&bed, "n2", "10.99.0.1") && bmc("n2"));
    bed.cut("n2").expect("cut");
    assert!(!reaches(&bed, "n1", "10.99.0.2") && !reaches(&bed, "n2", "10.99.0.3") && !bmc("n2"));
    assert!(reaches(&bed, "n1", "10.99.0.3") && bmc("n1"));
    bed.heal("n2").expect("heal");
    assert!(reaches(&bed, "n1", "10.99.0.2") && bmc("n2"));

    bed.cut_between("n1", "n2").expect("cut");
    assert!(!reaches(&bed, "n1", "10.99.0.2") && reaches(&bed, "n3", "10.99.0.2") && reaches(&bed, "n3", "10.99.0.1"));
    bed.heal("n1").expect("heal");
    assert!(reaches(&bed, "n1", "10.99.0.2"));

    bed.link("n3", false).expect("unplug");
    assert!(!reaches(&bed, "n1", "10.99.0.3"));
    assert_eq!(sh(&bed, "n3", "cat /sys/class/net/eth0/carrier"), "0", "the host sees its own cable");
    bed.heal("n3").expect("heal");
    assert!(reaches(&bed, "n1", "10.99.0.3"));
    bed.down().expect("down");
}

/// Beats into a file on the host's disk, and runs a helper in a cgroup of its own as the real daemon does with agents.
const DAEMON: &str = r#"
echo "started $0 $WHO $(cat /proc/sys/kernel/random/boot_id)"
mkdir -p "$2/action-1"
sh -c 'echo 0 >"$1/action-1/cgroup.procs"; exec sleep 1000' sh "$2" &
while :; do date +%s%N >/var/lib/quorate/beat; sleep 0.02; done
"#;

fn with_daemon() -> Options {
    let argv = ["bash", "-c", DAEMON, "{name}/{n}", "{addr}", "{cgroup}"];
    let daemon = DaemonCommand {
        argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        env: vec![("WHO".to_owned(), "{name}".to_owned())],
        autostart: true,
    };
    Options { daemon: Some(daemon), qrm: vec!["echo".to_owned(), "{addr}".to_owned()], ..Options::for_test(2) }
}

#[test]
fn a_daemon_dies_alone_and_returns_with_its_host() {
    let Some(bed) = bed_or_skip(with_daemon()) else { return };
    let log = || std::fs::read_to_string(bed.layout().daemon_log("n1")).unwrap_or_default();
    let beat = || std::fs::read_to_string(bed.layout().home("n1").join("state/beat")).unwrap_or_default();
    let beats = || {
        let before = beat();
        std::thread::sleep(Duration::from_millis(200));
        beat() != before
    };
    let pid = || bed.daemon_pid("n1").expect("n1 exists");
    let boot_id = || bed.boot_id("n1").expect("a boot id");
    eventually("the daemon to run", Duration::from_secs(5), || pid().is_some() && !beat().is_empty());
    let first_boot = boot_id();
    assert_eq!(log().trim(), format!("started n1/1 n1 {first_boot}"));
    assert_eq!(bed.qrm("n2", &["status"]).expect("qrm runs").stdout.trim(), "10.99.0.2 status");

    let action = bed.layout().host_cgroup("n1").expect("a cgroup").join("quorated/action-1/cgroup.procs");
    let helpers = || std::fs::read_to_string(&action).unwrap_or_default().lines().count();
    eventually("the daemon's helper in its cgroup", Duration::from_secs(5), || helpers() == 1);
    bed.daemon("n1", DaemonFault::Kill).expect("kill");
    assert_eq!((pid(), helpers(), beats()), (None, 1, false), "only the daemon dies");
    bed.daemon_start("n1").expect("start");
    assert!(bed.daemon_start("n1").is_err(), "one at a time");
    eventually("beats", Duration::from_secs(5), beats);

    bed.daemon("n1", DaemonFault::Hang).expect("hang");
    // What the daemon had started may end in its own time.
    eventually("silence", Duration::from_secs(5), || !beats());
    bed.daemon("n1", DaemonFault::Resume).expect("resume");
    eventually("beats", Duration::from_secs(5), beats);
    bed.freeze("n1").expect("freeze");
    assert!(!beats() && bed.is_on("n1").expect("n1 exists"), "a frozen host is on and does nothing");
    bed.thaw("n1").expect("thaw");
    eventually("beats", Duration::from_secs(5), beats);

    bed.freeze("n1").expect("freeze");
    bed.power_off("n1").expect("a frozen host loses power like any other");
    assert_eq!((pid(), beats()), (None, false));
    bed.power_on("n1").expect("power on");
    eventually("the daemon to return with its host", Duration::from_secs(10), || pid().is_some() && beats());
    let last = log().lines().last().unwrap_or_default().to_owned();
    assert_eq!(last, format!("started n1/1 n1 {}", boot_id()));
    assert_ne!(boot_id(), first_boot);
    bed.down().expect("down");
}

fn leftovers(id: &str) -> Vec<String> {
    let named = |dir: &str| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.path().display().to_string());
        names.filter(|path| path.contains(id)).collect::<Vec<_>>()
    };
    let mut found = named("/run/netns");
    found.extend(named("/sys/fs/cgroup"));
    found.extend(named("/sys/fs/cgroup/unified"));
    for pid in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let cmdline = std::fs::read(pid.path().join("cmdline")).unwrap_or_default();
        let cmdline = String::from_utf8_lossy(&cmdline).replace('\0', " ");
        let cgroup = std::fs::read_to_string(pid.path().join("cgroup")).unwrap_or_default();
        // A zombie is an entry that process 1 has yet to strike out, and names a cgroup that is gone.
        let cgroup = if cgroup.contains("(deleted)") { String::new() } else { cgroup };
        if cmdline.contains(id) || cgroup.contains(id) {
            found.push(cmdline);
        }
    }
    found
}

#[test]
fn nothing_of_a_bed_stays_behind() {
    let options = Options { keep: true, ..Options::for_test(2) };
    let (id, dir) = (options.id.clone(), options.dir.clone());
    let Some(bed) = bed_or_skip(options) else { return };
    bed.create_guest("vm1").expect("the guest's files");
    bed.start_by_hand("n1", "vm1").expect("start");
    bed.freeze("n2").expect("freeze");
    bed.bmc("n1", quorate_bed::BmcMode::Hung).expect("hang the BMC");
    drop(bed);
    let bed = Bed::attach(&dir).expect("a bed that is kept outlives the one who made it");
    assert!(bed.is_on("n1").expect("n1 exists"));
    assert!(!leftovers(&format!("{id}/")).is_empty(), "the search finds what is there");
    bed.down().expect("down");
    assert_eq!(leftovers(&id), [] as [String; 0]);
    assert!(!dir.exists());
}

#[test]
fn the_next_bed_clears_away_one_whose_maker_crashed() {
    let template = Options::for_test(1);
    // No process can have this number.
    let id = "t999999999-0".to_owned();
    let dir = template.dir.with_file_name(&id);
    let Some(crashed) = bed_or_skip(Options { id: id.clone(), dir: dir.clone(), ..template.clone() }) else { return };
    std::mem::forget(crashed);
    assert!(Path::new("/run/netns").join(format!("qbed-{id}-n1")).exists());
    let next = bed_or_skip(template).expect("the machine carries beds");
    assert_eq!(leftovers(&id), [] as [String; 0]);
    assert!(!dir.exists());
    next.down().expect("down");
}
