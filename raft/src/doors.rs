//! Bytes as they come from the disk and from peers, read without a replica over them: for fuzzing. Not part of the
//! interface.

use crate::codec::{self, HEADER, Kind};
use crate::machine::Machine;
use crate::network;
use crate::types::{Entry, Payload, log_id};
use crate::wire::{self, EntryV1, LogIdV1, SnapshotMetaV1, SnapshotV1, V1, VoteV1};

/// As each thing that is stored or sent.
pub fn read(bytes: &[u8]) {
    if let Ok(entry) = wire::decode_entry(bytes) {
        let again = wire::encode_entry(&entry).and_then(|bytes| wire::decode_entry(&bytes));
        assert_eq!(again.ok(), Some(entry), "what was read is written as something else");
    }
    let _ = codec::decode::<VoteV1>(Kind::Vote, V1, bytes).map(crate::types::Vote::from);
    let _ = codec::decode::<LogIdV1>(Kind::LogId, V1, bytes);
    let _ = codec::decode::<SnapshotV1>(Kind::Snapshot, V1, bytes).map(|snapshot| snapshot.meta.into_meta().is_ok());
    network::read_messages(bytes);
}

/// As the body of each of them, in an envelope that is right.
pub fn read_body(body: &[u8]) {
    for kind in [Kind::Entry, Kind::Vote, Kind::LogId, Kind::Snapshot].into_iter().chain(network::KINDS) {
        if let Ok(bytes) = codec::around(kind, V1, body) {
            read(&bytes);
        }
    }
}

/// A command of this machine, from the body of its envelope.
pub fn command<M: Machine>(body: &[u8]) -> Option<M::Command> {
    let bytes = codec::around(Kind::Command, M::COMMAND_SCHEMA, body).ok()?;
    codec::decode(Kind::Command, M::COMMAND_SCHEMA, &bytes).ok()
}

/// The state of this machine, from the body of its envelope.
pub fn state<M: Machine>(body: &[u8]) -> Option<M> {
    let bytes = codec::around(Kind::State, M::STATE_SCHEMA, body).ok()?;
    codec::decode(Kind::State, M::STATE_SCHEMA, &bytes).ok()
}

/// What `command` reads.
pub fn write_command<M: Machine>(command: &M::Command) -> Option<Vec<u8>> {
    codec::encode(Kind::Command, M::COMMAND_SCHEMA, command).ok().map(body)
}

/// What `state` reads.
pub fn write_state<M: Machine>(state: &M) -> Option<Vec<u8>> {
    codec::encode(Kind::State, M::STATE_SCHEMA, state).ok().map(body)
}

/// Whole envelopes and bodies, as they are written.
pub fn seeds() -> Vec<Vec<u8>> {
    let entry = Entry { log_id: log_id(3, 7), payload: Payload::Normal(b"payload".to_vec().into()) };
    let blank = Entry { log_id: log_id(3, 8), payload: Payload::Blank };
    let entries = [entry, blank];
    let whole: Vec<Vec<u8>> = entries.iter().filter_map(|entry| wire::encode_entry(entry).ok()).collect();
    let stored = entries.iter().filter_map(|entry| codec::encode(Kind::Entry, V1, &EntryV1::from(entry)).ok());
    let bodies: Vec<Vec<u8>> = stored.map(body).collect();
    let vote = codec::encode(Kind::Vote, V1, &VoteV1 { term: 3, node: 1, committed: true }).ok();
    let id = codec::encode(Kind::LogId, V1, &LogIdV1 { term: 3, index: 7 }).ok();
    let meta = SnapshotMetaV1 {
        last: Some(LogIdV1 { term: 3, index: 7 }),
        membership_id: None,
        membership: wire::MembershipV1 {
            configs: vec![vec![1]],
            nodes: vec![(1, wire::NodeV1 { name: "n1".to_owned(), address: "10.0.0.1:1".to_owned() })],
        },
    };
    let snapshot = SnapshotV1 { meta, state: b"state".to_vec().into() };
    let snapshot = codec::encode(Kind::Snapshot, V1, &snapshot).ok();
    whole.into_iter().chain(bodies).chain(vote).chain(id).chain(snapshot.clone()).chain(snapshot.map(body)).collect()
}

fn body(envelope: Vec<u8>) -> Vec<u8> {
    envelope[HEADER..].to_vec()
}
