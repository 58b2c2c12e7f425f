//! openraft's own storage suite on the real store, and what our state machine adds to it.

use std::sync::Arc;

use openraft::StorageError;
use openraft::storage::RaftStateMachine;
use openraft::testing::log::{StoreBuilder, Suite};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::codec::{self, Kind};
use crate::error::StoreFailed;
use crate::log::Log;
use crate::machine::Machine;
use crate::snapshot::SnapshotFiles;
use crate::state::{Shared, StateMachine};
use crate::types::{Entry, Payload, TypeConfig, log_id};

#[derive(Default, Serialize, Deserialize)]
struct Counter(u64);

impl Machine for Counter {
    type Command = u64;
    type Outcome = u64;

    fn apply(&mut self, _index: u64, command: &u64) -> u64 {
        self.0 += command;
        self.0
    }
}

struct OnDisk;

impl StoreBuilder<TypeConfig, Log, StateMachine<Counter>, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, Log, StateMachine<Counter>), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().expect("tempdir");
        let fail = Arc::new(|failed: &StoreFailed| panic!("{failed}"));
        let log = Log::open(&dir.path().join("log"), fail).expect("log opens");
        let (files, current) = SnapshotFiles::open(&dir.path().join("snapshots")).expect("snapshots open");
        let state = StateMachine::new(Arc::new(Shared::new(1024)), files, current);
        Ok((dir, log, state))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_passes_openrafts_suite() {
    Suite::test_all(OnDisk).await.expect("suite");
}

fn machine(dir: &TempDir) -> (Arc<Shared<Counter>>, StateMachine<Counter>) {
    let (files, current) = SnapshotFiles::open(&dir.path().join("snapshots")).expect("snapshots open");
    let shared = Arc::new(Shared::new(2));
    (shared.clone(), StateMachine::new(shared, files, current))
}

async fn apply(state: &mut StateMachine<Counter>, index: u64, bytes: Vec<u8>) -> Result<(), std::io::Error> {
    let entry = Entry { log_id: log_id(1, index), payload: Payload::Normal(bytes.into()) };
    state.apply(futures::stream::iter([Ok((entry, None))])).await
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_what_is_unknown_stops_the_member() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (shared, mut state) = machine(&dir);
    let command = |schema, value: u64| codec::encode(Kind::Command, schema, &value).expect("encodes");
    apply(&mut state, 1, command(1, 5)).await.expect("applies");
    apply(&mut state, 2, b"garbage".to_vec()).await.expect("refused by all alike");
    assert_eq!(shared.read().machine.0, 5);
    // Of a newer version: another member may well read it.
    let stopped = apply(&mut state, 3, command(2, 7)).await.expect_err("stops");
    assert!(stopped.to_string().contains("log entry 3"), "{stopped}");
    let text = codec::encode(Kind::Command, 1, &"text that is no number at all").expect("encodes");
    assert!(apply(&mut state, 3, text).await.is_err());
    assert_eq!(shared.read().last, Some(log_id(1, 2)));
}

#[tokio::test]
async fn the_state_hash_is_taken_at_fixed_indices_and_tells_states_apart() {
    let (left, right) = (tempfile::tempdir().expect("tempdir"), tempfile::tempdir().expect("tempdir"));
    let ((one, mut first), (other, mut second)) = (machine(&left), machine(&right));
    for index in 1..=3 {
        let command = codec::encode(Kind::Command, 1, &index).expect("encodes");
        apply(&mut first, index, command.clone()).await.expect("applies");
        apply(&mut second, index, command).await.expect("applies");
    }
    assert_eq!(one.hash().borrow().map(|h| h.index), Some(2));
    assert_eq!(*one.hash().borrow(), *other.hash().borrow());
    let parted = codec::encode(Kind::Command, 1, &9_u64).expect("encodes");
    apply(&mut first, 4, parted).await.expect("applies");
    let same = codec::encode(Kind::Command, 1, &8_u64).expect("encodes");
    apply(&mut second, 4, same).await.expect("applies");
    assert_ne!(*one.hash().borrow(), *other.hash().borrow());
}
