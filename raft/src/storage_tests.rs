//! openraft's own storage suite, on the real store.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::error::StoreFailed;
use crate::log::Log;
use crate::machine::Machine;
use crate::snapshot::SnapshotFiles;
use crate::state::{Shared, StateMachine};
use crate::types::TypeConfig;

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
