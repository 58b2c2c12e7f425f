//! The way to the process that feeds this host's watchdog: a socket, and a line of JSON for each order and answer.
//!
//! The feeder outlives this daemon; where there is none, this host has no watchdog that counts.

use super::clock::boot_time;
use crate::engine::Event;
use quorate_core::pill::DiskSeen;
use quorate_core::time::BootTime;
use quorate_core::watchdog::{Feeder, Order};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// Between two looks whether there is a feeder.
const PAUSE: Duration = Duration::from_secs(1);
/// It takes a line within this, or is gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(1);
/// Orders on their way.
const ORDERS: usize = 16;

/// How the driver tells it.
#[derive(Clone, Debug)]
pub(super) struct FeederLine {
    orders: mpsc::Sender<(BootTime, Order)>,
}

/// What is to be said of this host's disks with slots, for people.
#[derive(Clone, Debug, Default)]
pub struct Disks(Arc<Mutex<Vec<DiskSeen>>>);

impl Disks {
    /// One line for each that cannot be read.
    pub(super) fn findings(&self) -> Vec<String> {
        // Whole values only: a panic elsewhere cannot leave one half changed.
        let disks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = disks.iter().filter_map(|disk| Some((&disk.path, disk.trouble.as_ref()?)));
        lost.map(|(path, why)| format!("this host cannot read its slot for pills on {path}: {why}")).collect()
    }

    fn tell(&self, feeder: &Feeder) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&feeder.disks);
    }
}

impl FeederLine {
    /// Follows the feeder that listens there for as long as the events are taken.
    pub(super) fn keep(socket: PathBuf, events: mpsc::Sender<Event>, disks: Disks) -> Self {
        let (orders, mut given) = mpsc::channel(ORDERS);
        tokio::spawn(async move {
            while !events.is_closed() {
                if let Ok(stream) = UnixStream::connect(&socket).await {
                    tracing::info!(socket = %socket.display(), "the feeder of this host's watchdog is there");
                    follow(stream, &mut given, &events, &disks).await;
                    tracing::warn!("the feeder of this host's watchdog is gone");
                    // Nobody listens any more when the daemon stops.
                    let _ = events.send(Event::Feeder(None)).await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { orders }
    }

    /// What is not taken is given again, or made anew.
    pub(super) fn tell(&self, order: Order) {
        if self.orders.try_send((boot_time(), order)).is_err() {
            tracing::debug!("no feeder takes this order");
        }
    }
}

async fn follow(
    stream: UnixStream,
    given: &mut mpsc::Receiver<(BootTime, Order)>,
    events: &mpsc::Sender<Event>,
    disks: &Disks,
) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read);
    let connected = boot_time();
    loop {
        let mut line = String::new();
        tokio::select! {
            read = lines.read_line(&mut line) => {
                let feeder = read.ok().filter(|count| *count > 0);
                let Some(feeder) = feeder.and_then(|_| serde_json::from_str::<Feeder>(&line).ok()) else { return };
                disks.tell(&feeder);
                if events.send(Event::Feeder(Some(feeder))).await.is_err() {
                    return;
                }
            }
            order = given.recv() => {
                let Some((made, order)) = order else { return };
                // An order of before this feeder was there was meant for another.
                if made < connected {
                    continue;
                }
                let Ok(mut text) = serde_json::to_string(&order) else { continue };
                text.push('\n');
                let written = tokio::time::timeout(WRITE_DEADLINE, write.write_all(text.as_bytes())).await;
                if !matches!(written, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}
