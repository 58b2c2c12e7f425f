//! Switching a node on again, once the log wants it: the leader looks whether it is still wanted, and tells its devices.
//!
//! Never part of a proof, and never a reset. Telling twice does no harm: who is on already stays on.

use super::event::{Effect, PowerAnswer, PowerVerb, Tag};
use super::{Ctx, Purpose};
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::state::Command;
use quorate_core::time::BootTime;
use std::collections::BTreeMap;
use std::time::Duration;

/// The first pause between two tries; it doubles with each that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct PowerOn {
    orders: BTreeMap<NodeId, Order>,
    next: BTreeMap<NodeId, BootTime>,
}

#[derive(Debug)]
struct Order {
    session: SessionId,
    /// A linearizable read, to see that it is still wanted.
    checking: Option<Tag>,
    /// Devices whose answers are waited for.
    asked: BTreeMap<Tag, ResourceId>,
    error: Option<String>,
}

impl PowerOn {
    /// A member that does not lead forgets; whoever leads begins anew.
    pub(super) fn drive(&mut self, ctx: &mut Ctx<'_>) {
        if !ctx.view.is_leader {
            *self = Self::default();
            return;
        }
        let wanted = &ctx.view.state.power_on;
        self.orders.retain(|node, order| wanted.get(node).is_some_and(|wish| wish.session == order.session));
        self.next.retain(|node, _| wanted.contains_key(node));
        for (node, wish) in wanted {
            let pending = ctx.is_pending(|purpose| matches!(purpose, Purpose::PowerOn(about) if about == node));
            let rests = self.next.get(node).is_some_and(|next| ctx.now < *next);
            if pending || rests || self.orders.contains_key(node) {
                continue;
            }
            let pause = FIRST_PAUSE * 2_u32.saturating_pow(wish.tries.min(5));
            self.next.insert(node.clone(), ctx.now.after(pause));
            let tag = ctx.tag();
            ctx.out.push(Effect::Read(tag));
            let order =
                Order { session: wish.session.clone(), checking: Some(tag), asked: BTreeMap::new(), error: None };
            self.orders.insert(node.clone(), order);
        }
    }

    pub(super) fn read(&mut self, ctx: &mut Ctx<'_>, tag: Tag, fresh: bool) {
        let Some((node, order)) = self.orders.iter_mut().find(|(_, order)| order.checking == Some(tag)) else {
            return;
        };
        let node = node.clone();
        let wish = ctx.view.state.power_on.get(&node).filter(|wish| fresh && wish.session == order.session);
        let Some(wish) = wish else {
            self.orders.remove(&node);
            return;
        };
        order.checking = None;
        let timeout = ctx.view.state.properties().stonith_timeout;
        for device in &wish.devices {
            let Some(definition) = ctx.view.state.config.primitives.get(device).cloned() else {
                order.error = Some(format!("{device} is not configured any more"));
                continue;
            };
            let tag = ctx.tag();
            order.asked.insert(tag, device.clone());
            ctx.out.push(Effect::Power {
                tag,
                device: device.clone(),
                definition: Box::new(definition),
                target: node.clone(),
                verb: PowerVerb::On,
                timeout,
            });
        }
        self.tell(ctx, &node);
    }

    pub(super) fn power(&mut self, ctx: &mut Ctx<'_>, tag: Tag, answer: &PowerAnswer) {
        let Some((node, order)) = self.orders.iter_mut().find(|(_, order)| order.asked.contains_key(&tag)) else {
            return;
        };
        let Some(device) = order.asked.remove(&tag) else { return };
        if let Err(error) = &answer.result {
            order.error = Some(format!("{device}: {error}"));
        }
        let node = node.clone();
        self.tell(ctx, &node);
    }

    /// Once all devices have answered.
    fn tell(&mut self, ctx: &mut Ctx<'_>, node: &NodeId) {
        let Some(order) = self.orders.get(node).filter(|order| order.checking.is_none() && order.asked.is_empty())
        else {
            return;
        };
        let outcome = order.error.clone().map_or(Ok(()), Err);
        let command = Command::PowerOnResult { node: node.clone(), session: order.session.clone(), outcome };
        ctx.propose(Purpose::PowerOn(node.clone()), command);
        self.orders.remove(node);
    }
}
