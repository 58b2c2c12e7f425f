//! What the engine wants written, when this daemon stood still before it could be.

use super::{N1, member};
use crate::daemon::bring;
use crate::daemon::clock::boot_time;
use crate::engine::ProposeError;
use quorate_core::id::{NodeId, SessionId};
use quorate_core::state::{Command, Liveness, Verdict};
use quorate_core::time::BootTime;
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread")]
async fn a_judgement_of_before_a_standstill_is_in_no_log() {
    let dir = TempDir::new().unwrap();
    let cluster = member(&dir).await;
    let (node, session) = (NodeId::from(N1), SessionId::from("boot-1"));
    let suspect = || Command::Judge { node: node.clone(), session: session.clone(), verdict: Verdict::Suspect };
    let before = cluster.state(|state| state.index);
    let made = BootTime(boot_time().0.saturating_sub(1500));
    assert_eq!(bring(&cluster, made, suspect()).await, Err(ProposeError::NotSent));
    assert_eq!(cluster.state(|state| state.index), before, "nothing was written");
    assert!(bring(&cluster, boot_time(), suspect()).await.is_ok());
    assert_eq!(cluster.state(|state| state.nodes[&node].liveness), Liveness::Suspect);
}
