//! The process table of a real /proc, with processes that look like QEMU.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]

use std::process::{Child, Command, Stdio};

use super::*;

const UUID: &str = "11111111-2222-3333-4444-555555555501";

#[test]
fn a_stat_line_is_read_whatever_the_name_is() {
    let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 7 18 4242 20";
    for name in ["qemu-system-x86", "a) S 1 (b", ""] {
        let stat = parse_stat(&format!("99 ({name}) {rest}")).expect(name);
        assert_eq!((stat.comm.as_str(), stat.state, stat.threads, stat.started), (name, 'S', 7, 4242));
    }
    for broken in ["", "1", "1 (x", "1 (x) ", "1 (x) S 1 2", ")(", "1 ) ( S"] {
        assert_eq!(parse_stat(broken), None, "{broken}");
    }
}

#[test]
fn a_vm_is_told_by_the_uuid_among_its_arguments() {
    type Row<'a> = (&'a [u8], Option<(String, String)>);
    let found = |uuid: &str, name: &str| Some((uuid.to_owned(), name.to_owned()));
    let rows: [Row; 7] = [
        (b"/usr/bin/qemu-system-x86_64\0-name\0guest=vm1,debug-threads=on\0-uuid\x0011111111-2222-3333-4444-555555555501\0", found(UUID, "vm1")),
        (b"qemu-kvm\0-uuid\0AB\0-name\0old\0", found("ab", "old")),
        (b"kvm\0--uuid\0x\0", found("x", "")),
        (b"sh\0-c\0qemu -uuid x\0", None),
        (b"qemu\0-uuid", None),
        (b"", None),
        (b"\xff\0-uuid\0\xff\0", found("\u{fffd}", "")),
    ];
    for (line, want) in rows {
        assert_eq!(qemu_identity(line), want, "{}", String::from_utf8_lossy(line));
    }
}

/// A process with a QEMU-like command line, deaf to SIGTERM if asked. It starts nothing: a child of its own would have the
/// same command line until it executes its program.
fn vm_like(uuid: &str, deaf: bool) -> Child {
    let script = if deaf { "trap '' TERM; while :; do read line; done" } else { "while :; do read line; done" };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, "qemu", "-name", "guest=vmx", "-uuid", uuid]).stdin(Stdio::piped());
    command.spawn().expect("sh")
}

fn fresh_uuid() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/uuid").expect("Linux").trim().to_owned()
}

fn of(uuid: &str) -> Vec<VmProcess> {
    qemu_processes().expect("readable").remove(uuid).unwrap_or_default()
}

#[test]
fn a_process_is_found_by_its_uuid_and_killed_with_all_of_its_kind() {
    let uuid = fresh_uuid();
    let mut children = [vm_like(&uuid, true), vm_like(&uuid, false)];
    while of(&uuid).len() < 2 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(of(&uuid)[0].name, "vmx");
    let reaper = std::thread::spawn(move || children.each_mut().map(|c| c.wait().expect("reaped")));
    let report = kill_all(std::slice::from_ref(&uuid), Duration::from_secs(5), qemu_processes);
    assert_eq!((report.killed.len(), report.survivors.len()), (2, 0), "{report:?}");
    assert!(of(&uuid).is_empty());
    reaper.join().expect("ended");
    let nothing = kill_all(&[uuid], Duration::from_secs(5), qemu_processes);
    assert_eq!(nothing, KillReport::default());
}

#[test]
fn a_zombie_is_gone_and_a_deaf_process_gets_sigkill() {
    let uuid = fresh_uuid();
    let mut child = vm_like(&uuid, true);
    while of(&uuid).is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let id = of(&uuid)[0].id;
    assert!(!is_gone(id));
    std::thread::sleep(Duration::from_millis(50)); // until its trap is set
    let report = end(&[id], Duration::from_millis(100), Duration::from_secs(5));
    assert_eq!(report.killed, vec![id]);
    assert!(is_gone(id), "it is a zombie: nobody reaped it yet");
    child.wait().expect("reaped");
    assert!(is_gone(ProcessId { pid: std::process::id(), started: 0 }), "another process had that number");
}
