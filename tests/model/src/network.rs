//! Messages on their way, and which of them can be forgotten.
//!
//! A message may arrive at any time or never, so one that `apply` can never accept again is the same as
//! one that never arrives: forgetting it loses no behaviour and saves most of the state space. The
//! reasoning depends on the rules in force, and is left out where a rule it needs is out.

use crate::apply::apply;
use crate::message::{Kind, Message, Sender};
use crate::rules::{Rule, Rules};
use crate::state::{Log, Standing, State};

impl State {
    /// Puts a message on its way. False if it can have no effect, or is on its way already.
    pub fn send(&mut self, message: Message, rules: Rules) -> bool {
        if hopeless(&self.log, message, rules) {
            return false;
        }
        match self.network.binary_search(&message) {
            Ok(_) => false,
            Err(at) => {
                self.network.insert(at, message);
                true
            }
        }
    }

    /// Commits one entry, and forgets messages that this makes hopeless. False if it was refused or
    /// changes nothing: then it stays on its way, for a refused message is as good as a late one.
    pub fn commit(&mut self, entry: Message, rules: Rules) -> bool {
        let before = self.log.clone();
        if apply(&mut self.log, entry, rules).is_err() || self.log == before {
            return false;
        }
        self.network.retain(|other| *other != entry);
        self.forget_hopeless(rules);
        true
    }

    /// Drops every message that can never be accepted again.
    fn forget_hopeless(&mut self, rules: Rules) {
        let log = &self.log;
        self.network.retain(|message| !hopeless(log, *message, rules));
    }
}

/// Whether no later state of the log can accept this message.
fn hopeless(log: &Log, message: Message, rules: Rules) -> bool {
    if rules.keep_hopeless {
        return false;
    }
    match message {
        Message::Claim { from, resource, kind } => {
            let late_copy = match kind {
                Kind::Handover { number } => {
                    rules.on(Rule::IncomingNumber) && number < log.slot(resource, from.node).number
                }
                Kind::Start | Kind::Stop | Kind::Migrate { .. } => false,
            };
            late_copy || sender_is_past(log, from, rules)
        }
        Message::Result { from, resource, number, .. } | Message::Observation { from, resource, number, .. } => {
            let numbered = rules.on(Rule::OperationNumber);
            let late = numbered && number < log.slot(resource, from.node).number;
            // Its own hello, still to come, will raise the number.
            let early = numbered && rules.on(Rule::Incarnation) && log.member(from.node).incarnation != from.process;
            late || early || sender_is_past(log, from, rules)
        }
        Message::Hello { from, follows, hardware } => {
            let member = log.member(from.node);
            let followed = rules.on(Rule::Hello) && follows < member.incarnation;
            let ended = member.session == from.boot && member.standing == Standing::Ended;
            !crate::apply::hardware_counts(hardware, rules) || (order_holds(rules) && (followed || ended))
        }
        Message::PowerOff { target, session } => {
            let member = log.member(target);
            match session {
                None => rules.on(Rule::EarlyReading),
                Some(session) => {
                    let past = member.session != session || member.standing == Standing::Ended;
                    rules.on(Rule::Proofs) && order_holds(rules) && past
                }
            }
        }
        Message::ConfirmOff { target, session } => {
            let member = log.member(target);
            let past = member.session != session || member.standing == Standing::Ended;
            rules.on(Rule::ConfirmOff) && order_holds(rules) && past
        }
        Message::Lost { .. }
        | Message::Grant(_)
        | Message::Withdraw(_)
        | Message::Expire(_)
        | Message::CallOff { .. } => true,
    }
}

/// With these rules sessions and incarnations only go forward, and none ever comes back.
fn order_holds(rules: Rules) -> bool {
    rules.on(Rule::Hello) && rules.on(Rule::Pinned)
}

/// Whether a later session or incarnation was admitted, or the sender's session is over.
fn sender_is_past(log: &Log, from: Sender, rules: Rules) -> bool {
    if !order_holds(rules) {
        return false;
    }
    let member = log.member(from.node);
    let ended = from.boot == member.session && member.standing == Standing::Ended;
    (rules.on(Rule::Incarnation) && from.process < member.incarnation)
        || (rules.on(Rule::Session) && (from.boot < member.session || ended))
}
