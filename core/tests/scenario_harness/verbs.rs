//! Which verb is which.

use super::world::World;
use quorate_core::grammar;
use quorate_core::id::{NodeId, RequestId, ResourceId};
use quorate_core::state::{ActionKind, Command, FailureCount, Intent, Reload, Wish, invariant};
use quorate_core::time::millis;

impl World {
    pub(super) fn verb(&mut self, words: &[&str], body: &str) -> Result<(), String> {
        match *words {
            ["configure", ref rest @ ..] => self.configure(rest, body),
            ["member", node, "witness"] => self.witness(&node.into()),
            ["member", node, ref rest @ ..] => self.member(&node.into(), rest.contains(&"generated")),
            ["overdue", resource, node] => self.overdue(&resource.into(), &node.into()),
            ["recover", node, ref dead @ ..] => self.recover(&node.into(), dead),
            ["remove", node] => self.remove(&node.into()),
            ["leave", node] => self.leave(&node.into()),
            ["goodbye", node] => self.goodbye(&node.into()),
            ["token", name] => self.token(name, 3_600_000),
            ["token", name, lasts] => self.token(name, time(lasts)?),
            ["join", node, token] => self.join(&node.into(), token, true),
            ["join", node, token, "emptied"] => self.join_emptied(&node.into(), token),
            ["rejoin", node, store, ref rest @ ..] => self.rejoin(&node.into(), store, rest),
            ["hello", node, how, ref rest @ ..] => self.hello(&node.into(), how, rest),
            ["observe", node, verdict] => self.judge(&node.into(), verdict),
            ["observe", resource, seen, node] => self.observe(&resource.into(), seen, &node.into(), None),
            ["observe", resource, seen, node, "failed"] => {
                self.observe(&resource.into(), seen, &node.into(), Some("it broke"))
            }
            ["look", resource, node] => self.look(&resource.into(), &node.into()),
            ["seen", resource, seen, node] => self.seen(&resource.into(), seen, &node.into()),
            ["claim", action, ref rest @ ..] => self.claim(id(action)?, rest),
            ["hand-over", resource, node] => self.by_hand(ActionKind::Handover, &resource.into(), &node.into()),
            ["start", resource, node] => self.by_hand(ActionKind::Start, &resource.into(), &node.into()),
            ["result", action, how, ref rest @ ..] => self.result(id(action)?, how, rest),
            ["fence", node, what, ref rest @ ..] => self.fence(&node.into(), what, rest),
            ["power-on", node, how] => self.power_on(&node.into(), how),
            ["confirm-off", node, ref rest @ ..] => self.confirm_off(&node.into(), rest),
            ["breathes", node, ref rest @ ..] => self.breathes(&node.into(), rest),
            ["ask", node, matter] => self.ask(&node.into(), matter),
            ["release", node, ref rest @ ..] => self.release(&node.into(), rest.is_empty()),
            [how @ ("trust" | "distrust"), device] => self.trust(device, how == "trust"),
            ["standby", node] => self.intent(&node.into(), Intent::Standby),
            ["maintenance", node] => self.intent(&node.into(), Intent::Maintenance),
            ["drain", node] => self.intent(&node.into(), Intent::Drain),
            ["ticket", change, ticket] => self.ticket(change, ticket),
            ["wake"] => self.wake(),
            ["attribute", node, name, ref value @ ..] => self.attribute(&node.into(), name, value.first().copied()),
            ["online", node] => self.intent(&node.into(), Intent::Active),
            ["cleanup", resource] => self.cleanup(&resource.into(), None),
            ["cleanup", resource, node] => self.cleanup(&resource.into(), Some(node.into())),
            ["request", client, serial, ref rest @ ..] => {
                let serial = serial.parse().map_err(|_| format!("'{serial}' is no number"))?;
                self.request = Some(RequestId { client: client.to_owned(), serial });
                self.verb(rest, body)
            }
            ["advance", by] => {
                self.clock += time(by)?;
                Ok(())
            }
            ["plan"] => self.plan(),
            ["settle"] => self.settle(),
            ["check"] => {
                invariant::broken(&self.state)
                    .into_iter()
                    .for_each(|broken| self.say(format!("BROKEN {}", broken.rule)));
                Ok(())
            }
            _ => {
                let of_others =
                    self.of_a_wish(words).or_else(|| self.of_a_watchdog(words)).or_else(|| self.of_a_reading(words));
                let of_others = of_others.or_else(|| self.of_a_cib(words, body));
                of_others.unwrap_or_else(|| self.question(words))
            }
        }
    }

    /// Verbs about where people want resources.
    fn of_a_wish(&mut self, words: &[&str]) -> Option<Result<(), String>> {
        Some(match *words {
            ["move", resource, "away", node] => self.prefer(&resource.into(), &node.into(), Wish::Leave, None),
            ["move", resource, node] => self.prefer(&resource.into(), &node.into(), Wish::Move, None),
            ["move", resource, node, lasts] => {
                time(lasts).and_then(|lasts| self.prefer(&resource.into(), &node.into(), Wish::Move, Some(lasts)))
            }
            ["ban", resource, node] => self.prefer(&resource.into(), &node.into(), Wish::Ban, None),
            ["ban", resource, node, lasts] => {
                time(lasts).and_then(|lasts| self.prefer(&resource.into(), &node.into(), Wish::Ban, Some(lasts)))
            }
            ["clear", resource] => self.clear(&resource.into(), None),
            ["clear", resource, node] => self.clear(&resource.into(), Some(node.into())),
            _ => return None,
        })
    }

    /// Verbs about a Pacemaker CIB, and what agents are like.
    fn of_a_cib(&mut self, words: &[&str], body: &str) -> Option<Result<(), String>> {
        Some(match *words {
            ["reloads", resource, action, ref parameters @ ..] => {
                let parameters = parameters.iter().map(|name| (*name).to_owned()).collect();
                self.reloads.insert(resource.into(), Reload { action: action.to_owned(), parameters });
                Ok(())
            }
            ["failcount", resource, node, count] => {
                let count = count.parse().map_err(|_| format!("'{count}' is no number"));
                let (actor, resource, node) = ("admin".to_owned(), resource.into(), node.into());
                count.map(|count| _ = self.tell(Command::SetFailures(FailureCount { actor, resource, node, count })))
            }
            ["failures", resource, node] => {
                let known = self.state.activity(&resource.into(), &node.into());
                let text = known.map(|it| format!("{resource} on {node}  {} {:?}", it.failures, it.failed));
                self.say(text.unwrap_or_default());
                Ok(())
            }
            ["cib"] => self.take_cib(false, body),
            ["cib", "and"] => self.take_cib(true, body),
            ["transition"] => self.transition(),
            ["reasons"] => self.reasons(),
            ["refusal"] => {
                self.refusal();
                Ok(())
            }
            _ => return None,
        })
    }

    /// Verbs that change nothing.
    fn question(&mut self, words: &[&str]) -> Result<(), String> {
        let line = match *words {
            ["answer"] => self.answer(),
            ["state", name] if self.state.nodes.contains_key(&NodeId::from(name)) => self.node_line(&name.into()),
            ["state", name] => self.resource_line(&name.into()),
            ["notice", name, node] => {
                self.notice_lines(&name.into(), &node.into()).into_iter().for_each(|line| self.say(line));
                return Ok(());
            }
            ["explain", name] => self.explain_line(&name.into())?,
            ["definition", name, node] => self.definition_line(&ResourceId::from(name), &node.into()),
            _ => return Err(format!("'{}' is not understood", words.join(" "))),
        };
        self.say(line);
        Ok(())
    }
}

/// Actions are counted from 1 in scenarios.
fn id(word: &str) -> Result<quorate_core::id::ActionId, String> {
    let number = word.parse::<u64>().ok().and_then(|number| number.checked_sub(1));
    number.map(quorate_core::id::ActionId).ok_or_else(|| format!("'{word}' is no action's number"))
}

pub(crate) fn time(word: &str) -> Result<u64, String> {
    grammar::duration(word).map(millis).ok_or_else(|| format!("'{word}' is no time"))
}
