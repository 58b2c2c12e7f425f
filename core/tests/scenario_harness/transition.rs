//! What the scheduler answers to a scenario's CIB, as `qrm simulate --cib` shows it: steps, their order, and what is where.

use super::cib::Cib;
use super::world::World;
use quorate_core::cib;
use quorate_core::scheduler::{Outcome, Step, schedule};
use std::collections::BTreeMap;

impl World {
    pub(super) fn take_cib(&mut self, is_more: bool, body: &str) -> Result<(), String> {
        if !is_more {
            self.cib = Cib::default();
        }
        body.lines().try_for_each(|line| self.cib.take(line))
    }

    fn scheduled(&self) -> Result<Outcome, String> {
        let model = cib::read(&self.cib.xml(), None, self.cib.now()).map_err(|error| error.to_string())?;
        Ok(schedule(model))
    }

    /// `2  start b n1  after 1`, then `b  n1 Started`.
    pub(super) fn transition(&mut self) -> Result<(), String> {
        let outcome = self.scheduled()?;
        let sorted = sorted(&outcome);
        for (line, (place, step)) in sorted.iter().enumerate() {
            let mut after: Vec<usize> = outcome
                .order
                .iter()
                .filter(|(_, then)| then == place)
                .filter_map(|(first, _)| sorted.iter().position(|(place, _)| place == first))
                .map(|line| line + 1)
                .collect();
            after.sort_unstable();
            after.dedup();
            let after: Vec<String> = after.iter().map(ToString::to_string).collect();
            let after = if after.is_empty() { String::new() } else { format!("  after {}", after.join(" ")) };
            self.say(format!("{}  {}{after}", line + 1, words(step)));
        }
        if outcome.steps.is_empty() {
            self.say("idle");
        }
        let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for done in &outcome.after {
            let base = done.resource.split(':').next().unwrap_or_default();
            let on = done.on.iter().map(|(node, role)| match format!("{role:?}").as_str() {
                "Started" => node.clone(),
                role => format!("{node}({role})"),
            });
            places.entry(base).or_default().extend(on);
        }
        for (resource, mut on) in places {
            on.sort();
            let on = if on.is_empty() { "nowhere".to_owned() } else { on.join(" ") };
            self.say(format!("{resource} on {on}"));
        }
        outcome.warnings.iter().for_each(|warning| self.say(format!("warning {warning}")));
        Ok(())
    }

    /// Every action carries its cause.
    pub(super) fn reasons(&mut self) -> Result<(), String> {
        let outcome = self.scheduled()?;
        for (_, step) in sorted(&outcome) {
            let fence = outcome.fenced.get(&step.node).filter(|_| step.op == "fence");
            let reason = fence.map_or(step.reason.as_str(), String::as_str);
            self.say(format!("{}: {reason}", words(step)));
        }
        Ok(())
    }

    /// What a CIB that cannot be taken is answered.
    pub(super) fn refusal(&mut self) {
        match cib::read(&self.cib.xml(), None, self.cib.now()) {
            Ok(_) => self.say("it is taken"),
            Err(error) => error.problems.iter().for_each(|problem| self.say(format!("no: {}", problem.text))),
        }
    }
}

/// By the order of what is done, then by name: places in the plan with their steps.
fn sorted(outcome: &Outcome) -> Vec<(usize, &Step)> {
    let mut left: Vec<(usize, &Step)> = outcome.steps.iter().enumerate().collect();
    left.sort_by_key(|(_, step)| words(step));
    let mut done: Vec<(usize, &Step)> = Vec::new();
    while !left.is_empty() {
        let waits = |place: usize, left: &[(usize, &Step)]| {
            outcome.order.iter().any(|(first, then)| *then == place && left.iter().any(|(other, _)| other == first))
        };
        let next = (0..left.len()).find(|at| !waits(left[*at].0, &left)).unwrap_or(0);
        done.push(left.remove(next));
    }
    done
}

fn words(step: &Step) -> String {
    [step.op, &step.base, &step.node].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
