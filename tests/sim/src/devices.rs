//! More devices than the BMC, in a share of the seeds with OCF resources: a second level of two switched feeds.
//!
//! A host lives as long as one of its feeds has power; without any its BMC is dead as well. What a device was told is
//! held against the storm brake.

use crate::bmc::Mode;
use crate::event::{Scope, What};
use crate::setup::device;
use crate::world::World;
use quorate_core::config::{Config, FencingTopology, LevelTarget};
use quorate_core::id::ResourceId;
use quorate_node::engine::PowerVerb;

/// A switched feed of a host.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Feed {
    pub(crate) is_off: bool,
    pub(crate) mode: Mode,
}

/// Which device of which host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Bmc,
    Feed(usize),
}

impl World {
    /// Whose device it is; the names are those of `configure_devices` and of the BMCs.
    pub(crate) fn part(&self, id: &ResourceId) -> Option<(usize, Part)> {
        let (kind, node) = id.as_str().split_once('-')?;
        let part = match kind {
            "ipmi" => Part::Bmc,
            "feed0" => Part::Feed(0),
            "feed1" => Part::Feed(1),
            _ => return None,
        };
        self.names.iter().position(|name| name.as_str() == node).map(|target| (target, part))
    }

    /// Where this seed has them: the BMC first, then both feeds; or the feeds alone. And a brake that is tighter.
    pub(crate) fn configure_devices(&mut self, config: &mut Config) {
        if self.agency.primitives.is_empty() {
            return;
        }
        if self.agency.dice.chance(400) {
            config.properties.insert("fence-limit".to_owned(), "1".to_owned());
        }
        if !self.agency.dice.chance(600) {
            return;
        }
        let has_bmc = self.agency.dice.chance(700);
        for name in &self.names {
            let feeds: Vec<ResourceId> = (0..2).map(|feed| ResourceId::new(format!("feed{feed}-{name}"))).collect();
            for feed in &feeds {
                config.primitives.insert(feed.clone(), device(name.as_str()));
            }
            let mut levels = if has_bmc { vec![vec![ResourceId::new(format!("ipmi-{name}"))]] } else { Vec::new() };
            levels.push(feeds);
            config.fencing_topology.push(FencingTopology { target: LevelTarget::Node(name.clone()), levels });
        }
    }

    /// A feed has the command: what it reads from here on, `None` where it says nothing.
    pub(crate) fn feed_taken(&mut self, target: usize, feed: usize, verb: PowerVerb) -> Option<bool> {
        let Feed { is_off, mode } = self.hosts[target].feeds[feed];
        let works = matches!(mode, Mode::Ok | Mode::Slow);
        match verb {
            _ if matches!(mode, Mode::Dead | Mode::Hung) => return None,
            PowerVerb::Read | PowerVerb::Drill => return Some(!is_off),
            PowerVerb::Off if works => {
                if self.hosts[target].power {
                    self.check_off(target);
                }
                self.hosts[target].feeds[feed].is_off = true;
                self.counts.feed_offs += 1;
                let host = &self.hosts[target];
                if host.power && host.feeds.iter().all(|feed| feed.is_off) {
                    self.note_off(target);
                    let boot = self.hosts[target].boot;
                    self.queue.push(self.now, Scope::World, What::PowerDrop { host: target, boot });
                }
            }
            PowerVerb::On if works => {
                self.hosts[target].feeds[feed].is_off = false;
                if !self.hosts[target].power {
                    self.counts.device_ons += 1;
                    self.power_on(target);
                }
            }
            PowerVerb::Off | PowerVerb::On => {}
        }
        Some(true)
    }

    /// A feed goes wrong for a while.
    pub(crate) fn feed_fault(&mut self, h: usize) {
        let feed = self.agency.dice.index(2);
        let modes = [Mode::Slow, Mode::Dead, Mode::Refusing, Mode::Stuck];
        self.hosts[h].feeds[feed].mode = *self.agency.dice.pick(&modes);
    }

    /// of the target: never more hosts are off by devices, and not back, than the brake allows.
    pub(crate) fn note_off(&mut self, target: usize) {
        let state = &self.oracle.state;
        let window = quorate_core::time::millis(state.properties().fence_window);
        // By the log's clock, as the brake counts: it jumps here with the wall clocks of who leads.
        let now = state.now.0;
        self.agency.offs.retain(|(h, at)| *h != target && at + window >= now);
        self.agency.offs.push((target, now));
        let keeps_majority = (self.names.len() - 1) / 2;
        let limit = match state.properties().fence_limit {
            0 => keeps_majority,
            limit => usize::try_from(limit).unwrap_or(usize::MAX).min(keeps_majority),
        };
        let hit = self.agency.offs.len();
        if hit > limit.max(1) {
            let what = format!("{hit} hosts were switched off and are not back, with {} the last", self.names[target]);
            self.fail("storm brake", what);
        }
    }

    /// Whoever is online again is no part of a storm any more.
    pub(crate) fn forget_offs(&mut self) {
        let state = &self.oracle.state;
        let names = &self.names;
        let is_back = |h: usize| {
            let at = state.nodes.get(&names[h]);
            at.is_none_or(|at| at.is_online() && !state.intents.contains_key(&names[h]))
        };
        self.agency.offs.retain(|(h, _)| !is_back(*h));
    }
}
