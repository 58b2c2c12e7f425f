//! Watchdogs: armed, disarmed, and waited for.

use super::verbs::time;
use super::world::{World, number, option};
use quorate_core::config::Primitive;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{Command, GonePill};
use quorate_core::watchdog::Terms;
use std::time::Duration;

const TERMS: Terms =
    Terms { timeout: Duration::from_secs(10), window: Duration::from_secs(5), grace: Duration::from_secs(35) };

impl World {
    pub(super) fn of_a_watchdog(&mut self, words: &[&str]) -> Option<Result<(), String>> {
        Some(match *words {
            ["arm", node, ref rest @ ..] => self.arm(&node.into(), rest),
            ["disarm", node] => self.disarm(&node.into()),
            ["waited", node, how_long, ref rest @ ..] => {
                time(how_long).and_then(|how_long| self.waited(&node.into(), how_long, rest))
            }
            ["pill-gone", node, note] => self.pill_gone(&node.into(), note),
            _ => return None,
        })
    }

    fn turn(&self, node: &NodeId, rest: &[&str]) -> Result<u64, String> {
        let known = self.state.nodes.get(node).map(|state| state.dog.turn).unwrap_or_default();
        Ok(number(rest, "turn")?.unwrap_or(known))
    }

    /// With the configured device, unless another is named; `reset`: it was what reset this host.
    fn arm(&mut self, node: &NodeId, rest: &[&str]) -> Result<(), String> {
        let configured = self.state.watchdog(node).cloned().unwrap_or_else(|| ResourceId::from("none"));
        let disks = self.state.config.primitives.get(&configured).map(Primitive::pill_disks).unwrap_or_default();
        let grace = number(rest, "grace")?.map_or(TERMS.grace, Duration::from_secs);
        self.tell(Command::Arm {
            speaker: self.speaker(node)?,
            follows: self.turn(node, rest)?,
            device: option(rest, "with").map_or(configured, ResourceId::from),
            identity: option(rest, "identity").unwrap_or("i6300ESB").to_owned(),
            was_reset: rest.contains(&"reset"),
            terms: Terms { grace, ..TERMS },
            disks,
            opening: String::new(),
        });
        Ok(())
    }

    fn disarm(&mut self, node: &NodeId) -> Result<(), String> {
        let speaker = self.speaker(node)?;
        self.tell(Command::Disarm(speaker));
        Ok(())
    }

    /// Said by the first that takes part.
    fn pill_gone(&mut self, node: &NodeId, note: &str) -> Result<(), String> {
        let by = self.state.online().map(|(node, _)| node.clone()).find(|other| other != node).ok_or("nobody looks")?;
        let (speaker, session) = (self.speaker(&by)?, self.session(node)?);
        self.tell(Command::PillGone(GonePill { speaker, target: node.clone(), session, note: note.to_owned() }));
        Ok(())
    }

    /// By the one that is named, else the first that takes part.
    fn waited(&mut self, node: &NodeId, how_long: u64, rest: &[&str]) -> Result<(), String> {
        let first = || self.state.online().map(|(node, _)| node.clone()).find(|other| other != node);
        let by = option(rest, "by").map(NodeId::from).or_else(first).ok_or("nobody is there to wait")?;
        self.tell(Command::WatchdogWaited {
            speaker: self.speaker(&by)?,
            target: node.clone(),
            session: option(rest, "in").map_or_else(|| self.session(node), |session| Ok(session.into()))?,
            turn: self.turn(node, rest)?,
            waited: Duration::from_millis(how_long),
            pill: option(rest, "pill").map(str::to_owned),
        });
        Ok(())
    }
}
