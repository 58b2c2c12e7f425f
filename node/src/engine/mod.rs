//! The engine: one member's controller, worker and liveness without any IO.
//!
//! `step(now, view, event) -> effects`. It reads no clock and does nothing itself, so that what ships and what is
//! simulated are the same code. Nothing in here is trusted for safety where `apply` can check it.

mod breathing;
mod controller;
mod drill;
mod event;
mod fencing;
mod hand_over;
mod judge;
mod liveness;
mod majority;
mod migration;
mod monitor;
mod operations;
mod overdue;
mod pill;
mod polls;
mod power_on;
mod schedule;
mod sensors;
#[cfg(test)]
mod tests;
mod unfence;
mod watchdog;
mod watchdog_wait;
mod worker;

pub use event::{
    Drilled, Effect, Event, Executed, FirstHand, Job, Known, Me, PowerAnswer, PowerVerb, Presence, ProposeError,
    Question, SensorReport, Tag, Target, View,
};
pub use judge::append_by;
pub use polls::POLL_EVERY;

use quorate_core::id::{ActionId, Incarnation, NodeId, ResourceId, SessionId};
use quorate_core::planner::Report;
use quorate_core::state::{Command, Outcome, Speaker};
use quorate_core::time::BootTime;
use quorate_core::view::Progress;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a proposal was for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    Hello,
    Plan,
    /// Preferences that have ended.
    Ends,
    /// What instances of clones are to be told.
    Notices,
    Wake,
    Judge(NodeId),
    Fence(NodeId),
    Grant {
        target: NodeId,
        session: SessionId,
        asked: BootTime,
        lasts: Duration,
        devices: Vec<ResourceId>,
    },
    FenceResult(NodeId),
    FenceSettle(NodeId),
    PowerOn(NodeId),
    Unfence,
    Sensors(ResourceId, NodeId),
    Drilled(ResourceId, NodeId),
    Majority,
    Claim(ActionId),
    Result(ResourceId),
    Observe(ResourceId),
    GoAway,
    Goodbye,
    Breathes(NodeId),
    Overdue(ResourceId, NodeId),
    Arm,
    Disarm,
    Waited(NodeId),
}

impl Purpose {
    /// The controller waits for the answer before it plans again.
    fn is_the_controllers(&self) -> bool {
        matches!(self, Self::Plan | Self::Fence(_) | Self::Ends | Self::Notices)
    }
}

/// One member.
#[derive(Debug)]
pub struct Engine {
    me: Me,
    incarnation: Incarnation,
    next_tag: u64,
    proposals: BTreeMap<Tag, Purpose>,
    /// When each of them was made.
    asked_at: BTreeMap<Tag, BootTime>,
    liveness: liveness::Liveness,
    majority: majority::Majority,
    hand_over: hand_over::HandOver,
    breathing: breathing::Breathing,
    judge: judge::Judge,
    overdue: overdue::Overdue,
    fencing: fencing::Fencing,
    controller: controller::Controller,
    worker: worker::Worker,
    watchdog: watchdog::Watchdog,
    sensors: sensors::Sensors,
}

fn asked_for<T>(mut all: BTreeMap<NodeId, T>, question: &Question) -> BTreeMap<NodeId, T> {
    all.retain(|node, _| question.is_about(node));
    all
}

/// It was refused, or could not be brought into the log at all.
fn is_unwritten(answer: &Result<Outcome, ProposeError>) -> bool {
    matches!(answer, Ok(Outcome::Refused(_)) | Err(ProposeError::NotSent))
}

/// What one step works with.
struct Ctx<'a> {
    now: BootTime,
    view: View<'a>,
    me: &'a Me,
    incarnation: Incarnation,
    next_tag: &'a mut u64,
    proposals: &'a mut BTreeMap<Tag, Purpose>,
    asked_at: &'a mut BTreeMap<Tag, BootTime>,
    /// This host's watchdog is open: it has to be disarmed before the daemon goes in order.
    bites: bool,
    out: &'a mut Vec<Effect>,
}

impl Ctx<'_> {
    fn tag(&mut self) -> Tag {
        *self.next_tag += 1;
        Tag(*self.next_tag)
    }

    fn propose(&mut self, purpose: Purpose, command: Command) {
        let tag = self.tag();
        self.proposals.insert(tag, purpose);
        self.asked_at.insert(tag, self.now);
        self.out.push(Effect::Propose(tag, command));
    }

    /// What an answered proposal was for.
    fn take(&mut self, tag: Tag) -> Option<Purpose> {
        self.asked_at.remove(&tag);
        self.proposals.remove(&tag)
    }

    fn speaker(&self) -> Speaker {
        Speaker { node: self.me.node.clone(), session: self.me.session.clone(), incarnation: self.incarnation }
    }

    fn is_pending(&self, fits: impl Fn(&Purpose) -> bool) -> bool {
        self.proposals.values().any(fits)
    }
}

impl Engine {
    /// A daemon that has just started, in this boot of its host.
    pub fn new(me: Me, now: BootTime) -> Self {
        Self {
            liveness: liveness::Liveness::new(now),
            me,
            incarnation: Incarnation(0),
            next_tag: 0,
            proposals: BTreeMap::new(),
            asked_at: BTreeMap::new(),
            majority: majority::Majority::new(now),
            hand_over: hand_over::HandOver::default(),
            breathing: breathing::Breathing::default(),
            judge: judge::Judge::default(),
            overdue: overdue::Overdue::default(),
            fencing: fencing::Fencing::default(),
            controller: controller::Controller::default(),
            worker: worker::Worker::default(),
            watchdog: watchdog::Watchdog::default(),
            sensors: sensors::Sensors::default(),
        }
    }

    /// What the planner last said of what is blocked; empty on a member that does not lead.
    pub fn report(&self) -> &Report {
        self.controller.report()
    }

    /// The daemon start that was granted, zero before.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// That this member was removed, in the words of whoever told it.
    pub fn cast_out(&self) -> Option<&str> {
        self.worker.is_cast_out()
    }

    /// The answer to a poll.
    pub fn presence(&self, now: BootTime, question: &Question) -> Presence {
        Presence {
            node: self.me.node.clone(),
            session: self.me.session.clone(),
            incarnation: self.incarnation,
            silence: asked_for(self.liveness.silences(now), question),
            asking: asked_for(self.liveness.asking(now), question),
            refused: asked_for(self.liveness.refusals(now), question),
            boots: asked_for(self.liveness.boots(), question),
            migrations: self.worker.migrations(),
            first_hand: question.first_hand.then(|| self.own_hand(now)),
        }
    }

    /// For how long each member that this one asks has not been heard here.
    pub fn silences(&self, now: BootTime) -> BTreeMap<NodeId, Duration> {
        self.liveness.silences(now)
    }

    /// Nobody is silent and nothing is on its way: time may pass at leisure until that changes.
    pub fn is_calm(&self, now: BootTime) -> bool {
        self.proposals.is_empty() && self.liveness.hears_all(now)
    }

    /// How far every migration is that is known of: those sent from here, and those that others tell of.
    pub fn migrations(&self) -> BTreeMap<ResourceId, Progress> {
        let mut all = self.liveness.migrations();
        all.extend(self.worker.migrations());
        all
    }

    /// What each host that is heard says of itself, this one included.
    pub fn first_hand(&self, now: BootTime) -> BTreeMap<NodeId, FirstHand> {
        let mut all = self.liveness.first_hand(now);
        all.insert(self.me.node.clone(), self.own_hand(now));
        all
    }

    fn own_hand(&self, now: BootTime) -> FirstHand {
        let mut drills = self.fencing.drilled(now);
        for drill in &mut drills {
            drill.sensors = self.sensors.told(now, &(drill.device.clone(), drill.node.clone()));
        }
        FirstHand { drills, ..self.worker.first_hand() }
    }

    /// Which members hear this session now, by their own word or ours; for what a person confirms.
    pub fn hearers(&self, node: &NodeId, session: &SessionId, now: BootTime) -> Vec<NodeId> {
        self.liveness.hearers(&self.me.node, node, session, now)
    }

    /// power restore: silent nodes that this leader still waits for, and for how long.
    pub fn waits(&self, now: BootTime) -> BTreeMap<NodeId, Duration> {
        self.judge.waits(now)
    }

    /// The device that last read this node's power as on, if the last reading here said so.
    pub fn reads_on(&self, node: &NodeId) -> Option<&ResourceId> {
        self.fencing.reads_on(node)
    }

    /// The last error of each fence device that was asked here.
    pub fn device_errors(&self) -> &BTreeMap<ResourceId, String> {
        self.fencing.device_errors()
    }

    /// Takes one event; what it answers is to be done in this order.
    pub fn step(&mut self, now: BootTime, view: View<'_>, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        self.liveness.wake(now);
        let mut ctx = Ctx {
            now,
            view,
            me: &self.me,
            incarnation: self.incarnation,
            next_tag: &mut self.next_tag,
            proposals: &mut self.proposals,
            asked_at: &mut self.asked_at,
            bites: self.watchdog.is_open(),
            out: &mut out,
        };
        match event {
            Event::Tick => {
                self.liveness.tick(&mut ctx);
                self.majority.tick(&mut ctx, &mut self.liveness);
                self.worker.tick(&mut ctx);
                self.fencing.repeat(&mut ctx);
                self.overdue.tick(&mut ctx);
                self.sensors.tick(&mut ctx);
            }
            poll @ (Event::Heard { .. } | Event::NotHeard { .. }) => self.liveness.polled(now, poll),
            Event::Proposed(tag, answer) => {
                if let Some(purpose) = ctx.take(tag) {
                    match (&purpose, &answer) {
                        (Purpose::Hello, Ok(Outcome::Welcome(incarnation))) => {
                            (self.incarnation, ctx.incarnation) = (*incarnation, *incarnation);
                            self.worker.welcomed();
                        }
                        (of, Ok(Outcome::FenceGranted(n))) => self.fencing.granted(&mut ctx, of, *n),
                        (of, _) if of.is_the_controllers() => self.controller.answered(),
                        (Purpose::Disarm, Ok(Outcome::Done)) => self.watchdog.disarmed(),
                        (Purpose::FenceResult(target), answer) => self.fencing.reported(target, answer),
                        (Purpose::Judge(of) | Purpose::Grant { target: of, .. }, said) if is_unwritten(said) => {
                            self.judge.unwritten(now, of, said.is_ok());
                        }
                        _ => self.worker.answered(&mut ctx, &purpose, &answer),
                    }
                }
            }
            Event::Read(tag, fresh) => {
                self.fencing.read(&mut ctx, tag, fresh);
                self.watchdog.read(&mut ctx, tag, fresh);
                self.worker.read(&mut ctx, tag, fresh);
            }
            Event::Power(tag, answer) if !self.watchdog.power(&mut ctx, tag, &answer) => {
                self.judge.power(now, tag, &answer);
                self.fencing.power(&mut ctx, tag, &answer);
            }
            Event::Sensors(tag, answer) => self.sensors.read(&mut ctx, tag, answer),
            seen @ (Event::Inventory(_) | Event::Surveyed { .. }) => self.worker.saw(&mut ctx, seen),
            Event::Prepared(tag) => self.worker.prepared(&mut ctx, tag),
            sent @ (Event::Gone(..) | Event::Progress(..)) => self.worker.sent(&mut ctx, &sent),
            done @ (Event::Executed(..) | Event::Reloads(..)) => self.worker.executed(&mut ctx, done),
            Event::Looked(tag, executed) => self.worker.looked(&mut ctx, tag, executed),
            Event::Changed(resource) => self.worker.changed(&mut ctx, &resource),
            Event::Applied | Event::Power(..) => {}
            end @ (Event::CastOut(_) | Event::Stopping) => self.worker.end(&mut ctx, end),
            beat @ (Event::Beat { .. } | Event::Answered(_) | Event::Feeder(_)) => self.watchdog.take(&mut ctx, beat),
        }
        self.liveness.lead(now, &ctx.view, &ctx.me.node);
        self.breathing.look(&mut ctx, &self.liveness);
        self.watchdog.act(&mut ctx, self.worker.stage());
        self.worker.act(&mut ctx);
        self.fencing.drive(&mut ctx, &self.liveness);
        // A leader that was not welcomed yet, or cannot be, judges and plans all the same: `apply` checks.
        self.hand_over.drive(&mut ctx, &self.liveness);
        self.judge.act(&mut ctx, &self.liveness, &self.majority);
        self.controller.act(&mut ctx);
        out
    }
}
