//! A host can reboot itself, and what hangs in its kernel ends with its power and with nothing else.

use std::time::Duration;

use quorate_bed::testing::{bed_or_skip, eventually};
use quorate_bed::{Bed, Options};

fn state(pid: i32) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix("State:")?.trim().to_owned()))
}

fn reboot(bed: &Bed, host: &str) {
    // It ends with its host: how, says nothing.
    let _ = bed.exec(host, &["reboot", "--force", "--force"]).expect("reboot runs");
}

#[test]
fn a_host_reboots_itself_and_only_itself() {
    let Some(bed) = bed_or_skip(Options::for_test(2)) else { return };
    let boots = || ["n1", "n2"].map(|host| bed.boot_id(host).expect("a boot id"));
    let before = boots();
    reboot(&bed, "n1");
    eventually("n1 to boot anew", Duration::from_secs(20), || boots()[0] != before[0]);
    bed.wait_ready("n1", Duration::from_secs(30)).expect("n1 is back");
    assert_eq!(boots()[1], before[1]);
    // What is switched off stays off.
    bed.power_off("n1").expect("power off");
    assert!(!bed.is_on("n1").expect("n1 exists"));
    bed.down().expect("down");
}

#[test]
fn a_guest_that_hangs_survives_everything_but_the_power() {
    let Some(bed) = bed_or_skip(Options::for_test(1)) else { return };
    bed.create_guest("vm1").expect("the guest's files");
    bed.start_by_hand("n1", "vm1").expect("start");
    bed.stick_vm("n1", "vm1").expect("it hangs");
    let pid = bed.vms().expect("the truth")[0].pid;
    // libvirt's own destroy says after 80 s that it succeeded.
    assert!(bed.kill_vm("n1", "vm1").is_err(), "no signal ends it");
    assert_eq!(state(pid).as_deref(), Some("D (disk sleep)"));
    bed.power_off("n1").expect("power off");
    assert!(!bed.is_on("n1").expect("n1 exists"));
    assert!(!bed.layout().home("n1").join("stuck").exists());
    bed.down().expect("down");
}
