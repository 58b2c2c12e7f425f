//! The actions of a transition and how they bind each other.

use super::{NodeIx, RscIx, Task};

/// An action's place in `Actions::all`.
pub(super) type ActIx = usize;

/// One action.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Action {
    pub(super) task: Task,
    pub(super) rsc: Option<RscIx>,
    pub(super) node: Option<NodeIx>,
    /// Nothing needs it.
    pub(super) is_optional: bool,
    /// It can be done.
    pub(super) is_runnable: bool,
    /// It is not done by itself: a gate of a collective, or implied by a fence.
    pub(super) is_implied: bool,
    /// Part of a live migration, which takes its place.
    pub(super) is_migration: bool,
    /// It is done although nothing needs it: it is under way already.
    pub(super) is_under_way: bool,
    /// Why it is done.
    pub(super) reason: String,
}

impl Action {
    /// The action without its reason.
    pub(super) fn bare(&self) -> Self {
        let Self { task, rsc, node, is_optional, is_runnable, is_implied, is_migration, is_under_way, .. } = *self;
        let reason = String::new();
        Self { task, rsc, node, is_optional, is_runnable, is_implied, is_migration, is_under_way, reason }
    }
}

/// How the second of two actions depends on the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::struct_excessive_bools)]
pub(super) struct Bond {
    /// If the first is needed, so is the second.
    pub(super) first_needs_then: bool,
    /// If the second is needed, so is the first.
    pub(super) then_needs_first: bool,
    /// If the first cannot be done, the second cannot.
    pub(super) blocks: bool,
    /// The first makes way for the second: needed or impossible, the second makes it needed.
    pub(super) makes_way: bool,
    /// Only where the second has not happened yet.
    pub(super) is_one_way: bool,
    /// They must not run at once; their order does not matter.
    pub(super) is_exclusive: bool,
}

impl Bond {
    /// Nothing but the order.
    pub(super) const ORDER: Self = Self {
        first_needs_then: false,
        then_needs_first: false,
        blocks: false,
        makes_way: false,
        is_one_way: false,
        is_exclusive: false,
    };
}

/// A gate that stands for several actions, and can be passed when so many of them can be done.
#[derive(Clone, Debug)]
pub(super) struct AnyOf {
    pub(super) gate: ActIx,
    pub(super) min: usize,
    /// Each counts when all of its actions can be done.
    pub(super) each: Vec<Vec<ActIx>>,
}

/// All actions, and what binds them.
#[derive(Clone, Debug, Default)]
pub(super) struct Actions {
    pub(super) all: Vec<Action>,
    pub(super) bonds: Vec<(ActIx, ActIx, Bond)>,
    pub(super) any: Vec<AnyOf>,
    /// Starts and stops with what waits for them, unless a live migration takes their place.
    pub(super) unless_live: Vec<(ActIx, ActIx)>,
    /// The first and the last action of each resource.
    chains: Vec<Option<(u32, u32)>>,
    /// The next action of the same resource.
    next: Vec<Option<u32>>,
}

impl Actions {
    /// Adds an action.
    pub(super) fn add(&mut self, action: Action) -> ActIx {
        let ix = self.all.len();
        if let Some(rsc) = action.rsc {
            self.link(rsc, u32::try_from(ix).expect("no plan has four thousand million actions"));
        }
        self.next.push(None);
        self.all.push(action);
        ix
    }

    fn link(&mut self, rsc: RscIx, ix: u32) {
        if self.chains.len() <= rsc {
            self.chains.resize(rsc + 1, None);
        }
        let first = match self.chains[rsc] {
            None => ix,
            Some((first, last)) => {
                self.next[last as usize] = Some(ix);
                first
            }
        };
        self.chains[rsc] = Some((first, ix));
    }

    /// A gate of a collective.
    pub(super) fn gate(&mut self, rsc: RscIx, task: Task) -> ActIx {
        if let Some(known) = self.each(rsc, task).next() {
            return known;
        }
        self.add(Action {
            task,
            rsc: Some(rsc),
            node: None,
            is_optional: true,
            is_runnable: true,
            is_implied: true,
            is_migration: false,
            is_under_way: false,
            reason: String::new(),
        })
    }

    /// A gate of no resource.
    pub(super) fn free_gate(&mut self) -> ActIx {
        self.add(Action {
            task: Task::Started,
            rsc: None,
            node: None,
            is_optional: true,
            is_runnable: true,
            is_implied: true,
            is_migration: false,
            is_under_way: false,
            reason: String::new(),
        })
    }

    /// The actions of a resource with this name, in the order they were added.
    pub(super) fn each(&self, rsc: RscIx, task: Task) -> impl Iterator<Item = ActIx> + '_ {
        let first = self.chains.get(rsc).copied().flatten().map(|(first, _)| first);
        let chain = std::iter::successors(first, |ix| self.next[*ix as usize]);
        chain.map(|ix| ix as ActIx).filter(move |ix| self.all[*ix].task == task)
    }

    /// The same, to keep while actions are changed.
    pub(super) fn of(&self, rsc: RscIx, task: Task) -> Vec<ActIx> {
        self.each(rsc, task).collect()
    }

    /// Binds two actions.
    pub(super) fn bind(&mut self, first: ActIx, then: ActIx, bond: Bond) {
        if first != then {
            self.bonds.push((first, then, bond));
        }
    }
}
