//! A leader that stands still after it judged and before that is in its log: others go on without it meanwhile, and whom
//! it judged may be back.

use crate::event::{Message, Request, What};
use crate::faults::Undo;
use crate::world::World;
use quorate_core::state::{Command, Entry, Verdict};
use quorate_core::time::{BootTime, Timestamp};
use quorate_node::engine::{ProposeError, Tag, append_by};

/// Of so many judgements in a thousand.
const CHANCE: u64 = 120;

impl World {
    /// Whether the command is held up before it is handed to the log: its host freezes, and what was wrong with the judged
    /// node ends.
    pub(crate) fn hold_up(&mut self, h: usize, tag: Tag, command: &Command, made: BootTime) -> bool {
        let Command::Judge { node, verdict: Verdict::Lost { .. }, .. } = command else { return false };
        if self.faults.over || !self.dice.chance(CHANCE) || !self.freeze(h) {
            return false;
        }
        self.counts.held_up += 1;
        self.trace(|world| format!("{} stands still between judging {node} and writing it", world.names[h]));
        let command = Box::new(command.clone());
        self.queue.push(self.now, self.process_scope(h), What::Bring { tag, command, made });
        self.later(500..=14_000, Undo::Thaw(h));
        if let Some(judged) = self.names.iter().position(|name| name == node) {
            self.later(100..=2000, Undo::Host(judged));
            self.later(100..=2000, Undo::Thaw(judged));
        }
        true
    }

    /// Hands a command of the engine's to the log: here and in time, or to whoever leads, as the engine says.
    pub(crate) fn bring(&mut self, h: usize, tag: Tag, command: Command, made: BootTime) {
        let is_late = append_by(&command, made).map(|by| self.hosts[h].clock(self.now) > by || !self.leads(h));
        let entry = Entry { at: Timestamp(0), request: None, command };
        match is_late {
            Some(true) => {
                let Some(ticket) = self.ticket(h, Request::Propose(tag)) else { return };
                let answer = Message::Forwarded { ticket, answer: Err(ProposeError::NotSent) };
                self.queue.push(
                    self.now + 1,
                    self.process_scope(h),
                    What::Deliver { from: h, ids: (0, 0), message: answer },
                );
            }
            Some(false) | None => self.propose_entry(h, Request::Propose(tag), entry),
        }
    }
}
