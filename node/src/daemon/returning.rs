//! How a member starts again: with the store it has, or, where that was lost, with a new one under a new raft id.
//!
//! It waits for the cluster as long as it takes: a majority may have to come up first. Meanwhile the local socket says
//! what is waited for.

use super::member::{Host, StartError};
use super::recovering;
use crate::security::{Credentials, DataDir, FilesError, Identity, Loss, enrol};
use quorate_api::{Fault, Reason};
use quorate_raft::Node;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Between two rounds of asking.
const PAUSE: Duration = Duration::from_secs(1);
/// The same when a member has refused: only a person changes that.
const REFUSED_PAUSE: Duration = Duration::from_secs(10);
/// A new store that is lost again at once is lost for another reason: the disk, most likely.
const MOST_LOSSES: usize = 2;

/// Starts the member that this data directory is of.
///
/// # Errors
/// When it cannot be, by anything else than the store.
pub async fn start(host: &Host, mut identity: Identity, mut credentials: Credentials) -> Result<(), Fault> {
    let data = &host.data;
    let mut losses = 0;
    identity = recovering::carry_out(host, identity, &credentials)?;
    loop {
        if let Some(loss) = data.loss().map_err(files)? {
            // Its very last step may be all that was left to do.
            if identity.store != loss.store {
                data.set_aside(&loss).map_err(files)?;
                (identity, credentials) = rejoined(host, &loss, &identity, &credentials).await?;
            }
            data.regain(&identity, &credentials).map_err(files)?;
        }
        host.seat.wait(Some(format!("{} is starting", identity.node)));
        match host.start(&identity, &credentials).await {
            Ok(_) => return Ok(()),
            Err(StartError::Fault(fault)) => return Err(fault),
            Err(StartError::Lost(kind, why)) => {
                losses += 1;
                tracing::error!(store = %data.store_dir().display(), why, "the store of this member is lost");
                let others = others(data, &identity)?;
                if others.is_empty() {
                    return Err(alone(data, &why));
                }
                if losses > MOST_LOSSES {
                    let message = format!("a new store was lost again at once: {why}");
                    return Err(Fault::new(Reason::Failed, message).hint("look at the disk under the data directory"));
                }
                data.lose(identity.raft_id, kind, &why).map_err(files)?;
            }
        }
    }
}

async fn rejoined(
    host: &Host,
    loss: &Loss,
    identity: &Identity,
    credentials: &Credentials,
) -> Result<(Identity, Credentials), Fault> {
    let aside = loss.aside.display();
    let lost =
        format!("the store of {} was set aside as {aside} ({}); it rejoins with a new one", identity.node, loss.why);
    tracing::warn!("{lost}");
    let mut told = String::new();
    loop {
        let mut last = "no other member is known".to_owned();
        let mut pause = PAUSE;
        for node in others(&host.data, identity)?.values() {
            match enrol::rejoin(node, identity, credentials, loss).await {
                Ok(enrolled) => {
                    tracing::info!(raft_id = %enrolled.identity.raft_id, "rejoined as a new learner");
                    return Ok((enrolled.identity, enrolled.credentials));
                }
                Err(fault) => {
                    last = format!("{node}: {fault}");
                    if !fault.reason.is_passing() {
                        pause = REFUSED_PAUSE;
                        break;
                    }
                }
            }
        }
        host.seat.wait(Some(format!("{lost}: {last}")));
        if told != last {
            tracing::warn!(why = last, "it could not rejoin yet; it is tried again");
            told = last;
        }
        tokio::time::sleep(pause).await;
    }
}

/// The members to ask: this one cannot give itself what it lost.
fn others(data: &DataDir, identity: &Identity) -> Result<BTreeMap<u64, Node>, Fault> {
    let mut peers = data.peers().map_err(files)?;
    peers.retain(|_, node| node.name != identity.node.as_str());
    Ok(peers)
}

fn alone(data: &Arc<DataDir>, why: &str) -> Fault {
    let message = format!(
        "the store in {} is lost, and this is the only member of its cluster: nobody can give it back: {why}",
        data.store_dir().display()
    );
    Fault::new(Reason::Failed, message)
        .hint("bring back a copy of the whole data directory, or empty it and found the cluster anew")
}

fn files(error: FilesError) -> Fault {
    Fault::new(Reason::Failed, error.to_string())
}
