//! A BMC of the bed has real power, and never says off before nothing of its host is left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorate_bed::testing::{bed_or_skip, eventually};
use quorate_bed::{Bed, BmcMode, Options, Output};

/// Asks the BMC of `target` from another host, with one short try.
fn chassis(bed: &Bed, from: &str, target: &str, verb: &str) -> Output {
    let address = bed.layout().bmc_address(target).expect("the host exists");
    let words = "ipmitool -I lanplus -U admin -P secret -C 3 -N 1 -R 1 -H";
    let mut argv: Vec<&str> = words.split(' ').collect();
    argv.extend([address.as_str(), "chassis", "power", verb]);
    bed.exec(from, &argv).expect("ipmitool runs")
}

fn says(output: &Output, text: &str) -> bool {
    output.success() && output.stdout.contains(text)
}

/// Whether a process still has memory or open files. One that is past both can do nothing any more: it is an entry in a
/// table, on its way to being a zombie.
fn holds_anything(pid: i32) -> bool {
    let memory = std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|words| !words.is_empty());
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|mut files| files.next().is_some());
    memory || files
}

#[test]
fn off_is_said_only_when_nothing_of_the_host_is_left() {
    let Some(bed) = bed_or_skip(Options::for_test(2)) else { return };
    bed.create_guest("vm1").expect("the guest's files");
    bed.start_by_hand("n1", "vm1").expect("start");
    // A crowd, and some with much memory to give back, make dying take its time.
    let crowd = "exec >/dev/null 2>&1; for i in $(seq 200); do sleep 1000 & done; \
                 for i in 1 2 3; do (head -c 400M /dev/zero; sleep 1000) | tail -n 1 & done";
    bed.exec("n1", &["sh", "-c", crowd]).expect("sh runs").ok().expect("the crowd starts");
    eventually("the crowd to have its memory", Duration::from_secs(30), || {
        let large = |pid: &i32| {
            let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
            statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).is_some_and(|pages| pages > 100_000)
        };
        bed.processes("n1").expect("n1 exists").iter().filter(|pid| large(pid)).count() == 3
    });
    let pids = bed.processes("n1").expect("n1 exists");
    assert!(pids.len() > 200, "{} processes", pids.len());
    assert!(says(&chassis(&bed, "n2", "n1", "status"), "is on"));

    let done = AtomicBool::new(false);
    let early = std::thread::scope(|scope| {
        // The BMC serves one request at a time; its power reading is watched where it is made.
        let reader = scope.spawn(|| {
            let (mut readings, mut off) = (0, 0);
            while !done.load(Ordering::Relaxed) || off == 0 {
                let get = [bed.layout().dir.join("chassis.sh").to_string_lossy().into_owned(), "1".to_owned()];
                let output = std::process::Command::new(&get[0]).args([get[1].as_str(), "get", "power"]).output();
                let reading = String::from_utf8_lossy(&output.expect("chassis.sh runs").stdout).into_owned();
                readings += 1;
                if reading.trim() == "power:0" {
                    off += 1;
                    let alive: Vec<i32> = pids.iter().copied().filter(|pid| holds_anything(*pid)).collect();
                    assert_eq!(alive, [] as [i32; 0], "the BMC read off while these lived");
                }
            }
            (readings, off)
        });
        let output = chassis(&bed, "n2", "n1", "off");
        let alive: Vec<i32> = pids.iter().copied().filter(|pid| holds_anything(*pid)).collect();
        done.store(true, Ordering::Relaxed);
        assert!(output.success(), "{output}");
        assert_eq!(alive, [] as [i32; 0], "the BMC acknowledged off while these lived");
        reader.join().expect("no reading was early")
    });
    assert!(early.0 > early.1, "the reader also saw the host on: {early:?}");
    assert!(says(&chassis(&bed, "n2", "n1", "status"), "is off"));
    assert!(!bed.is_on("n1").expect("n1 exists"));
    assert_eq!(bed.vms().expect("the truth").len(), 0);
    bed.down().expect("down");
}

#[test]
fn power_on_is_a_new_boot_of_the_same_hardware() {
    let Some(bed) = bed_or_skip(Options::for_test(2)) else { return };
    let boot_id = || {
        let output = bed.exec("n1", &["cat", "/proc/sys/kernel/random/boot_id"]).expect("cat runs");
        output.ok().expect("the boot id is there").trim().to_owned()
    };
    let before = boot_id();
    let hardware = bed.hardware_id("n1").expect("a hardware id");
    let mark = "echo kept >/var/lib/quorate/mark; echo lost >/run/mark";
    bed.exec("n1", &["sh", "-c", mark]).expect("sh runs").ok().expect("the marks are made");

    assert!(chassis(&bed, "n2", "n1", "cycle").success());
    bed.wait_ready("n1", Duration::from_secs(30)).expect("n1 boots");
    assert_ne!(boot_id(), before);
    assert_eq!(boot_id(), bed.boot_id("n1").expect("a boot id"));
    let inside = bed.exec("n1", &["cat", "/run/quorate-bed/product_uuid"]).expect("cat runs").stdout;
    assert_eq!(inside.trim(), hardware);
    let words = "ipmitool -I lanplus -U admin -P secret -C 3 -H 10.99.0.201 raw 6 0x37";
    let guid = bed.exec("n2", &words.split(' ').collect::<Vec<_>>()).expect("ipmitool runs");
    // The bytes as they come: what ipmitool makes of their order is guesswork.
    let bytes: String = guid.stdout.split_whitespace().collect();
    assert_eq!(bytes, hardware.replace('-', ""));
    let marks = bed.exec("n1", &["sh", "-c", "cat /var/lib/quorate/mark; ls /run/mark"]).expect("sh runs");
    assert_eq!((marks.stdout.trim(), marks.success()), ("kept", false), "disks survive a power cut, /run does not");
    bed.down().expect("down");
}

#[test]
fn a_power_cut_says_goodbye_to_nobody() {
    let Some(bed) = bed_or_skip(Options::for_test(2)) else { return };
    // A connection from n2 to libvirtd of n1, held open.
    let hold = "exec 3<>/dev/tcp/10.99.0.1/16509; sleep 1000";
    let mut holder = bed.command("n2", &["bash", "-c", hold]).expect("n2 is on");
    let mut holder = holder.spawn().expect("bash runs");
    let connected = || bed.exec("n2", &["ss", "-Htn", "state", "established"]).expect("ss runs").stdout;
    eventually("the connection", Duration::from_secs(5), || connected().contains("10.99.0.1:16509"));
    bed.power_off("n1").expect("power off");
    std::thread::sleep(Duration::from_millis(300));
    assert!(connected().contains("10.99.0.1:16509"), "the peer must not notice: {}", connected());
    // And a reborn host knows nothing of connections of its former life.
    bed.power_on("n1").expect("power on");
    bed.wait_ready("n1", Duration::from_secs(30)).expect("n1 boots");
    let inherited = bed.exec("n1", &["ss", "-Htan"]).expect("ss runs").stdout;
    assert!(!inherited.contains("10.99.0.2"), "{inherited}");
    holder.kill().expect("the holder is there");
    holder.wait().expect("the holder ends");
    bed.down().expect("down");
}

#[test]
fn every_mode_misbehaves_as_its_name_says_and_ok_mends_it() {
    let Some(bed) = bed_or_skip(Options::for_test(2)) else { return };
    let set = |mode| bed.bmc("n1", mode).expect("the mode is set");
    for mode in [BmcMode::Dead, BmcMode::Hung, BmcMode::Unplugged, BmcMode::WrongPassword] {
        set(mode);
        let output = chassis(&bed, "n2", "n1", "status");
        assert!(!output.success(), "{mode:?}: {output:?}");
    }
    set(BmcMode::Ok);
    assert!(says(&chassis(&bed, "n2", "n1", "status"), "is on"));

    set(BmcMode::Stuck);
    assert!(chassis(&bed, "n2", "n1", "off").success());
    assert!(says(&chassis(&bed, "n2", "n1", "status"), "is on"));
    set(BmcMode::Lying);
    assert!(chassis(&bed, "n2", "n1", "off").success());
    assert!(says(&chassis(&bed, "n2", "n1", "status"), "is off"));
    assert!(bed.is_on("n1").expect("n1 exists"), "a liar does nothing");

    set(BmcMode::Slow(Duration::from_millis(700)));
    let start = std::time::Instant::now();
    chassis(&bed, "n2", "n1", "status");
    assert!(start.elapsed() >= Duration::from_millis(700));
    set(BmcMode::Ok);
    assert!(says(&chassis(&bed, "n2", "n1", "status"), "is on"), "a lie ends with its mode");

    bed.power_off_with_bmc("n1").expect("power off");
    assert!(!chassis(&bed, "n2", "n1", "status").success());
    assert!(!bed.is_on("n1").expect("n1 exists"));
    bed.down().expect("down");
}

#[test]
fn a_bmc_is_where_it_was_when_hosts_lose_power() {
    let Some(bed) = bed_or_skip(Options::for_test(2)) else { return };
    let switch = || {
        let show = ["-n", &bed.layout().switch(), "-br", "link", "show", "br0"];
        let shown = std::process::Command::new("ip").args(show).output().expect("ip runs");
        String::from_utf8_lossy(&shown.stdout).split_whitespace().nth(2).expect("it has an address").to_owned()
    };
    let address = switch();
    for host in bed.hosts() {
        bed.power_off(&host).expect("the power is cut");
        assert_eq!(switch(), address, "what was asked before is remembered there, and {host} has lost its power");
    }
}
