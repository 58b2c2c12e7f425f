//! The events as they are applied here, for those who follow.

use super::seat::Seat;
use super::view::document;
use crate::daemon::cluster::Cluster;
use quorate_api::proto::Document;
use quorate_api::{Fault, Reason};
use quorate_core::state::{ClusterState, Event};
use quorate_core::view;
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// So many events wait for a slow reader; it is behind then, and loses only what the state has forgotten.
const QUEUE: usize = 64;
/// So many are taken from the state at once: nothing is applied meanwhile.
const BATCH: usize = 64;

/// A stream of events.
pub(super) type Events = Pin<Box<dyn Stream<Item = Result<Document, Status>> + Send>>;

/// Events from this number on, or those to come; it ends in order when the daemon does.
pub(super) fn watch(cluster: Cluster, seat: &Seat, from: Option<u64>) -> Events {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let mut closed = seat.closed();
    let next = from.unwrap_or_else(|| cluster.state(|state| state.next_event));
    tokio::spawn(async move {
        tokio::select! {
            () = follow(cluster, next, &sender) => {}
            _ = closed.wait_for(|closed| *closed) => {}
            () = sender.closed() => {}
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

async fn follow(cluster: Cluster, mut next: u64, sender: &mpsc::Sender<Result<Document, Status>>) {
    let mut applied = cluster.replica.applied();
    loop {
        applied.mark_unchanged();
        loop {
            let batch = cluster.state(|state| from(state, next));
            let Some(last) = batch.last() else {
                break;
            };
            next = last.number + 1;
            for event in &batch {
                if sender.send(Ok(document(event))).await.is_err() {
                    return;
                }
            }
        }
        if applied.changed().await.is_err() {
            let gone = Fault::new(Reason::Failed, "this member has stopped").hint("ask another one");
            let _ = sender.send(Err(gone.into())).await;
            return;
        }
    }
}

/// The first events from this number on; from the oldest that is kept, where that is younger.
fn from(state: &ClusterState, next: u64) -> Vec<Event> {
    let oldest = state.events.front().map_or(next, |event| event.number);
    (next.max(oldest)..).map_while(|number| view::event(state, number)).take(BATCH).cloned().collect()
}
