//! Which names and addresses a member may have.
//!
//! A node's name stands in its certificate and is what a peer checks when it dials, so it must be a host name.

use quorate_api::SERVER_NAME;
use std::net::SocketAddr;

/// A DNS label's length; the name also has to fit a certificate's common name.
const LONGEST_NAME: usize = 63;
/// Hardware ids are UUIDs or short texts of an administrator.
const LONGEST_HARDWARE_ID: usize = 128;

/// Says what is wrong with a node's name.
pub fn check_node_name(name: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("'{name}' cannot be a node's name: {why}"));
    if name.is_empty() || name.len() > LONGEST_NAME {
        return wrong("it must have 1 to 63 characters");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
        return wrong("only letters, digits, '-' and '.' are allowed, as in a host name");
    }
    if name.split('.').any(|label| label.is_empty() || label.starts_with('-') || label.ends_with('-')) {
        return wrong("each part between dots must begin and end with a letter or digit");
    }
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return wrong("its last part must not be a number, or it could be taken for an address");
    }
    // Every member's certificate carries this name.
    if name.eq_ignore_ascii_case(SERVER_NAME) {
        return wrong("every member answers to that name");
    }
    Ok(())
}

/// The address peers reach a member at: a number, since name service must not be needed to stay in touch.
pub fn check_address(address: &str) -> Result<SocketAddr, String> {
    let wrong = |why: &str| Err(format!("'{address}' cannot be a member's address: {why}"));
    let Ok(parsed) = address.parse::<SocketAddr>() else {
        return wrong("write it as IP:PORT, such as 192.0.2.7:7400 or [2001:db8::7]:7400");
    };
    if parsed.ip().is_unspecified() || parsed.ip().is_multicast() {
        return wrong("its peers cannot reach it there; name an address of this host");
    }
    if parsed.port() == 0 {
        return wrong("port 0 is no port");
    }
    Ok(parsed)
}

/// Says what is wrong with a hardware id.
pub fn check_hardware_id(id: &str) -> Result<(), String> {
    if id.is_empty() || id.len() > LONGEST_HARDWARE_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("a hardware id is 1 to {LONGEST_HARDWARE_ID} visible ASCII characters without blanks"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_node_names_and_nothing_else_is() {
        for name in ["n1", "N1", "node-7.example.org", "1a", "a", &"x".repeat(63)] {
            assert_eq!(check_node_name(name), Ok(()), "{name}");
        }
        let bad = [
            "", "-a", "a-", "a..b", ".a", "a.", "a_b", "a b", "ä", "10.0.0.1", "7", "quorated", "Quorated", "a\n",
            "a/b",
        ];
        for name in bad.into_iter().chain([&*"x".repeat(64)]) {
            assert!(check_node_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn addresses_are_numbers_that_peers_can_reach() {
        for address in ["192.0.2.7:7400", "[2001:db8::7]:7400", "127.0.0.1:1"] {
            assert!(check_address(address).is_ok(), "{address}");
        }
        for address in [
            "",
            "n1:7400",
            "192.0.2.7",
            "0.0.0.0:7400",
            "[::]:7400",
            "192.0.2.7:0",
            "224.0.0.1:7400",
            "192.0.2.7:99999",
        ] {
            assert!(check_address(address).is_err(), "{address}");
        }
    }
}
