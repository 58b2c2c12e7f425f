//! Whose BMC is this? Its system GUID against the hardware id that its node was pinned to.
//!
//! A device that shows another host's GUID proves nothing of this one, and would switch off a healthy neighbour.
//! Rule proofs (2) of SAFETY.md; IPMI 2.0, section 22.14, leaves the byte order open, so every order in use counts.

use quorate_core::id::HardwareId;

/// Whose a device is, by the GUID that it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Its node's.
    Own,
    /// Another host's.
    Others,
    /// It shows none, or the node's hardware has none to compare it with.
    Unknown(&'static str),
}

/// Whose a device is; `check` says whether that is to be believed.
pub(crate) fn whose(shown: Option<&str>, hardware: Option<&HardwareId>, pinned: Option<&str>) -> Whose {
    let Some(shown) = shown.and_then(digits) else { return Whose::Unknown("it shows no system GUID") };
    match pinned.or(hardware.map(HardwareId::as_str)).and_then(digits) {
        Some(expected) if orders(&shown).contains(&expected) => Whose::Own,
        Some(_) => Whose::Others,
        None => Whose::Unknown("the node's hardware has no UUID to compare its system GUID with"),
    }
}

/// Checks what a device shows against what its node was pinned to, or against what a person pinned (`system_guid`).
///
/// # Errors
/// Says which GUID was shown, which was expected, and how to mend it.
pub(super) fn check(shown: Option<&str>, hardware: Option<&HardwareId>, pinned: Option<&str>) -> Result<(), String> {
    let Some(shown) = shown.and_then(digits) else { return Ok(()) };
    let expected = match pinned {
        Some(pinned) => Some(
            digits(pinned).ok_or_else(|| format!("system_guid={pinned} is no GUID: write 32 hexadecimal digits"))?,
        ),
        // A hardware id that is no UUID cannot be compared.
        None => hardware.and_then(|id| digits(id.as_str())),
    };
    match expected {
        Some(expected) if !orders(&shown).contains(&expected) => Err(format!(
            "this BMC belongs to another host: it shows the system GUID {}, and the node's hardware is {}; correct its \
             address, or, if it really is the node's own, pin it with system_guid={}",
            hex(&shown),
            hex(&expected),
            hex(&shown)
        )),
        _ => Ok(()),
    }
}

/// The 16 bytes of a GUID, with or without dashes.
fn digits(text: &str) -> Option<[u8; 16]> {
    let hex: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut bytes = [0; 16];
    if hex.len() != 32 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// The same GUID as it may be meant: as shown, reversed, and each with the first three fields swapped (SMBIOS).
fn orders(guid: &[u8; 16]) -> [[u8; 16]; 4] {
    let reversed = |guid: &[u8; 16]| {
        let mut turned = *guid;
        turned.reverse();
        turned
    };
    let swapped = |guid: &[u8; 16]| {
        let mut turned = *guid;
        turned[..4].reverse();
        turned[4..6].reverse();
        turned[6..8].reverse();
        turned
    };
    [*guid, reversed(guid), swapped(guid), swapped(&reversed(guid))]
}

fn hex(guid: &[u8; 16]) -> String {
    guid.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nodes_own_bmc_counts() {
        let own = HardwareId::new("33221100-5544-7766-8899-aabbccddeeff");
        let other = HardwareId::new("deadbeef-0000-4000-8000-000000000001");
        let rows = [
            ("33221100554477668899aabbccddeeff", &own, None, true),
            ("00112233445566778899aabbccddeeff", &own, None, true),
            ("ffeeddccbbaa99886677445500112233", &own, None, true),
            ("33221100554477668899aabbccddeeff", &other, None, false),
            ("33221100554477668899aabbccddeeff", &other, Some("33221100554477668899aabbccddeeff"), true),
            ("33221100554477668899aabbccddeeff", &own, Some("deadbeef000040008000000000000001"), false),
        ];
        for (shown, hardware, pinned, fits) in rows {
            assert_eq!(check(Some(shown), Some(hardware), pinned).is_ok(), fits, "{shown} {hardware} {pinned:?}");
            assert_eq!(whose(Some(shown), Some(hardware), pinned) == Whose::Own, fits, "{shown} {hardware} {pinned:?}");
        }
        let generated = HardwareId::new("generated:1");
        assert_eq!(check(Some("33221100554477668899aabbccddeeff"), Some(&generated), None), Ok(()));
        assert_eq!(check(None, Some(&own), None), Ok(()));
        assert!(matches!(whose(None, Some(&own), None), Whose::Unknown(_)));
        assert!(check(Some("33221100554477668899aabbccddeeff"), Some(&own), Some("x")).is_err());
    }
}
