//! What the embedder puts under replication.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A deterministic state machine: the same commands in the same order give the same state on
/// every member.
///
/// Commands, outcomes and the machine itself are written by the codec, which is positional:
/// plain derives only (no `untagged`, `flatten` or `skip_serializing_if`), and a change of any
/// of these types is a new schema number.
pub trait Machine: Serialize + DeserializeOwned + Default + Send + Sync + 'static {
    /// What is proposed.
    type Command: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;
    /// What applying a command answers.
    type Outcome: Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static;

    /// The schema of `Command` and `Outcome`. A member stops at an entry of a schema it does
    /// not know, so a new one is proposed only when every member can read it.
    const COMMAND_SCHEMA: u16 = 1;
    /// The schema of the machine in snapshots.
    const STATE_SCHEMA: u16 = 1;

    /// What the leader adds to a command before it appends it: its own time, for one. Not part of applying: every member
    /// sees what the leader wrote.
    fn stamp(_command: &mut Self::Command) {}

    /// Changes the state. Total: it refuses by its outcome and never panics.
    fn apply(&mut self, index: u64, command: &Self::Command) -> Self::Outcome;
}
