//! Who among the peers cannot be reached, told to a person in few lines: one when it begins, one a minute while it
//! lasts, one when it is over. A leader tries each peer several times a second, and openraft would tell of each try.
//!
//! It only tells: what is done about a peer is decided elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::peers::{CallError, Lane};
use crate::types::{MemberId, Node};

/// How often it is told of a peer that stays away. Who was not even tried for so long is told of anew.
const AGAIN: Duration = Duration::from_secs(60);

/// The peers whose last call of a lane failed.
#[derive(Default)]
pub(super) struct Reach {
    away: Mutex<HashMap<(MemberId, Lane), Away>>,
}

struct Away {
    since: Instant,
    tried: Instant,
    told: Instant,
    failures: u64,
}

/// One call to a peer. openraft drops a heartbeat at its deadline, which is no other end than a failure; what it drops
/// earlier, as when it stops to lead, says nothing.
pub(super) struct Attempt<'a> {
    reach: &'a Reach,
    to: MemberId,
    node: &'a Node,
    lane: Lane,
    begin: Instant,
    deadline: Duration,
    ended: bool,
}

impl Attempt<'_> {
    /// It came to its end by itself.
    pub(super) fn ended(mut self, failed: Option<&CallError>) {
        self.ended = true;
        self.reach.note(self.to, self.node, self.lane, failed);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.ended && self.begin.elapsed() >= self.deadline * 9 / 10 {
            let timeout = CallError::Timeout { to: self.node.clone(), after: self.deadline };
            self.reach.note(self.to, self.node, self.lane, Some(&timeout));
        }
    }
}

/// What is to be told.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Lost,
    Still { since: Duration, failures: u64 },
    Back { after: Duration, failures: u64 },
}

impl Reach {
    /// A call to a peer begins.
    pub(super) fn attempt<'a>(&'a self, to: MemberId, node: &'a Node, lane: Lane, deadline: Duration) -> Attempt<'a> {
        Attempt { reach: self, to, node, lane, begin: Instant::now(), deadline, ended: false }
    }

    /// Notes how a call to a peer ended, and tells of it where that is news.
    fn note(&self, to: MemberId, node: &Node, lane: Lane, failed: Option<&CallError>) {
        let Some(news) = self.news(to, lane, failed.is_some(), Instant::now()) else { return };
        let what = match lane {
            Lane::Control => "heartbeats",
            Lane::Bulk => "log entries",
        };
        let why = failed.map(ToString::to_string).unwrap_or_default();
        match news {
            News::Lost => tracing::warn!(%node, why, "{what} do not reach a member"),
            News::Still { since, failures } => {
                tracing::warn!(%node, why, failures, "{what} have not reached a member for {} s", since.as_secs());
            }
            News::Back { after, failures } => {
                tracing::info!(%node, failures, "{what} reach a member again after {:.1} s", after.as_secs_f32());
            }
        }
    }

    fn news(&self, to: MemberId, lane: Lane, failed: bool, now: Instant) -> Option<News> {
        let mut all = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (to, lane);
        if !failed {
            let away = all.remove(&key)?;
            let back = News::Back { after: now - away.since, failures: away.failures };
            return (now - away.tried <= AGAIN).then_some(back);
        }
        if let Some(away) = all.get_mut(&key)
            && now - away.tried <= AGAIN
        {
            away.tried = now;
            away.failures += 1;
            if now - away.told < AGAIN {
                return None;
            }
            away.told = now;
            return Some(News::Still { since: now - away.since, failures: away.failures });
        }
        all.insert(key, Away { since: now, tried: now, told: now, failures: 1 });
        Some(News::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreachable_peer_takes_few_lines() {
        let (reach, begin) = (Reach::default(), Instant::now());
        let at = |tick: u64| begin + Duration::from_millis(150 * tick);
        let news = |to, tick, failed| reach.news(to, Lane::Control, failed, at(tick));
        assert_eq!(news(2, 0, false), None, "who was always there is no news");
        // 150 s of failed heartbeats: the first, and one each minute.
        let told: Vec<u64> = (0..1000).filter(|tick| news(2, *tick, true).is_some()).collect();
        assert_eq!(told, [0, 400, 800]);
        assert_eq!(news(3, 1000, true), Some(News::Lost), "another peer is news of its own");
        assert_eq!(reach.news(2, Lane::Bulk, true, at(1000)), Some(News::Lost), "and so is the other lane");
        assert_eq!(news(2, 1000, false), Some(News::Back { after: Duration::from_secs(150), failures: 1000 }));
        assert_eq!(news(2, 1001, false), None);
        assert_eq!(news(2, 1002, true), Some(News::Lost), "away again");
    }

    #[test]
    fn a_call_that_is_dropped_at_its_deadline_has_failed() {
        let (reach, node) = (Reach::default(), Node { name: "n2".to_owned(), address: "10.0.0.2:1".to_owned() });
        drop(reach.attempt(2, &node, Lane::Control, Duration::from_secs(60)));
        assert!(reach.away.lock().unwrap().is_empty(), "given up long before");
        drop(reach.attempt(2, &node, Lane::Control, Duration::ZERO));
        assert_eq!(reach.away.lock().unwrap().len(), 1);
        reach.attempt(2, &node, Lane::Control, Duration::ZERO).ended(None);
        assert!(reach.away.lock().unwrap().is_empty());
    }

    #[test]
    fn what_was_long_not_tried_is_forgotten() {
        let (reach, begin) = (Reach::default(), Instant::now());
        let news = |seconds, failed| reach.news(2, Lane::Control, failed, begin + Duration::from_secs(seconds));
        assert_eq!(news(0, true), Some(News::Lost));
        assert_eq!(news(100, true), Some(News::Lost), "this member did not lead meanwhile");
        assert_eq!(news(200, false), None, "nobody knows since when it is back");
    }
}
