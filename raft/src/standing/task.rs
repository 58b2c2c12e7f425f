//! Shows this member's store to its peers until they have taken it, and, on the leader, tells all what was seen.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;

use super::compare::Hashes;
use super::roll::{Roll, RollV1};
use super::{HashV1, SeenV1, TellReplyV1, TellV1};
use crate::error::{OnStoreFailed, StoreFailed};
use crate::log::LogView;
use crate::machine::Machine;
use crate::network::Peers;
use crate::replica::{OpenRaft, Role, Status};
use crate::state::Shared;
use crate::types::{LogId, MemberId, Node};
use crate::wire::{LogIdV1, VoteV1};

/// Between two tries to show itself.
const SHOW_AGAIN: Duration = Duration::from_millis(150);
/// The same once it takes part: who was down then is still to see it.
const SHOW_LATER: Duration = Duration::from_secs(2);
/// Between two rounds of telling. What was acknowledged in between is remembered by the leader's memory alone.
const TELL_EVERY: Duration = Duration::from_millis(500);
/// So many rounds in which nobody has told this member anything, and it has no leader: raft names the last one until an
/// election begins, and none begins while too few take part.
const LEADERLESS: u32 = 4;
/// A peer that takes longer is told the next time.
const DEADLINE: Duration = Duration::from_secs(2);

/// What both tasks work with.
pub(crate) struct Work<M: Machine> {
    pub(crate) raft: OpenRaft<M>,
    pub(crate) shared: Arc<Shared<M>>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) log: LogView,
    pub(crate) on_failed: OnStoreFailed,
}

/// The other members.
fn others(status: &Status) -> Vec<(MemberId, Node)> {
    let others = status.members.iter().filter(|(id, _)| **id != status.id);
    others.map(|(id, member)| (*id, member.node.clone())).collect()
}

/// The members by this member's own log.
fn own_roll<M: Machine>(work: &Work<M>) -> Roll {
    Roll::of(&work.raft.metrics().borrow_watched().membership_config)
}

/// Takes in who the members are, where that is news to a store that was not taken yet.
pub(crate) fn note_roll<M: Machine>(work: &Work<M>, roll: Roll) {
    let me = work.status.borrow().id;
    if !work.peers.standing.is_open() && roll.is_news_to(me, &own_roll(work)) {
        work.peers.standing.note_roll(roll);
    }
}

/// Shows the store until every member has taken it, or one refuses it. A store that holds nothing is shown like any
/// other: a copy of what it was before it held anything looks the same.
pub(crate) async fn show<M: Machine>(work: Arc<Work<M>>) {
    let standing = work.peers.standing.clone();
    let me = work.status.borrow().id;
    let mut taken = BTreeSet::new();
    loop {
        let (own, told) = (own_roll(&work), standing.roll());
        let members: BTreeMap<_, _> = own.others(me).chain(told.others(me)).collect();
        let left: Vec<_> = members.iter().filter(|(id, _)| !taken.contains(*id)).collect();
        let (vote, last, _) = work.log.stands_at();
        let shown = standing.show(vote.as_ref().map(Into::into), last.as_ref().map(Into::into));
        let asked = left.iter().map(|(id, node)| work.peers.show(**id, node, &shown, DEADLINE));
        for ((id, node), answer) in left.iter().zip(join_all(asked).await) {
            match answer {
                Ok(None) => drop(taken.insert(**id)),
                Ok(Some(why)) if is_old_news(&standing, &shown, &work.log.stands_at()) => {
                    tracing::info!(by = %node, why, "a refusal of what this store has left behind since: shown again");
                }
                Ok(Some(why)) => {
                    tracing::error!(by = %node, why, "this member's store is refused");
                    standing.set_fault(super::record::StoreFault::Refused(format!("{} refuses it: {why}", node.name)));
                    return;
                }
                Err(error) => tracing::debug!(%error, "a peer has not seen this member's store yet"),
            }
        }
        if !standing.is_open() && (own.is_enough(me, &taken) || told.is_enough(me, &taken)) {
            standing.set_open();
        }
        if standing.is_open() && members.keys().all(|id| taken.contains(id)) {
            return;
        }
        tokio::time::sleep(if standing.is_open() { SHOW_LATER } else { SHOW_AGAIN }).await;
    }
}

/// What was shown is behind what this member has voted or taken in since, and what a peer has seen of that came first:
/// its refusal is of a message, not of the store. A store that takes no part yet moves by nothing.
fn is_old_news(
    standing: &super::record::Standing,
    shown: &super::ShowV1,
    (vote, last, _): &(Option<crate::types::Vote>, Option<LogId>, Option<LogId>),
) -> bool {
    standing.is_open() && (shown.vote, shown.last) != (vote.as_ref().map(Into::into), last.as_ref().map(Into::into))
}

/// Keeps what was seen, and on the leader tells it to all and compares their states.
pub(crate) async fn tell<M: Machine>(work: Arc<Work<M>>) {
    let standing = work.peers.standing.clone();
    let mut hashes = Hashes::default();
    let mut sent: BTreeMap<MemberId, Vec<(MemberId, SeenV1)>> = BTreeMap::new();
    let mut right = None;
    let (mut changes, mut told_index) = (work.status.clone(), None);
    let mut rounds_unled = 0_u32;
    loop {
        // A member that was just let in is told at once: until then it does not know whom to show its store to.
        let is_changed = changes.wait_for(|status| status.membership_index > told_index);
        if !matches!(tokio::time::timeout(TELL_EVERY, is_changed).await, Ok(Ok(_)) | Err(_)) {
            // Raft has stopped, and nothing changes any more.
            tokio::time::sleep(TELL_EVERY).await;
        }
        let status = work.status.borrow().clone();
        told_index = status.membership_index;
        let leads = status.role == Role::Leader && status.established;
        if leads {
            note_progress(&work, &status);
        }
        if let Err(error) = standing.save() {
            failed(&work, &error);
        }
        if !leads {
            (hashes, right) = (Hashes::default(), None);
            sent.clear();
            standing.stores().clear();
            rounds_unled = if standing.was_led() { 0 } else { rounds_unled.saturating_add(1) };
            if (status.leader.is_none() || rounds_unled >= LEADERLESS) && standing.is_open() {
                // Whoever could elect one may know too few of the members to take part.
                call_roll(&work, others(&status));
            }
            continue;
        }
        let members = others(&status);
        let all = standing.all();
        let tells = members.iter().map(|(id, node)| {
            let seen = if sent.get(id) == Some(&all) { Vec::new() } else { all.clone() };
            work.peers.tell(*id, node, TellV1 { seen, right }, DEADLINE)
        });
        let answers = join_all(tells).await;
        hashes.note(status.id, &work.shared.hashes());
        standing.stores().retain(|id, _| status.members.contains_key(id));
        let mut silent = Vec::new();
        for ((id, node), answer) in members.iter().zip(answers) {
            if let Ok(reply) = answer {
                hashes.note(*id, &reply.hashes);
                sent.insert(*id, all.clone());
                standing.stores().insert(*id, reply.into());
            } else {
                silent.push((*id, node.clone()));
            }
        }
        // rolled back: who takes no part yet answers nothing else.
        call_roll(&work, silent);
        right = judge(&work, &status, &hashes);
    }
}

/// Tells members who may not take part yet who the members are. Nobody waits for it: most of them are just away.
fn call_roll<M: Machine>(work: &Work<M>, to: Vec<(MemberId, Node)>) {
    let (roll, peers) = (RollV1::from(&own_roll(work)), work.peers.clone());
    if !to.is_empty() {
        tokio::spawn(async move {
            join_all(to.iter().map(|(id, node)| peers.call_roll(*id, node, &roll, DEADLINE))).await;
        });
    }
}

/// same state: names those that differ; this member itself stops when it is one.
fn judge<M: Machine>(work: &Work<M>, status: &Status, hashes: &Hashes) -> Option<HashV1> {
    let voters: Vec<MemberId> = status.members.iter().filter(|(_, m)| m.voter).map(|(id, _)| *id).collect();
    let (right, wrong) = hashes.verdict(status.id, &voters)?;
    for member in wrong {
        let name = status.members.get(&member).map_or_else(|| member.to_string(), |m| m.node.name.clone());
        work.peers.standing.note_differs(&name, right.0);
    }
    check(&work.shared, &work.peers, right);
    Some(right)
}

/// Stops this member when its state is not what the majority says it is.
fn check<M: Machine>(shared: &Shared<M>, peers: &Peers, right: HashV1) {
    let ours = shared.hashes().into_iter().find(|(index, _)| *index == right.0);
    let Some((index, hash)) = ours.filter(|(_, hash)| *hash != right.1) else { return };
    let short = |hash: &[u8; 32]| hash[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let why = format!(
        "after entry {index} its state is {}…, and that of the majority {}…; it applies nothing more",
        short(&hash),
        short(&right.1)
    );
    tracing::error!(why, "the state of this member differs");
    shared.halt(why.clone());
    peers.standing.set_fault(super::record::StoreFault::Differs(why));
}

/// What the leader says, taken in.
pub(crate) fn told<M: Machine>(work: &Work<M>, tell: TellV1) -> TellReplyV1 {
    let standing = &work.peers.standing;
    standing.note_led();
    for (id, seen) in &tell.seen {
        standing.note(*id, |known| known.merge(seen));
    }
    if let Some(right) = tell.right {
        check(&work.shared, &work.peers, right);
    }
    own(work)
}

/// Where this member stands.
pub(crate) fn own<M: Machine>(work: &Work<M>) -> TellReplyV1 {
    let (_, last, purged) = work.log.stands_at();
    let status = work.status.borrow();
    let space = &work.peers.space;
    TellReplyV1 {
        hashes: work.shared.hashes(),
        last: last.map(|id| id.index),
        purged: purged.map(|id| id.index),
        applied: status.last_applied,
        snapshot: status.snapshot,
        disk_percent: space.percent(),
        full: space.is_full(),
    }
}

/// What the members have acknowledged under this leader, so far as it is committed.
fn note_progress<M: Machine>(work: &Work<M>, status: &Status) {
    let standing = &work.peers.standing;
    let metrics = work.raft.metrics().borrow_watched().clone();
    let Some(committed) = metrics.last_applied else { return };
    let vote = VoteV1::from(&metrics.vote);
    let acknowledged =
        |matched: &LogId| LogIdV1::from(if matched.index < committed.index { matched } else { &committed });
    for (id, matched) in metrics.replication.iter().flatten() {
        // A voter that has answered in this term has taken this leader's vote for its own.
        if let Some(matched) = matched {
            let at = acknowledged(matched);
            standing.note(*id, |seen| seen.note_vote(vote) | seen.note_acknowledged(at));
        }
    }
    let at = acknowledged(&committed);
    standing.note(status.id, |seen| seen.note_vote(vote) | seen.note_acknowledged(at));
    standing.retain(|id| status.members.contains_key(&id));
}

/// A full disk keeps the file as it was, and it is tried again; any other failure ends the process.
fn failed<M: Machine>(work: &Work<M>, error: &io::Error) {
    if error.kind() == io::ErrorKind::StorageFull {
        tracing::warn!(%error, "what was seen of the other members could not be kept");
        return;
    }
    let failed = StoreFailed { action: "keep what was seen of the other members", why: error.to_string() };
    (work.on_failed)(&failed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_a_vote_has_overtaken_is_no_refusal_of_the_store() {
        let dir = tempfile::tempdir().expect("tempdir");
        let standing =
            super::super::record::Standing::open(dir.path().to_path_buf(), "s".to_owned(), 1).expect("opens");
        let vote = |term| Some(crate::types::Vote::new(term, 1));
        let shown = standing.show(vote(3).as_ref().map(Into::into), None);
        // Nothing of Raft leaves a store that was not taken: it cannot have moved on.
        assert!(!is_old_news(&standing, &shown, &(vote(4), None, None)));
        standing.set_open();
        assert!(is_old_news(&standing, &shown, &(vote(4), None, None)));
        assert!(!is_old_news(&standing, &shown, &(vote(3), None, None)));
    }
}
