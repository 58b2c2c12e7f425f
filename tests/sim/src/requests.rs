//! Proposals and linearizable reads, from any member by way of the leader; and every way in which an answer is lost.

use crate::event::{Message, Request, What};
use crate::members::Id;
use crate::replica::{LeaderRead, Role, Ticket};
use crate::world::World;
use quorate_core::state::{Command, Entry, Outcome};
use quorate_node::engine::{Event, ProposeError, Tag};

/// A proposal without an answer after this may or may not be applied.
const PROPOSE_TIMEOUT: u64 = 3000;
const READ_TIMEOUT: u64 = 1500;

impl World {
    pub(crate) fn ticket(&mut self, h: usize, request: Request) -> Option<Ticket> {
        let number = self.fresh();
        let timeout = if matches!(request, Request::Read(..)) { READ_TIMEOUT } else { PROPOSE_TIMEOUT };
        let daemon = self.hosts[h].daemon.as_mut()?;
        daemon.requests.insert(number, request);
        let process = daemon.process;
        self.queue.push(self.now + timeout, self.process_scope(h), What::RequestTimeout(number));
        Some(Ticket { host: h, process, request: number })
    }

    fn leader_of(&self, h: usize) -> Option<usize> {
        self.hosts[h].daemon.as_ref().and_then(|daemon| daemon.replica.leader)
    }

    /// Whether this member leads, as far as it knows.
    pub(crate) fn leads(&self, h: usize) -> bool {
        self.leader_of(h) == Some(h)
    }

    pub(crate) fn propose(&mut self, h: usize, tag: Tag, command: Command) {
        self.note_claim(h, tag, &command);
        self.ambush(h, &command);
        let made = self.hosts[h].clock(self.now);
        if !self.hold_up(h, tag, &command, made) {
            self.bring(h, tag, command, made);
        }
    }

    /// Hands an entry to the leader; the answer comes as an event, or to the person who asked.
    pub(crate) fn propose_entry(&mut self, h: usize, request: Request, entry: Entry) {
        let is_a_persons = request.is_a_persons();
        let Some(ticket) = self.ticket(h, request) else { return };
        match self.leader_of(h) {
            Some(leader) if leader == h && self.hosts[h].room.refuses(is_a_persons) => {
                self.queue.push(self.now + 1, self.process_scope(h), self.not_sent(h, ticket));
            }
            None => self.queue.push(self.now + 1, self.process_scope(h), self.not_sent(h, ticket)),
            Some(leader) if leader == h => self.append(h, Some(entry), Some(ticket)),
            Some(leader) => self.send(h, leader, Message::Forward { ticket, is_a_persons, entry: Box::new(entry) }),
        }
    }

    fn not_sent(&self, h: usize, ticket: Ticket) -> What {
        What::Deliver {
            from: h,
            ids: (0, 0),
            message: Message::Forwarded { ticket, answer: Err(ProposeError::NotSent) },
        }
    }

    pub(crate) fn on_forward(&mut self, h: usize, from: usize, (ticket, is_a_persons): (Ticket, bool), entry: Entry) {
        let leads = self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.replica.role == Role::Leader);
        if leads && !self.hosts[h].room.refuses(is_a_persons) {
            self.append(h, Some(entry), Some(ticket));
        } else {
            self.send(h, from, Message::Forwarded { ticket, answer: Err(ProposeError::NotSent) });
        }
    }

    /// Answers a proposal from the member that led when it was applied.
    pub(crate) fn answer(&mut self, h: usize, ticket: Ticket, answer: Result<Outcome, ProposeError>) {
        if ticket.host == h {
            self.on_forwarded(h, ticket, answer);
        } else {
            self.send(h, ticket.host, Message::Forwarded { ticket, answer });
        }
    }

    pub(crate) fn on_forwarded(&mut self, h: usize, ticket: Ticket, answer: Result<Outcome, ProposeError>) {
        let Some(daemon) = self.hosts[h].daemon.as_mut().filter(|daemon| daemon.process == ticket.process) else {
            return;
        };
        match daemon.requests.remove(&ticket.request) {
            Some(Request::Propose(tag)) => {
                self.note_answer(h, tag, &answer);
                self.step(h, Event::Proposed(tag, answer));
            }
            Some(Request::Person(wish)) => self.person_answered(wish, answer),
            Some(Request::Errand) => {}
            Some(read @ Request::Read(..)) => {
                daemon.requests.insert(ticket.request, read);
            }
            None => {}
        }
    }

    pub(crate) fn request_timeout(&mut self, h: usize, number: u64) {
        let Some(daemon) = &mut self.hosts[h].daemon else { return };
        match daemon.requests.remove(&number) {
            Some(Request::Propose(tag)) => self.step(h, Event::Proposed(tag, Err(ProposeError::Unknown))),
            Some(Request::Person(wish)) => self.person_answered(wish, Err(ProposeError::Unknown)),
            Some(Request::Read(tag, _)) => self.step(h, Event::Read(tag, false)),
            Some(Request::Errand) | None => {}
        }
    }

    pub(crate) fn read(&mut self, h: usize, tag: Tag) {
        let Some(ticket) = self.ticket(h, Request::Read(tag, None)) else { return };
        match self.leader_of(h) {
            // The timeout answers.
            None => {}
            Some(leader) if leader == h => self.on_read_index(h, h, ticket),
            Some(leader) => self.send(h, leader, Message::ReadIndex { ticket }),
        }
    }

    pub(crate) fn on_read_index(&mut self, h: usize, from: usize, ticket: Ticket) {
        let ready = self.hosts[h].daemon.as_ref().is_some_and(|daemon| daemon.replica.is_ready());
        if !ready {
            return self.tell_index(h, from, ticket, None);
        }
        self.broadcast(h);
        if let Some(daemon) = &mut self.hosts[h].daemon {
            let read = LeaderRead { ticket, round: daemon.replica.round, index: daemon.replica.commit };
            daemon.replica.reads.push(read);
        }
        // The only voter needs nobody's answer.
        self.answer_reads(h);
    }

    /// Reads whose round a majority has answered.
    pub(crate) fn answer_reads(&mut self, h: usize) {
        let host = &mut self.hosts[h];
        let (own, members) = (host.disk.id, host.disk.members());
        let Some(daemon) = &mut host.daemon else { return };
        let replica = &mut daemon.replica;
        let followers = &replica.followers;
        let has = |id: Id, round: u64| id == own || followers.get(&id).is_some_and(|follower| follower.round >= round);
        let is_answered = |read: &LeaderRead| members.agree(|id| has(id, read.round));
        let (done, open): (Vec<_>, Vec<_>) = std::mem::take(&mut replica.reads).into_iter().partition(is_answered);
        replica.reads = open;
        for read in done {
            self.tell_index(h, read.ticket.host, read.ticket, Some(read.index));
        }
    }

    fn tell_index(&mut self, h: usize, to: usize, ticket: Ticket, index: Option<usize>) {
        if to == h {
            let what = What::Deliver { from: h, ids: (0, 0), message: Message::ReadIndexed { ticket, index } };
            self.queue.push(self.now, self.process_scope(h), what);
        } else {
            self.send(h, to, Message::ReadIndexed { ticket, index });
        }
    }

    pub(crate) fn on_read_indexed(&mut self, h: usize, ticket: Ticket, index: Option<usize>) {
        let Some(daemon) = self.hosts[h].daemon.as_mut().filter(|daemon| daemon.process == ticket.process) else {
            return;
        };
        match (daemon.requests.get_mut(&ticket.request), index) {
            (Some(Request::Read(_, wanted)), Some(index)) => {
                *wanted = Some(index);
                self.finish_reads(h);
            }
            (Some(Request::Read(tag, _)), None) => {
                let tag = *tag;
                daemon.requests.remove(&ticket.request);
                self.step(h, Event::Read(tag, false));
            }
            _ => {}
        }
    }

    /// Reads whose index this member has applied by now.
    pub(crate) fn finish_reads(&mut self, h: usize) {
        let Some(daemon) = &mut self.hosts[h].daemon else { return };
        let applied = daemon.replica.applied;
        let done: Vec<(u64, Tag)> = daemon
            .requests
            .iter()
            .filter_map(|(number, request)| match request {
                Request::Read(tag, Some(index)) if *index <= applied => Some((*number, *tag)),
                _ => None,
            })
            .collect();
        for (number, tag) in done {
            if let Some(daemon) = &mut self.hosts[h].daemon {
                daemon.requests.remove(&number);
                self.step(h, Event::Read(tag, true));
            }
        }
    }

    /// A leader that steps down can answer nobody: what it took may be applied yet.
    pub(crate) fn depose(&mut self, h: usize) {
        let Some(daemon) = &mut self.hosts[h].daemon else { return };
        let waiting = std::mem::take(&mut daemon.replica.waiting);
        let reads = std::mem::take(&mut daemon.replica.reads);
        for ticket in waiting.into_values() {
            self.answer(h, ticket, Err(ProposeError::Unknown));
        }
        for read in reads {
            self.tell_index(h, read.ticket.host, read.ticket, None);
        }
    }
}
