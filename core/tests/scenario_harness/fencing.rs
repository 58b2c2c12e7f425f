//! Fences: intents, grants, their ends, and a person's word.

use super::world::{World, option};
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::state::{Command, FenceCause, Speaker, Unfencing};
use std::time::Duration;

impl World {
    pub(super) fn fence(&mut self, node: &NodeId, what: &str, rest: &[&str]) -> Result<(), String> {
        let target = node.clone();
        let intended = self.state.intents.get(node).map(|intent| intent.session.clone());
        let session = intended.map_or_else(|| self.session(node), Ok)?;
        match what {
            "wanted" => {
                self.tell(Command::Fence {
                    target,
                    session,
                    cause: FenceCause::Asked { by: "root".to_owned() },
                    action: None,
                });
            }
            "let-in" => self.let_in(node, rest)?,
            "granted" => self.grant(node, session, rest)?,
            "expired" => {
                let attempt = self.attempts(node);
                self.tell(Command::FenceExpire { target, session, attempt });
            }
            "called-off" => {
                self.tell(Command::FenceCallOff { target, session });
            }
            "condemned" => {
                self.tell(Command::Condemn { target, session });
            }
            "verified" | "failed" => self.fence_result(node, session, what == "verified", rest)?,
            "verified-late" => {
                let session = option(rest, "in").map_or(session, SessionId::from);
                let speaker = self.executor(node, rest)?;
                self.tell(Command::FenceResult {
                    speaker,
                    target,
                    session,
                    attempt: 1,
                    outcome: Ok(()),
                    sent: true,
                    took: Duration::ZERO,
                });
            }
            other => return Err(format!("'{other}' is nothing that a fence does")),
        }
        Ok(())
    }

    fn grant(&mut self, target: &NodeId, session: SessionId, rest: &[&str]) -> Result<(), String> {
        let speaker = self.executor(target, rest)?;
        let devices = match option(rest, "with") {
            Some(devices) => devices.split(',').map(ResourceId::from).collect(),
            None => self.level(target),
        };
        let lasts = Duration::from_secs(20);
        self.tell(Command::FenceGrant { speaker, target: target.clone(), session, devices, lasts });
        Ok(())
    }

    fn fence_result(
        &mut self,
        target: &NodeId,
        session: SessionId,
        verified: bool,
        rest: &[&str],
    ) -> Result<(), String> {
        let is_open = |world: &Self| world.state.intents.get(target).and_then(|intent| intent.open_attempt().cloned());
        if is_open(self).is_none() {
            self.grant(target, session.clone(), rest)?;
        }
        let Some(open) = is_open(self) else { return Ok(()) };
        let named = option(rest, "by").map(|node| self.speaker(&node.into())).transpose()?;
        let executor = || {
            Ok::<_, String>(Speaker {
                node: open.executor.clone(),
                incarnation: open.incarnation,
                session: self.session(&open.executor)?,
            })
        };
        let speaker = named.map_or_else(executor, Ok)?;
        let outcome = if verified { Ok(()) } else { Err("no answer".to_owned()) };
        let (attempt, sent) = (self.attempts(target), !rest.contains(&"unsent"));
        self.tell(Command::FenceResult {
            speaker,
            target: target.clone(),
            session,
            attempt,
            outcome,
            sent,
            took: Duration::ZERO,
        });
        Ok(())
    }

    fn attempts(&self, target: &NodeId) -> u32 {
        self.state.intents.get(target).map_or(0, |intent| intent.tries)
    }

    /// Who does it: the one that is named, else the first that takes part.
    fn executor(&self, target: &NodeId, rest: &[&str]) -> Result<Speaker, String> {
        let named = option(rest, "by").map(NodeId::from);
        let first = || self.state.online().map(|(node, _)| node.clone()).find(|node| node != target);
        self.speaker(&named.or_else(first).ok_or("nobody is there to do it")?)
    }

    /// The levels are tried in turn.
    fn level(&self, target: &NodeId) -> Vec<ResourceId> {
        let levels = self.state.fence_levels(target);
        let turn = self.attempts(target) as usize % levels.len().max(1);
        levels.get(turn).cloned().unwrap_or_default()
    }

    /// How its devices answered to the wish that it be switched on again.
    pub(super) fn power_on(&mut self, node: &NodeId, how: &str) -> Result<(), String> {
        let wish = self.state.power_on.get(node);
        let session = wish.map_or_else(|| self.session(node), |wish| Ok(wish.session.clone()))?;
        let outcome = if how == "done" { Ok(()) } else { Err("no answer".to_owned()) };
        self.tell(Command::PowerOnResult { node: node.clone(), session, outcome });
        Ok(())
    }

    fn let_in(&mut self, node: &NodeId, rest: &[&str]) -> Result<(), String> {
        let [device, how] = *rest else { return Err("by which device, and how?".to_owned()) };
        let outcome = if how == "ok" { Ok(()) } else { Err("no answer".to_owned()) };
        let speaker = self.speaker(node)?;
        self.tell(Command::Unfenced(Unfencing { speaker, device: device.into(), outcome }));
        Ok(())
    }

    pub(super) fn confirm_off(&mut self, node: &NodeId, rest: &[&str]) -> Result<(), String> {
        let session = option(rest, "in").map_or_else(|| self.session(node), |session| Ok(session.into()))?;
        self.tell(Command::ConfirmOff { node: node.clone(), session, by: "root".to_owned() });
        Ok(())
    }
}
