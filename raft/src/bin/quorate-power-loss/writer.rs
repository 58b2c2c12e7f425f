//! Keeps a log store busy the way Raft does: appends overlap, everything else waits its turn.

use std::io;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use quorate_raft::probe::{Contents, Item, Probe};

use crate::layer;
use crate::model::{Note, Operation};
use crate::random::Random;

/// Appends that may be waiting for their acknowledgement.
const OVERLAP: usize = 4;

struct Writer {
    probe: Probe,
    random: Random,
    /// Terms and indices of what is in the log now.
    log: Vec<(u64, u64)>,
    term: u64,
    next: u64,
    number: usize,
}

/// Carries out `count` operations on an open store.
pub(crate) async fn write(probe: Probe, before: &Contents, count: usize, random: Random) -> Result<(), io::Error> {
    let last = before.entries.last();
    let term = before.vote.map_or(1, |v| v.0).max(last.map_or(1, |item| item.0));
    let next = last.map(|item| item.1 + 1).or(before.purged.map(|p| p + 1)).unwrap_or(0);
    let log = before.entries.iter().map(|item| (item.0, item.1)).collect();
    let mut writer = Writer { probe, random, log, term, next, number: 0 };
    let large = writer.random.below(count as u64);
    let mut waiting = FuturesOrdered::new();
    for at in 0..count {
        let kind = writer.random.below(100);
        if kind < 85 || at as u64 == large {
            while waiting.len() >= OVERLAP {
                settle(waiting.next().await)?;
            }
            let items = writer.items(at as u64 == large);
            let number = writer.begin(Operation::Append(items.clone()));
            let acknowledged = writer.probe.append(items).await?;
            waiting.push_back(async move {
                acknowledged.await?;
                layer::note(Note::Acknowledged(number));
                Ok(())
            });
            continue;
        }
        while !waiting.is_empty() {
            settle(waiting.next().await)?;
        }
        match kind {
            85..92 => writer.vote().await?,
            92..97 => writer.truncate().await?,
            _ => writer.purge().await?,
        }
    }
    while !waiting.is_empty() {
        settle(waiting.next().await)?;
    }
    Ok(())
}

fn settle(done: Option<Result<(), io::Error>>) -> Result<(), io::Error> {
    done.unwrap_or(Ok(()))
}

impl Writer {
    fn begin(&mut self, operation: Operation) -> usize {
        self.number += 1;
        layer::note(Note::Begun(self.number, operation));
        self.number
    }

    fn items(&mut self, large: bool) -> Vec<Item> {
        let count = if large { 1 } else { 1 + self.random.below(4) };
        let mut items = Vec::new();
        for _ in 0..count {
            let length = match self.random.below(20) {
                _ if large => 1024 * 1024,
                0 => self.random.below(100_000),
                1..4 => self.random.below(10_000),
                _ => self.random.below(600),
            };
            let stamp = self.random.next().to_le_bytes();
            let payload = stamp.iter().copied().cycle().take(usize::try_from(length).unwrap_or(0));
            items.push((self.term, self.next, payload.collect()));
            self.log.push((self.term, self.next));
            self.next += 1;
        }
        items
    }

    async fn vote(&mut self) -> Result<(), io::Error> {
        self.term += 1 + self.random.below(3);
        let node = self.random.below(3);
        let number = self.begin(Operation::Vote(self.term, node));
        self.probe.save_vote(self.term, node).await?;
        layer::note(Note::Acknowledged(number));
        Ok(())
    }

    /// A new leader's log is shorter; what it writes has a higher term.
    async fn truncate(&mut self) -> Result<(), io::Error> {
        let keep = self.log.len().saturating_sub(1 + usize::try_from(self.random.below(6)).unwrap_or(0));
        if keep == 0 {
            return Ok(());
        }
        self.log.truncate(keep);
        let last = self.log[keep - 1];
        self.next = last.1 + 1;
        self.vote().await?;
        let number = self.begin(Operation::TruncateFrom(self.next));
        self.probe.truncate_after(Some(last)).await?;
        layer::note(Note::Acknowledged(number));
        Ok(())
    }

    async fn purge(&mut self) -> Result<(), io::Error> {
        let keep = usize::try_from(self.random.below(20)).unwrap_or(0);
        let Some(end) = self.log.len().checked_sub(keep + 1) else {
            return Ok(());
        };
        let (term, index) = self.log[end];
        self.log.drain(..=end);
        let number = self.begin(Operation::Purge(index));
        self.probe.purge(term, index).await?;
        layer::note(Note::Acknowledged(number));
        Ok(())
    }
}
