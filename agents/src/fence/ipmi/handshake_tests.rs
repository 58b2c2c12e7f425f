//! The handshake against messages as a BMC would make them, and against any bytes at all.

use proptest::prelude::*;

use super::*;

fn console(suite: Suite, password: &str) -> Handshake {
    Handshake {
        suite,
        user: b"admin".to_vec(),
        password: password.as_bytes().to_vec(),
        privilege: 4,
        console: 0x0102_0304,
        console_random: [1; 16],
        bmc: 0x0506_0708,
        bmc_random: [2; 16],
        guid: [3; 16],
    }
}

/// A BMC's RAKP 2, written from the standard's list of what is hashed.
fn rakp_2_of_a_bmc(suite: Suite, password: &str) -> Vec<u8> {
    let mut hashed = vec![4, 3, 2, 1, 8, 7, 6, 5];
    hashed.extend([[1u8; 16], [2; 16], [3; 16]].concat());
    hashed.extend([0x14, 5]);
    hashed.extend(b"admin");
    let mut message = vec![9, 0, 0, 0, 4, 3, 2, 1];
    message.extend([[2u8; 16], [3; 16]].concat());
    message.extend(suite.hmac(password.as_bytes(), &[&hashed]));
    message
}

#[test]
fn a_wrong_password_is_seen_in_rakp_2() {
    for suite in [Suite::Three, Suite::Seventeen] {
        let message = rakp_2_of_a_bmc(suite, "secret");
        assert_eq!(console(suite, "secret").rakp_2(9, &message), Ok(Some(([2; 16], [3; 16]))));
        assert_eq!(console(suite, "Secret").rakp_2(9, &message), Err(Failure::Password));
        assert_eq!(console(suite, "secret").rakp_2(8, &message), Ok(None), "an answer to an older try");
        assert_eq!(console(suite, "secret").rakp_2(9, &message[..59]), Err(Failure::Length(59)));
    }
}

#[test]
fn a_status_is_an_answer_and_short_ones_are_enough() {
    let it = console(Suite::Three, "secret");
    assert_eq!(it.rakp_2(9, &[9, 0x0d, 0, 0, 4, 3, 2, 1]), Err(Failure::Status(0x0d)));
    assert_eq!(it.open_response(9, &[9, 0x11]), Err(Failure::Status(0x11)));
    assert_eq!(it.open_response(9, &[9]), Err(Failure::Length(1)));
    assert_eq!(it.open_response(9, &[]), Err(Failure::Length(0)));
    assert_eq!(meaning(0x0d), "unauthorized name");
    assert_eq!(meaning(0xee), "status 0xee");
}

#[test]
fn another_suite_than_offered_is_refused() {
    let open = |algorithms: [u8; 3]| {
        let mut message = vec![9, 0, 4, 0, 4, 3, 2, 1, 8, 7, 6, 5];
        for (kind, algorithm) in (0u8..).zip(algorithms) {
            message.extend([kind, 0, 0, 8, algorithm, 0, 0, 0]);
        }
        console(Suite::Three, "secret").open_response(9, &message)
    };
    assert_eq!(open([1, 1, 1]), Ok(Some(0x0506_0708)));
    assert_eq!(open([0, 0, 0]), Err(Failure::OtherSuite), "no authentication at all is not what we asked for");
    assert_eq!(open([1, 1, 0]), Err(Failure::OtherSuite));
}

#[test]
fn the_last_proof_must_come_from_the_same_session_key() {
    let it = console(Suite::Three, "secret");
    let key = it.session_key();
    let proof = it.suite.hmac(&key, &[&[1; 16], &[8, 7, 6, 5], &[3; 16]]);
    let mut message = vec![9, 0, 0, 0, 4, 3, 2, 1];
    message.extend(&proof[..12]);
    assert!(it.rakp_4(9, &message).is_ok_and(|keys| keys.is_some()));
    message[10] ^= 1;
    assert!(matches!(it.rakp_4(9, &message), Err(Failure::Forged)));
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), good in any::<bool>()) {
        let mut bytes = bytes;
        if good && bytes.len() >= 8 {
            bytes[..8].copy_from_slice(&[9, 0, 0, 0, 4, 3, 2, 1]);
        }
        let it = console(Suite::Three, "secret");
        let _ = it.open_response(9, &bytes);
        prop_assert!(!matches!(it.rakp_2(9, &bytes), Ok(Some(_))));
        prop_assert!(!matches!(it.rakp_4(9, &bytes), Ok(Some(_))));
    }
}
