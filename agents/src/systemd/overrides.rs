//! The drop-in that a unit has while the cluster runs it, in the directory that does not outlive a boot.
//!
//! It orders the unit before the daemon. Units stop in the opposite order: when a host shuts down the daemon goes first, and
//! stops or moves what it runs; without this systemd would stop units behind its back. And what fails is started again by the
//! cluster, which counts failures and knows other hosts.

use std::io;
use std::path::{Path, PathBuf};

/// What the drop-in is called.
pub(super) const FILE: &str = "50-quorate.conf";

fn text(unit: &str) -> String {
    let mut text = "# Quorate runs this unit. The file goes when it stops it.\n\
                    [Unit]\nBefore=quorated.service\n"
        .to_owned();
    if unit.ends_with(".service") {
        text.push_str("\n[Service]\nRestart=no\n");
    }
    text
}

fn directory(runtime: &Path, unit: &str) -> PathBuf {
    runtime.join(format!("{unit}.d"))
}

/// Writes it; whether that is new to systemd.
pub(super) fn write(runtime: &Path, unit: &str) -> io::Result<bool> {
    let directory = directory(runtime, unit);
    let (path, text) = (directory.join(FILE), text(unit));
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    std::fs::create_dir_all(&directory)?;
    std::fs::write(path, text)?;
    Ok(true)
}

/// Removes it; whether it was there.
pub(super) fn remove(runtime: &Path, unit: &str) -> io::Result<bool> {
    let directory = directory(runtime, unit);
    match std::fs::remove_file(directory.join(FILE)) {
        Ok(()) => {
            // Somebody else's drop-ins stay, and with them their directory.
            let _ = std::fs::remove_dir(directory);
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The units that have one: what this host runs for the cluster, or ran when its daemon died.
pub(super) fn all(runtime: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(runtime).into_iter().flatten().flatten();
    let with = entries.filter(|entry| entry.path().join(FILE).exists());
    with.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".d")?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_once_and_leaves_what_is_not_ours() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(write(dir.path(), "web.service").expect("it can be written"));
        assert!(!write(dir.path(), "web.service").expect("it can be read"));
        assert!(write(dir.path(), "srv.mount").expect("it can be written"));
        let read = |unit: &str| std::fs::read_to_string(dir.path().join(unit).join(FILE)).expect("it is there");
        assert!(read("web.service.d").contains("Before=quorated.service\n\n[Service]\nRestart=no\n"));
        assert!(!read("srv.mount.d").contains("[Service]"));
        let mut units = all(dir.path());
        units.sort();
        assert_eq!(units, ["srv.mount", "web.service"]);
        std::fs::write(dir.path().join("web.service.d/10-mine.conf"), "").expect("it can be written");
        for unit in ["web.service", "srv.mount"] {
            assert!(remove(dir.path(), unit).expect("it can be removed"));
            assert!(!remove(dir.path(), unit).expect("it is gone"));
        }
        assert!(dir.path().join("web.service.d/10-mine.conf").exists() && !dir.path().join("srv.mount.d").exists());
    }
}
