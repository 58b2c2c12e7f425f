//! Datagrams as a BMC might send them, at every step of a session: for fuzzing.

use super::crypto::Suite;
use super::handshake::Handshake;
use super::sensors;
use super::wire::{
    Command, IPMI, Keys, OPEN_RESPONSE, RAKP_2, RAKP_4, open_plain, open_sealed, plain, request, response, sealed,
};

const COMMAND: Command<'static> = Command { net_fn: 0, lun: 0, code: 1, data: &[] };
const SESSION: u32 = 0x0102_0304;

fn handshake(suite: Suite) -> Handshake {
    Handshake {
        suite,
        user: b"admin".to_vec(),
        password: b"secret".to_vec(),
        privilege: 4,
        console: SESSION,
        console_random: [1; 16],
        bmc: 0x0506_0708,
        bmc_random: [2; 16],
        guid: [3; 16],
    }
}

fn keys(suite: Suite) -> Keys {
    Keys { suite, integrity: vec![7; suite.hash_len()], cipher: [9; 16] }
}

pub(in crate::fence) fn packet(bytes: &[u8]) {
    sensors::door(bytes);
    for suite in [Suite::Three, Suite::Seventeen] {
        let handshake = handshake(suite);
        if let Some(payload) = open_plain(bytes, OPEN_RESPONSE) {
            let _ = handshake.open_response(9, payload);
        }
        if let Some(payload) = open_plain(bytes, RAKP_2) {
            let _ = handshake.rakp_2(9, payload);
        }
        if let Some(payload) = open_plain(bytes, RAKP_4) {
            let _ = handshake.rakp_4(9, payload);
        }
        let _ = open_sealed(&keys(suite), SESSION, bytes);
        // What only the holder of the keys could have sent.
        let own = sealed(&keys(suite), SESSION, 1, &[4; 16], bytes);
        if bytes.len() <= 512
            && let Some(message) = open_sealed(&keys(suite), SESSION, &own)
        {
            assert_eq!(message, bytes, "what was sealed is opened as something else");
            let _ = response(&message, COMMAND, 3);
        }
    }
}

pub(in crate::fence) fn packets() -> Vec<Vec<u8>> {
    let suite = Suite::Three;
    let mut answer = request(Command { net_fn: 1, ..COMMAND }, 3);
    answer[0] = 0x81;
    vec![
        plain(
            OPEN_RESPONSE,
            &[&[9, 0, 4, 0, 4, 3, 2, 1, 8, 7, 6, 5][..], &[0, 0, 0, 8, 1, 0, 0, 0].repeat(3)].concat(),
        ),
        plain(RAKP_2, &[&[9, 0, 0, 0, 4, 3, 2, 1][..], &[2; 52]].concat()),
        plain(RAKP_4, &[&[9, 0, 0, 0, 4, 3, 2, 1][..], &[2; 12]].concat()),
        plain(IPMI, &answer),
        sealed(&keys(suite), SESSION, 1, &[4; 16], &answer),
        answer,
    ]
}
