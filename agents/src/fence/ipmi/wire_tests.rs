//! Packets as the standard draws them; what is not an answer to us is refused, and no datagram makes us panic.

use proptest::prelude::*;

use super::*;

const STATUS: Command<'static> = Command { net_fn: 0, lun: 0, code: 1, data: &[] };

fn keys() -> Keys {
    Keys { suite: Suite::Three, integrity: vec![7; 20], cipher: [9; 16] }
}

fn answer(sequence: u8, data: &[u8]) -> Vec<u8> {
    let mut message = vec![CONSOLE, 1 << 2];
    message.push(checksum(&message));
    message.extend_from_slice(&[BMC, sequence << 2, 1]);
    message.extend_from_slice(data);
    message.push(checksum(&message[3..]));
    message
}

#[test]
fn a_request_is_what_the_standard_draws() {
    // Get Chassis Status, as a packet capture of ipmitool shows it.
    assert_eq!(request(STATUS, 2), [0x20, 0x00, 0xe0, 0x81, 0x08, 0x01, 0x76]);
    let off = Command { net_fn: 0, lun: 0, code: 2, data: &[0] };
    assert_eq!(request(off, 1), [0x20, 0x00, 0xe0, 0x81, 0x04, 0x02, 0x00, 0x79]);
}

#[test]
fn only_the_answer_to_this_very_request_is_taken() {
    let message = answer(5, &[0x00, 0x01, 0x02, 0x03]);
    assert_eq!(response(&message, STATUS, 5), Some((0, &[1u8, 2, 3][..])));
    assert_eq!(response(&message, STATUS, 6), None, "an older request's answer");
    assert_eq!(response(&message, Command { code: 2, ..STATUS }, 5), None, "another command's answer");
    assert_eq!(response(&message, Command { net_fn: 6, ..STATUS }, 5), None);
    assert_eq!(response(&answer(5, &[]), STATUS, 5), None, "no completion code");
    for at in 0..message.len() {
        let mut broken = message.clone();
        broken[at] ^= 0x10;
        assert_eq!(response(&broken, STATUS, 5), None, "byte {at} changed");
    }
}

#[test]
fn a_sealed_packet_opens_only_whole_and_with_its_keys_and_session() {
    for len in 0..40 {
        let message = vec![0xab; len];
        let packet = sealed(&keys(), 77, 3, &[5; 16], &message);
        assert_eq!(open_sealed(&keys(), 77, &packet).as_deref(), Some(&message[..]));
        assert_eq!(open_sealed(&keys(), 78, &packet), None);
        let other = Keys { integrity: vec![8; 20], ..keys() };
        assert_eq!(open_sealed(&other, 77, &packet), None);
        for at in 4..packet.len() {
            let mut broken = packet.clone();
            broken[at] ^= 1;
            assert_eq!(open_sealed(&keys(), 77, &broken), None, "byte {at} changed");
            assert_eq!(open_sealed(&keys(), 77, &packet[..at]), None, "cut at {at}");
        }
    }
}

#[test]
fn a_plain_packet_gives_its_payload_by_type() {
    let packet = plain(RAKP_2, b"abc");
    assert_eq!(open_plain(&packet, RAKP_2), Some(&b"abc"[..]));
    assert_eq!(open_plain(&packet, RAKP_4), None);
    assert_eq!(open_plain(&packet[..packet.len() - 1], RAKP_2), None, "shorter than it says");
    assert_eq!(open_sealed(&keys(), 0, &packet), None, "an unsigned answer is none");
}

proptest! {
    #[test]
    fn no_datagram_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), good in any::<bool>()) {
        let mut bytes = bytes;
        if good && bytes.len() >= 6 {
            bytes[..6].copy_from_slice(&[6, 0, 0xff, 7, 6, 0xc0]);
        }
        let _ = open_plain(&bytes, OPEN_RESPONSE);
        prop_assert_eq!(open_sealed(&keys(), 0, &bytes), None);
        let _ = response(&bytes, STATUS, 0);
    }
}
