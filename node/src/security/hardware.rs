//! Which hardware and which boot this is.
//!
//! A hardware id from firmware follows the machine, so that a new boot id of it proves the old boot dead. One that was
//! generated follows the disk and proves nothing: disks get cloned.

use super::files::{DataDir, FilesError};
use super::names::check_hardware_id;
use quorate_core::id::{HardwareId, SessionId};
use std::fs;
use std::path::Path;

const PRODUCT_UUID: &str = "/sys/class/dmi/id/product_uuid";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const GENERATED: &str = "hardware-id";
const LOST: &str = "this member's hardware id is neither here nor to be had from firmware (or --hardware-id-file) any more: \
    start quorated as root and as it was started before";

/// UUIDs that vendors left in the firmware of whole series of boards.
const PLACEHOLDERS: [&str; 6] = [
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "12345678-1234-1234-1234-123456789abc",
    "fefefefe-fefe-fefe-fefe-fefefefefefe",
    "01234567-89ab-cdef-0123-456789abcdef",
];

/// The hardware a daemon runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Its id.
    pub id: HardwareId,
    /// Whether firmware, or an administrator's file, says so; else it was generated.
    pub is_dmi: bool,
}

/// This host's hardware: from the administrator's file, else from firmware, else generated once and kept.
pub fn hardware(dir: &DataDir, file: Option<&Path>) -> Result<Hardware, FilesError> {
    if let Some(path) = file {
        let id = text(path)?;
        check_hardware_id(&id).map_err(|why| FilesError::damaged(path, why))?;
        if is_placeholder(&id) {
            let why = format!("{id} is a placeholder that many machines share; write an id that only this host has");
            return Err(FilesError::damaged(path, why));
        }
        return Ok(Hardware { id: HardwareId::new(id), is_dmi: true });
    }
    match firmware(Path::new(PRODUCT_UUID)) {
        Some(id) => Ok(Hardware { id, is_dmi: true }),
        None => {
            let new = || uuid::Uuid::new_v4().to_string();
            let id = dir.kept(GENERATED, LOST, new, |text| uuid::Uuid::parse_str(text).is_ok())?;
            Ok(Hardware { id: HardwareId::new(id), is_dmi: false })
        }
    }
}

fn firmware(path: &Path) -> Option<HardwareId> {
    let id = match fs::read_to_string(path) {
        Ok(text) => text.trim().to_ascii_lowercase(),
        Err(error) => {
            tracing::info!(path = %path.display(), %error, "no hardware id from firmware");
            return None;
        }
    };
    // Some say "Not Settable" and the like.
    if is_placeholder(&id) || uuid::Uuid::parse_str(&id).is_err() {
        tracing::info!(id, "firmware has only a placeholder for a hardware id");
        return None;
    }
    Some(HardwareId::new(id))
}

/// Whether an id is one that many machines share: one character over and over, or a known filler of firmware.
pub fn is_placeholder(id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    let mut digits = id.chars().filter(|char| *char != '-');
    let first = digits.next();
    digits.all(|digit| Some(digit) == first) || PLACEHOLDERS.contains(&id.as_str())
}

/// The kernel's id of this boot.
pub fn boot_id() -> Result<SessionId, FilesError> {
    let path = Path::new(BOOT_ID);
    let id = text(path)?;
    if uuid::Uuid::parse_str(&id).is_err() {
        return Err(FilesError::damaged(path, format!("'{id}' is no boot id")));
    }
    Ok(SessionId::new(id))
}

fn text(path: &Path) -> Result<String, FilesError> {
    let text = fs::read_to_string(path).map_err(|error| FilesError::read(path, error))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_no_ids() {
        for id in [
            "",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "03000200-0400-0500-0006-000700080009",
            "0",
        ] {
            assert!(is_placeholder(id), "{id}");
        }
        assert!(!is_placeholder("4C4C4544-0042-3510-8054-B4C04F565831") && !is_placeholder("n1"));
    }

    #[test]
    fn the_administrators_file_counts_as_firmware() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path().join("data")).unwrap();
        let file = home.path().join("id");
        fs::write(&file, "host-7\n").unwrap();
        let found = hardware(&dir, Some(&file)).unwrap();
        assert_eq!(found, Hardware { id: "host-7".into(), is_dmi: true });
        for bad in ["", "two words", "00000000-0000-0000-0000-000000000000"] {
            fs::write(&file, bad).unwrap();
            let error = hardware(&dir, Some(&file)).unwrap_err().to_string();
            assert!(error.contains(&file.display().to_string()), "{error}");
        }
        assert!(hardware(&dir, Some(&home.path().join("absent"))).is_err());
    }

    #[test]
    fn firmware_is_read_where_there_is_any() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("product_uuid");
        assert_eq!(firmware(&file), None);
        fs::write(&file, "4C4C4544-0042-3510-8054-B4C04F565831\n").unwrap();
        assert_eq!(firmware(&file), Some("4c4c4544-0042-3510-8054-b4c04f565831".into()));
        fs::write(&file, "Not Settable\n").unwrap();
        assert_eq!(firmware(&file), None);
    }

    #[test]
    fn this_boot_has_an_id() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
    }
}
