//! The same disk under our hands and under those of the `sbd` program of Debian's package.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]
#![allow(missing_docs)]

use quorate_agents::fence::sbd::{init, open};
use quorate_core::pill::format::{Mail, Tag, Wish};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const SBD: &str = "/usr/sbin/sbd";

/// A block device, which is what `sbd` takes.
struct Loop {
    _dir: tempfile::TempDir,
    device: PathBuf,
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").arg(&self.device).status();
    }
}

type Failure = Box<dyn std::error::Error>;

/// `None` where this machine has no loop devices or no `sbd`; CI has both.
fn disk() -> Result<Option<Loop>, Failure> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("disk");
    std::fs::File::create(&file)?.set_len(2 * 1024 * 1024)?;
    let has_sbd = Path::new(SBD).exists();
    let made = has_sbd.then(|| Command::new("losetup").args(["--find", "--show"]).arg(&file).output());
    let Some(made) = made.transpose()?.filter(|made| made.status.success()) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "sbd or a loop device is missing");
        return Ok(None);
    };
    let device = PathBuf::from(String::from_utf8(made.stdout)?.trim());
    Ok(Some(Loop { _dir: dir, device }))
}

fn sbd(disk: &Loop, words: &[&str]) -> Result<String, Failure> {
    let output = Command::new(SBD).arg("-d").arg(&disk.device).args(words).output()?;
    assert!(output.status.success(), "{words:?}: {output:?}");
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn sbd_reads_and_writes_a_disk_of_ours() -> Result<(), Failure> {
    let Some(at) = disk()? else { return Ok(()) };
    init(&at.device, Duration::from_secs(1), false)?;
    let dump = sbd(&at, &["dump"])?;
    for line in
        ["Header version     : 2.1", "Number of slots    : 255", "Timeout (watchdog) : 1", "Timeout (msgwait)  : 2"]
    {
        assert!(dump.contains(line), "{line}: {dump}");
    }
    let ours = open(&at.device, true)?;
    let mark = Tag { session: "boot-1".to_owned(), note: "1".to_owned() };
    let slot = ours.take_slot("n3", &mark)?;
    let tag = Tag { session: "boot-1".to_owned(), note: "1.1".to_owned() };
    ours.leave(slot, &Mail { wish: Wish::Reset, from: "n1".to_owned(), tag: Some(tag) })?;
    assert_eq!(sbd(&at, &["list"])?, "0\tn3\treset\tn1\n");
    sbd(&at, &["message", "n3", "off"])?;
    let mail = ours.mail(slot)?;
    assert_eq!((mail.wish, mail.tag), (Wish::Off, None), "its message leaves nothing of ours");
    sbd(&at, &["message", "n3", "clear"])?;
    assert!(ours.mail(slot)?.wish == Wish::Clear);
    assert_eq!(ours.slot_read("n3", &mark), Ok(slot), "and the mark stays");
    Ok(())
}

#[test]
fn a_disk_of_sbd_is_ours_too() -> Result<(), Failure> {
    let Some(at) = disk()? else { return Ok(()) };
    sbd(&at, &["-1", "3", "-4", "6", "-2", "1", "create"])?;
    let told = init(&at.device, Duration::from_secs(5), false).expect_err("it is prepared");
    assert!(told.contains("prepared already"), "{told}");
    let ours = open(&at.device, true)?;
    assert_eq!((ours.header().watchdog, ours.header().wait, ours.header().uuid.is_some()), (3, 6, true));
    let mark = Tag { session: "boot-1".to_owned(), note: "1".to_owned() };
    assert_eq!([ours.take_slot("n1", &mark)?, ours.take_slot("n2", &mark)?], [0, 1]);
    sbd(&at, &["message", "N2", "test"])?;
    assert_eq!((ours.mail(0)?.wish, ours.mail(1)?.wish), (Wish::Clear, Wish::Test));
    Ok(())
}
