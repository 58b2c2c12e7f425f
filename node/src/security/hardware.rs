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
            let id = dir.kept(GENERATED, new, |text| uuid::Uuid::parse_str(text).is_ok())?;
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
    if is_placeholder(&id) {
        tracing::info!(id, "firmware has only a placeholder for a hardware id");
        return None;
    }
    Some(HardwareId::new(id))
}

/// Whether a firmware's UUID is none: not a UUID at all, one character over and over, or a known filler.
pub fn is_placeholder(id: &str) -> bool {
    let id = id.to_ascii_lowercase();
    let digits: Vec<char> = id.chars().filter(|char| *char != '-').collect();
    let uniform = digits.first().is_none_or(|first| digits.iter().all(|digit| digit == first));
    uniform || digits.len() < 8 || id.contains("not ") || PLACEHOLDERS.contains(&id.as_str())
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
