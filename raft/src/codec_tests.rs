//! The bytes are frozen (golden), and no bytes make the codec panic.

use proptest::prelude::*;

use super::*;
use crate::types::{Bytes, Entry, Membership, Node, Payload, Vote, log_id};
use crate::wire::{self, SnapshotV1, V1, VoteV1};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn membership() -> Membership {
    let node = |name: &str| Node { name: name.to_owned(), address: format!("{name}:7410") };
    let nodes: std::collections::BTreeMap<_, _> = [(1, node("a")), (300, node("b"))].into();
    Membership::new(vec![[1].into(), [1, 300].into()], nodes).expect("all voters have nodes")
}

fn entries() -> [Entry; 3] {
    [
        Entry { log_id: log_id(1, 0), payload: Payload::Blank },
        Entry { log_id: log_id(2, 70_000), payload: Payload::Normal(Bytes::from(b"start vm1".to_vec())) },
        Entry { log_id: log_id(3, 251), payload: Payload::Membership(membership()) },
    ]
}

#[test]
fn stored_bytes_are_frozen() {
    let golden = [
        "51554f5201010100050000003f7e356d07fb2c0101",
        "51554f52010201000300000094035936010000",
        "51554f520102010011000000d0de838802fc701101000109737461727420766d31",
        "51554f52010201002400000037130fc603fbfb00020201010201fb2c010201016106613a37343130fb2c01016206623a37343130",
    ];
    let vote = codec_vote(&Vote::new_committed(7, 300));
    let mut written = vec![hex(&vote)];
    for entry in entries() {
        let bytes = wire::encode_entry(&entry).expect("entry encodes");
        assert_eq!(wire::decode_entry(&bytes).expect("entry decodes"), entry);
        written.push(hex(&bytes));
    }
    assert_eq!(written, golden);
}

fn codec_vote(vote: &Vote) -> Vec<u8> {
    encode(Kind::Vote, V1, &VoteV1::from(vote)).expect("vote encodes")
}

#[test]
fn every_defect_has_its_name() {
    let good = codec_vote(&Vote::new(7, 1));
    let read = |bytes: &[u8]| decode::<VoteV1>(Kind::Vote, V1, bytes);
    assert!(read(&good).is_ok());

    let patched = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    let resealed = |mut bytes: Vec<u8>| {
        let sum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    assert_eq!(read(&patched(0, b'X')), Err(CodecError::Magic));
    assert_eq!(read(&patched(HEADER, 9)), Err(CodecError::Checksum));
    assert_eq!(read(&patched(6, 9)), Err(CodecError::Checksum));
    assert_eq!(read(&resealed(patched(4, 2))), Err(CodecError::Format(2)));
    let schema = read(&resealed(patched(6, 2)));
    assert_eq!(schema, Err(CodecError::Schema { found: 2, known: 1 }));
    assert!(schema.is_err_and(|e| e.is_unknown_content()));
    assert_eq!(decode::<VoteV1>(Kind::Entry, V1, &good), Err(CodecError::Kind { found: 1, expected: 2 }));
    let mut long = good.clone();
    long.push(0);
    assert_eq!(read(&long), Err(CodecError::Trailing(1)));
    assert!(matches!(read(&good[..good.len() - 1]), Err(CodecError::Short { .. })));
    // A body with a byte too many, under a valid checksum.
    let padded = encode(Kind::Vote, V1, &(VoteV1::from(&Vote::new(7, 1)), 0_u8)).expect("encodes");
    assert!(matches!(read(&padded), Err(CodecError::Body(_))));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(wire::decode_entry(&bytes).is_err());
        prop_assert!(decode::<SnapshotV1>(Kind::Snapshot, V1, &bytes).is_err());
    }

    #[test]
    fn no_body_under_a_good_checksum_makes_it_panic(
        body in proptest::collection::vec(any::<u8>(), 0..200)
    ) {
        let mut bytes = vec![0; HEADER];
        bytes.extend(&body);
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = FORMAT;
        bytes[5] = Kind::Entry as u8;
        bytes[6..8].copy_from_slice(&V1.to_le_bytes());
        bytes[8..12].copy_from_slice(&(body.len() as u32).to_le_bytes());
        let sum = checksum(&bytes);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        // May happen to be an entry: then it encodes to something that reads as the same entry.
        if let Ok(entry) = wire::decode_entry(&bytes) {
            let again = wire::encode_entry(&entry).expect("entry encodes");
            prop_assert_eq!(wire::decode_entry(&again).expect("decodes"), entry);
        }
    }

    #[test]
    fn cut_and_flipped_entries_are_refused(which in 0_usize..3, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let bytes = wire::encode_entry(&entries()[which]).expect("entry encodes");
        let at = at.index(bytes.len());
        prop_assert!(wire::decode_entry(&bytes[..at]).is_err());
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        prop_assert!(wire::decode_entry(&flipped).is_err());
    }

    #[test]
    fn payloads_of_any_length_survive(payload in proptest::collection::vec(any::<u8>(), 0..20_000), term in any::<u64>(), index in any::<u64>()) {
        let entry = Entry { log_id: log_id(term, index), payload: Payload::Normal(payload.into()) };
        let bytes = wire::encode_entry(&entry).expect("entry encodes");
        prop_assert_eq!(wire::decode_entry(&bytes).expect("decodes"), entry);
    }
}
