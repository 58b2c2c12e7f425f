//! Steps the engine, and carries its effects out; every answer comes back as an event.
//!
//! One task owns the order of events. Effects run beside it, each with a deadline of its own, so that a slow BMC or a
//! hung hypervisor holds nothing else up.

use super::beats;
use super::clock::{boot_time, wall_clock};
use super::cluster::Cluster;
use super::executor::Executor;
use super::feeder::FeederLine;
use super::polls::Polls;
use super::power::{self, Power, Time};
use crate::engine::{Effect, Event, PowerAnswer, ProposeError, Tag, View, append_by};
use crate::seats;
use crate::service;
use quorate_core::config::Primitive;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ClusterState, Command, Entry, Outcome};
use quorate_core::time::{BootTime, millis};
use quorate_raft::{Importance, Status};
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often time passes for the engine.
const TICK: Duration = Duration::from_millis(50);
/// The same while nothing happens; each tick wakes a processor.
const CALM_TICK: Duration = Duration::from_millis(100);
/// A proposal of the engine's waits so long; then it is made anew from what is so by then.
const PROPOSE_DEADLINE: Duration = Duration::from_secs(5);
/// A majority that takes longer to confirm a leader has been asked again by then.
const ROUND_DEADLINE: Duration = Duration::from_secs(1);
/// Answers that wait for the engine; who has more to say waits.
const QUEUE: usize = 1024;

/// Why the driver returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The daemon was stopped in order.
    Stopped,
    /// The replica stopped: what is on disk is unknown, the process has to end.
    Replica(String),
}

/// The task that owns the engine.
pub struct Driver {
    cluster: Cluster,
    executor: Executor,
    power: Power,
    polls: Polls,
    feeder: FeederLine,
    events: mpsc::Receiver<Event>,
    sender: mpsc::Sender<Event>,
}

impl Driver {
    /// A driver and the way to tell it of events.
    pub fn new(cluster: Cluster, executor: Executor, power: Power, feeder: PathBuf) -> (Self, mpsc::Sender<Event>) {
        let (sender, events) = mpsc::channel(QUEUE);
        let polls = Polls::new(cluster.clone(), sender.clone());
        let feeder = FeederLine::keep(feeder, sender.clone(), cluster.disks.clone());
        (Self { cluster, executor, power, polls, feeder, events, sender: sender.clone() }, sender)
    }

    /// Runs until the daemon is to stop.
    pub async fn run(mut self) -> Ended {
        let mut status = self.cluster.replica.status();
        let mut applied = self.cluster.replica.applied();
        let mut stood = standing(&status);
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                Some(event) = self.events.recv() => event,
                Ok(()) = applied.changed() => Event::Applied,
                changed = status.changed() => match changed {
                    Ok(()) => {
                        // How far logs have come wakes nobody here: what was applied is told by itself.
                        let stands = standing(&status);
                        if stands == stood {
                            continue;
                        }
                        stood = stands;
                        Event::Applied
                    }
                    Err(_) => return Ended::Replica("the replica is gone".to_owned()),
                },
                _ = tick.tick() => Event::Tick,
            };
            if let Some(why) = stopped(&status) {
                return Ended::Replica(why);
            }
            let now = boot_time();
            let is_tick = matches!(event, Event::Tick);
            for effect in self.step(now, &status, event) {
                if effect == Effect::Stopped {
                    return Ended::Stopped;
                }
                self.carry_out(now, effect);
            }
            if is_tick && self.cluster.engine().is_calm(now) {
                tick.reset_after(CALM_TICK);
            }
        }
    }

    fn step(&self, now: BootTime, status: &watch::Receiver<Status>, event: Event) -> Vec<Effect> {
        let (leader, is_leader, term, voters) = {
            let status = status.borrow();
            let voters = status.members.iter().filter(|(_, member)| member.voter);
            let voters: Vec<(u64, String)> = voters.map(|(id, member)| (*id, member.node.name.clone())).collect();
            (status.leader, status.established, status.term, voters)
        };
        self.cluster.state(|state| {
            let voters = seats::names(state, voters.iter().map(|(id, name)| (*id, name.as_str())));
            let leader: Option<&NodeId> = leader
                .and_then(|id| state.members.values().find(|member| member.raft_id.0 == id))
                .map(|member| &member.name);
            let view = View { state, leader, is_leader, term, voters: &voters, wall: wall_clock() };
            self.cluster.engine().step(now, view, event)
        })
    }

    /// `now`: what the engine took for it when it wanted this.
    fn carry_out(&mut self, now: BootTime, effect: Effect) {
        match effect {
            Effect::Propose(tag, command) => self.propose(now, tag, command),
            Effect::Read(tag) => {
                let cluster = self.cluster.clone();
                self.answer(async move { Event::Read(tag, cluster.fresh().await.is_ok()) });
            }
            Effect::Poll(node, question) => self.polls.poll(node, question),
            Effect::Power { tag, device, definition, target, verb, timeout } => {
                let power = self.power.clone();
                // send-by: counted from the step, however late the task comes to run.
                let time = Time { send_by: now.after(timeout), timeout };
                let member = self.cluster.state(|state| state.members.get(&target).cloned());
                self.answer(async move {
                    let answer = match &member {
                        Some(member) => power.ask(tag, &device, &definition, member, verb, time).await,
                        None => PowerAnswer { result: Err(format!("{target} is no member")), sent: false },
                    };
                    Event::Power(tag, answer)
                });
            }
            sensors @ Effect::Sensors { .. } => self.read_sensors(sensors),
            pill @ Effect::Pill { .. } => self.pill(now, pill),
            Effect::TakeInventory(known) => {
                let executor = self.executor.clone();
                self.answer(async move { Event::Inventory(executor.inventory(known).await) });
            }
            Effect::Execute(job) => {
                let (executor, sender) = (self.executor.clone(), self.sender.clone());
                // How far something is may be lost: it is told again.
                let tell = move |event| _ = sender.try_send(event);
                self.answer(async move { executor.execute(*job, tell).await });
            }
            Effect::CallOff(tag) => {
                let executor = self.executor.clone();
                tokio::spawn(async move { executor.call_off(tag).await });
            }
            Effect::Resume(tag) => {
                let executor = self.executor.clone();
                self.answer(async move { executor.resume(tag).await });
            }
            Effect::Discard(tag, why) => {
                let executor = self.executor.clone();
                self.answer(async move { Event::Executed(tag, executor.discard(tag, why).await) });
            }
            Effect::Look(job) => {
                let executor = self.executor.clone();
                self.answer(async move { Event::Looked(job.tag, executor.look(&job).await) });
            }
            Effect::HandOver { to, why } => {
                tracing::warn!(%to, why, "another voter is asked to lead");
                let cluster = self.cluster.clone();
                tokio::spawn(async move {
                    // Offered again later, where nothing comes of it.
                    if let Err(error) = service::hand_over_to(&cluster, &to).await {
                        tracing::warn!(%to, %error, "it cannot be asked");
                    }
                });
            }
            Effect::SelfFence(why) => {
                let executor = self.executor.clone();
                // A daemon that has just started has spoken of none yet.
                self.cluster.state(|state| executor.know(definitions(state)));
                tokio::spawn(async move { executor.self_fence(&why).await });
            }
            Effect::Abandon(why) => {
                let executor = self.executor.clone();
                self.cluster.state(|state| executor.know(definitions(state)));
                tokio::spawn(async move { executor.abandon(&why).await });
            }
            beat @ (Effect::Beat | Effect::Round(_) | Effect::Answer(..) | Effect::Feeder(_)) => self.beat(beat),
            // The loop sees it before it comes here.
            Effect::Stopped => {}
        }
    }

    /// Has the BMC of a member asked what its sensors say.
    fn read_sensors(&self, effect: Effect) {
        let Effect::Sensors { tag, device, definition, target, timeout } = effect else { return };
        let power = self.power.clone();
        let member = self.cluster.state(|state| state.members.get(&target).cloned());
        self.answer(async move {
            let read = match &member {
                Some(member) => power.sensors(tag, &device, &definition, member, timeout).await,
                None => Err(format!("{target} is no member")),
            };
            Event::Sensors(tag, read)
        });
    }

    fn pill(&self, now: BootTime, effect: Effect) {
        let Effect::Pill { tag, target, pill, verb, timeout } = effect else { return };
        let from = self.cluster.me.node.clone();
        // send-by: counted from the step, however late the task comes to run.
        let time = Time { send_by: now.after(timeout), timeout };
        self.answer(async move { Event::Power(tag, power::pill(&from, &target, &pill, verb, time).await) });
    }

    /// What has to do with watchdogs.
    fn beat(&self, effect: Effect) {
        match effect {
            Effect::Beat => {
                let (cluster, sender) = (self.cluster.clone(), self.sender.clone());
                tokio::spawn(async move {
                    if let Some(event) = beats::beat(&cluster).await {
                        // Nobody listens any more when the daemon stops.
                        let _ = sender.send(event).await;
                    }
                });
            }
            Effect::Round(tag) => {
                let replica = self.cluster.replica.clone();
                // By this member alone: that another one leads is no answer.
                self.answer(async move { Event::Read(tag, replica.linearizable_read(ROUND_DEADLINE).await.is_ok()) });
            }
            Effect::Answer(ticket, may_feed) => self.cluster.beats.answer(ticket, may_feed),
            Effect::Feeder(order) => self.feeder.tell(order),
            _ => {}
        }
    }

    fn propose(&self, made: BootTime, tag: Tag, command: Command) {
        let cluster = self.cluster.clone();
        self.answer(async move { Event::Proposed(tag, bring(&cluster, made, command).await) });
    }

    fn answer(&self, work: impl Future<Output = Event> + Send + 'static) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let event = work.await;
            // Nobody listens any more when the daemon stops.
            let _ = sender.send(event).await;
        });
    }
}

/// Brings a command of the engine's into the log, in time or not at all.
pub(crate) async fn bring(cluster: &Cluster, made: BootTime, command: Command) -> Result<Outcome, ProposeError> {
    // A plan is made anew when it is shed; what is known of the world must not be.
    let importance = if matches!(command, Command::Plan { .. }) { Importance::Planned } else { Importance::Vital };
    let by = append_by(&command, made);
    let entry = Entry { at: wall_clock(), request: None, command };
    let answer = match by {
        Some(by) if boot_time() > by => {
            tracing::warn!(late_ms = millis(boot_time().since(made)), "what was judged before a standstill is dropped");
            return Err(ProposeError::NotSent);
        }
        Some(_) => cluster.replica.propose(importance, &entry).await,
        None => cluster.replica.propose_anywhere(importance, &entry, PROPOSE_DEADLINE).await,
    };
    match answer {
        Ok((index, outcome)) => {
            cluster.applied(index).await;
            Ok(outcome)
        }
        Err(error) if error.is_unknown() => Err(ProposeError::Unknown),
        Err(_) => Err(ProposeError::NotSent),
    }
}

/// What the engine is shown of a status; whether this replica runs is looked at with it.
fn standing(status: &watch::Receiver<Status>) -> (Option<u64>, bool, u64, Option<u64>, bool) {
    let status = status.borrow();
    (status.leader, status.established, status.term, status.membership_index, status.stopped.is_some())
}

fn stopped(status: &watch::Receiver<Status>) -> Option<String> {
    status.borrow().stopped.clone()
}

/// Every VM that this host may have: what is configured, and what was started with another definition.
pub(super) fn definitions(state: &ClusterState) -> impl Iterator<Item = (&ResourceId, &Primitive)> {
    let configured = state.config.primitives.iter().filter(|(_, primitive)| !primitive.is_fence_device());
    let started = state
        .resources
        .iter()
        .flat_map(|(id, nodes)| nodes.values().filter_map(move |activity| Some((id, activity.definition.as_ref()?))));
    configured.chain(started)
}
