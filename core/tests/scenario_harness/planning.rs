//! The controller's part: what is planned goes into the log, and is carried out with success.

use super::show::action_line;
use super::world::World;
use quorate_core::id::{ActionId, NodeId};
use quorate_core::planner::{Plan, plan};
use quorate_core::state::{Action, ActionKind, Command, Outcome};
use std::collections::BTreeSet;

/// A plan that is not at rest after so many steps never will be.
const MOST_STEPS: usize = 300;

impl World {
    /// Plans once, and says everything that is under way or blocked after it.
    pub(super) fn plan(&mut self) -> Result<(), String> {
        let mut plan = self.propose();
        // What instances are told is prepared at once.
        for _ in 0..MOST_STEPS {
            if plan.notices.is_empty() {
                break;
            }
            plan = self.propose();
        }
        for id in &plan.cancel {
            self.say(format!("cancel {}", id.0 + 1));
        }
        let fences: Vec<String> = self
            .state
            .intents
            .iter()
            .map(|(node, intent)| match intent.tries {
                0 => format!("fence {node}"),
                tries => format!("fence {node}  tries {tries}"),
            })
            .collect();
        let actions: Vec<String> = self.state.actions.values().map(|action| action_line(&self.state, action)).collect();
        let before = fences.len() + actions.len() + plan.cancel.len();
        fences.into_iter().chain(actions).for_each(|line| self.say(line));
        let blocked = self.say_blocked(&plan);
        if before + blocked == 0 {
            self.say("idle");
        }
        Ok(())
    }

    fn propose(&mut self) -> Plan {
        let plan = plan(&self.state);
        for fence in plan.fence.clone() {
            self.tell(Command::Fence {
                target: fence.target,
                session: fence.session,
                cause: fence.cause,
                action: None,
            });
        }
        if !plan.add.is_empty() || !plan.cancel.is_empty() {
            self.tell(Command::Plan { cancel: plan.cancel.clone(), add: plan.add.clone() });
            let all = self.state.actions.iter().map(|(id, action)| (*id, action.clone()));
            self.planned.extend(all);
        }
        if !plan.notices.is_empty() {
            self.tell(Command::Notices(plan.notices.clone()));
        }
        if !plan.ended.is_empty() {
            self.tell(Command::EndPreferences(plan.ended.clone()));
        }
        plan
    }

    /// The leader wakes when something is due, and not before.
    pub(super) fn wake(&mut self) -> Result<(), String> {
        match plan(&self.state).wake {
            Some(at) if at.0 <= self.clock => {
                self.tell(Command::Wake);
            }
            Some(at) => self.say(format!("due in {} s", (at.0 - self.clock).div_ceil(1000))),
            None => self.say("nothing is due"),
        }
        Ok(())
    }

    fn say_blocked(&mut self, plan: &Plan) -> usize {
        let blocked: BTreeSet<String> = plan
            .report
            .blocked
            .iter()
            .map(|blocked| match blocked.mend {
                Some(_) => format!("blocked {}  until a person mends it", blocked.resource),
                None => format!("blocked {}", blocked.resource),
            })
            .collect();
        let count = blocked.len();
        blocked.into_iter().for_each(|line| self.say(line));
        count
    }

    /// Plans and carries out with success until nothing is left to do; says what was done, in its order.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        let steps = self.come_to_rest()?;
        let plan = plan(&self.state);
        let is_silent = steps.is_empty();
        steps.into_iter().for_each(|line| self.say(line));
        if self.say_blocked(&plan) == 0 && is_silent {
            self.say("idle");
        }
        Ok(())
    }

    /// The steps that it took.
    pub(crate) fn come_to_rest(&mut self) -> Result<Vec<String>, String> {
        let mut steps = Vec::new();
        let mut stuck = BTreeSet::new();
        let mut refused = BTreeSet::new();
        for _ in 0..2 * MOST_STEPS {
            let moved = !self.propose().is_idle();
            if self.pace.is_some() && self.claim_next(&mut refused) {
                continue;
            }
            if let Some(step) = self.fence_next(&mut stuck).or_else(|| self.act_next(&mut refused)) {
                steps.push(step);
            } else if !moved {
                return Ok(steps);
            }
        }
        Err(format!("the plan never came to rest: … {}", steps[steps.len().saturating_sub(8)..].join(", ")))
    }

    fn fence_next(&mut self, stuck: &mut BTreeSet<NodeId>) -> Option<String> {
        if !self.state.properties().stonith_enabled {
            return None;
        }
        let is_alive = |node: &NodeId| self.state.nodes.get(node).is_some_and(|state| state.living_session().is_some());
        let wanted =
            |node: &&NodeId| is_alive(node) && !stuck.contains(*node) && !self.state.fence_levels(node).is_empty();
        let target = self.state.intents.keys().find(wanted)?.clone();
        stuck.insert(target.clone());
        self.fence(&target, "verified", &[]).ok()?;
        (!is_living(self, &target)).then(|| format!("fence {target}"))
    }

    /// Begins what waits for nothing, and may be in the middle of it when the next plan is made.
    fn claim_next(&mut self, refused: &mut BTreeSet<ActionId>) -> bool {
        let begun: BTreeSet<ActionId> = self.state.actions.values().filter(|it| it.claimed).map(|it| it.id).collect();
        let done: BTreeSet<ActionId> = refused.union(&begun).copied().collect();
        let Some(action) = self.ready(&done) else { return false };
        if self.claim(action.id, &[]).is_err() || !matches!(self.last, Some(Outcome::Granted(_))) {
            refused.insert(action.id);
        }
        true
    }

    fn act_next(&mut self, refused: &mut BTreeSet<ActionId>) -> Option<String> {
        while let Some(action) = self.ready(refused) {
            let told = self.told(&action.resource, &action.node).filter(|_| action.kind == ActionKind::Notify);
            let told = told.map(|told| format!("  {told}")).unwrap_or_default();
            let result = self.result(action.id, "ok", &[]);
            if result.is_ok() && self.last == Some(Outcome::Done) {
                return Some(format!("{} {} {}{told}", action.kind.word(), action.resource, action.node));
            }
            refused.insert(action.id);
        }
        None
    }

    fn ready(&mut self, refused: &BTreeSet<ActionId>) -> Option<Action> {
        let actions = &self.state.actions;
        let waits = |after: &[ActionId]| after.iter().any(|before| actions.contains_key(before));
        let can = |node: &NodeId| self.state.nodes.get(node).is_some_and(|state| state.is_online());
        let fits = |action: &&Action| !waits(&action.after) && can(&action.node) && !refused.contains(&action.id);
        let Some(pace) = &mut self.pace else { return actions.values().find(fits).cloned() };
        // Knuth's generator, whose upper bits are good.
        *pace = pace.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let fitting: Vec<&Action> = actions.values().filter(fits).collect();
        let place = usize::try_from(*pace >> 33).ok()?.checked_rem(fitting.len())?;
        fitting.get(place).map(|action| (*action).clone())
    }
}

fn is_living(world: &World, node: &NodeId) -> bool {
    world.state.nodes.get(node).is_some_and(|state| state.living_session().is_some())
}
