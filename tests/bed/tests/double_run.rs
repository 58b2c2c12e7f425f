//! The detector shouts when a guest runs twice, and only then.

use std::time::Duration;

use quorate_bed::testing::{bed_or_skip, eventually, new_life};
use quorate_bed::{Options, Violation};

#[test]
fn a_guest_that_moves_is_acquitted_and_one_started_twice_is_not() {
    let Some(bed) = bed_or_skip(Options::for_test(3)) else { return };
    bed.create_guest("vm1").expect("the guest's files");
    let auditor = bed.auditor();

    // A failover as it should be: the first host is dead before the second starts.
    bed.start_by_hand("n1", "vm1").expect("start on n1");
    let first = new_life(&auditor, "vm1", "n1", 0);
    bed.power_off("n1").expect("power off");
    bed.start_by_hand("n2", "vm1").expect("start on n2");
    let second = new_life(&auditor, "vm1", "n2", 1);
    assert_ne!(first.run, second.run, "a guest that boots again begins a new life");
    assert_eq!(second.boot, bed.boot_id("n2").expect("a boot id"));

    // A live migration as it should be: the same life goes on elsewhere.
    let migrate = ["virsh", "migrate", "--live", "--p2p", "--unsafe", "vm1", "qemu+tcp://10.99.0.3/system"];
    bed.exec("n2", &migrate).expect("virsh runs").ok().expect("the migration succeeds");
    let third = new_life(&auditor, "vm1", "n3", 2);
    assert_eq!(third.run, second.run, "a migrated guest goes on with its life");
    let hosts: Vec<String> = bed.vms().expect("the truth").into_iter().map(|vm| vm.host).collect();
    assert_eq!(hosts, ["n3"]);
    let verdict = auditor.verdict().expect("the disks are readable");
    assert!(verdict.clean(), "{verdict}");

    // And the mistake that everything else exists to prevent.
    bed.power_on("n1").expect("power on");
    bed.wait_ready("n1", Duration::from_secs(30)).expect("n1 boots");
    bed.start_by_hand("n1", "vm1").expect("nothing of QEMU or libvirt hinders the second start");
    eventually("the detector to shout", Duration::from_secs(40), || {
        !auditor.verdict().expect("the disks are readable").clean()
    });
    let both = |violation: &Violation| violation.to_string().contains("n1") && violation.to_string().contains("n3");
    let verdict = auditor.verdict().expect("the disks are readable");
    assert!(verdict.violations.iter().any(both), "{verdict}");
    assert!(verdict.require_clean().is_err());
    // Who comes later and has not watched finds it as well.
    eventually("the evidence on the disk", Duration::from_secs(5), || {
        !bed.audit().expect("the disks are readable").clean()
    });
    bed.down().expect("down");
}
