//! The configurations that are explored exhaustively.
//!
//! Several small ones instead of one huge one: each has enough of one kind of trouble, so that every
//! order of those events is seen in seconds. A planted mistake has its own, the smallest that shows it.

use clap::ValueEnum;

use crate::rules::{Rule, Rules};
use crate::state::{Budget, Size};
use crate::{Judge, Protocol};

/// A named configuration. The doc line is what `--help` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Claims, monitors, daemon restarts, failing actions and dying machines
    Claims,
    /// Losses, fences with late datagrams, returning nodes, calling off
    Fence,
    /// The same with executors that are killed, and one loss
    Executor,
    /// Power cuts, reboots and hellos, late ones and those of restarted daemons
    Reboot,
    /// A person's word, given late
    Person,
    /// Live migration with a restart, a power cut, a reboot and a loss anywhere
    Migration,
    /// Live migration that is tried again, stopped and started elsewhere
    Remigration,
    /// Three nodes and two resources: claims, monitors, a restart, a cut, a reboot, a loss
    Cluster,
    /// Three nodes and two resources: a migration, a restart, a cut, a loss
    Mixed,
    /// A power device that lies: what still holds
    Lying,
}

impl Scope {
    /// All of them.
    pub fn all() -> &'static [Scope] {
        Self::value_variants()
    }

    /// The name used on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Its size and budgets.
    pub fn budget(self) -> (Size, Budget) {
        let none = Budget::default();
        let one = Size { nodes: 3, resources: 1 };
        let two = Size { nodes: 3, resources: 2 };
        let (size, budget) = match self {
            Scope::Claims => (one, Budget { claims: 5, monitors: 2, restarts: 2, vm_deaths: 1, failures: 1, ..none }),
            Scope::Fence => (one, Budget { claims: 2, losses: 2, grants: 2, call_offs: 1, boots: 1, cuts: 1, ..none }),
            Scope::Executor => {
                (one, Budget { claims: 2, losses: 1, grants: 2, call_offs: 1, boots: 1, cuts: 1, restarts: 1, ..none })
            }
            Scope::Reboot => (one, Budget { claims: 3, monitors: 1, restarts: 2, cuts: 2, boots: 2, ..none }),
            Scope::Person => (one, Budget { claims: 3, losses: 2, cuts: 2, boots: 2, confirms: 2, ..none }),
            Scope::Migration => {
                (one, Budget { claims: 4, migrations: 1, restarts: 1, cuts: 1, boots: 1, losses: 1, ..none })
            }
            Scope::Remigration => {
                (one, Budget { claims: 6, migrations: 2, monitors: 1, restarts: 1, vm_deaths: 1, ..none })
            }
            Scope::Cluster => {
                (two, Budget { claims: 3, monitors: 1, restarts: 1, cuts: 1, boots: 1, losses: 1, ..none })
            }
            Scope::Mixed => (two, Budget { claims: 4, migrations: 1, restarts: 1, cuts: 1, losses: 1, ..none }),
            Scope::Lying => (one, Budget { claims: 3, losses: 2, cuts: 1, boots: 1, lies: 1, restarts: 1, ..none }),
        };
        (size, budget)
    }

    /// The model of this scope under some rules.
    pub fn protocol(self, rules: Rules) -> Protocol {
        let (size, budget) = self.budget();
        Protocol { size, rules, budget, judge: Judge::All, deadline: None }
    }
}

/// The smallest configuration found in which leaving this rule out does harm.
pub fn showing(rule: Rule) -> Protocol {
    let size = Size { nodes: 2, resources: 1 };
    let three = Size { nodes: 3, resources: 1 };
    let none = Budget::default();
    let (size, budget) = match rule {
        Rule::ClaimCheck => (size, Budget { claims: 2, ..none }),
        Rule::Session => (size, Budget { claims: 2, losses: 1, cuts: 1, boots: 1, ..none }),
        Rule::Incarnation => (size, Budget { claims: 3, restarts: 1, ..none }),
        Rule::AnswerOnly => (size, Budget { claims: 3, restarts: 1, ..none }),
        Rule::OperationNumber | Rule::OpenClaim | Rule::NoOverlap => (size, Budget { claims: 2, monitors: 1, ..none }),
        Rule::Contained => (size, Budget { claims: 3, restarts: 1, ..none }),
        Rule::Hello => (size, Budget { claims: 2, restarts: 1, cuts: 1, boots: 1, ..none }),
        Rule::Pinned => (size, Budget { claims: 2, impostors: 1, ..none }),
        Rule::Proofs | Rule::EarlyReading => (size, Budget { claims: 2, losses: 2, cuts: 1, boots: 1, ..none }),
        Rule::ConfirmOff => (size, Budget { claims: 2, losses: 2, cuts: 1, boots: 1, confirms: 1, ..none }),
        Rule::SendBy => (size, Budget { claims: 1, losses: 1, cuts: 1, boots: 1, grants: 1, ..none }),
        Rule::CalledOff => (size, Budget { losses: 1, grants: 1, call_offs: 1, ..none }),
        Rule::Handover => (size, Budget { claims: 2, migrations: 1, ..none }),
        Rule::Gone | Rule::IncomingNumber => (three, Budget { claims: 6, migrations: 2, ..none }),
        Rule::Whole => (three, Budget { claims: 3, migrations: 1, cuts: 1, losses: 1, ..none }),
    };
    Protocol { size, rules: Rules::all().without(rule), budget, judge: Judge::All, deadline: None }
}
