//! Roles and actions that constraints name: `db:Promoted`, `db:promote`. What they come to is the planner's.

use super::shorthand::{Want, WideColocation, WideLocation, WideOrder};
use super::{Colocation, Location, Order};
use serde::{Deserialize, Serialize};

/// The role of a promotable clone's instance; where none is named, any will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum InRole {
    /// Promoted.
    Promoted,
    /// Running, and not promoted.
    Unpromoted,
}

impl InRole {
    /// Its word in the grammar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Promoted => "Promoted",
            Self::Unpromoted => "Unpromoted",
        }
    }

    /// What people write for a role, by its name of today or of before; `Some(None)` is whatever runs.
    pub fn read(text: &str) -> Option<Option<Self>> {
        match text.to_ascii_lowercase().as_str() {
            "started" => Some(None),
            "promoted" | "master" => Some(Some(Self::Promoted)),
            "unpromoted" | "slave" => Some(Some(Self::Unpromoted)),
            _ => None,
        }
    }
}

/// What an order is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OrderTask {
    /// `start`
    #[default]
    Start,
    /// `stop`
    Stop,
    /// `promote`
    Promote,
    /// `demote`
    Demote,
}

impl OrderTask {
    /// Its word in the grammar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Promote => "promote",
            Self::Demote => "demote",
        }
    }

    /// What people write for it.
    pub fn read(text: &str) -> Option<Self> {
        let all = [Self::Start, Self::Stop, Self::Promote, Self::Demote];
        all.into_iter().find(|task| text.eq_ignore_ascii_case(task.word()))
    }

    /// What takes it back.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::Start => Self::Stop,
            Self::Stop => Self::Start,
            Self::Promote => Self::Demote,
            Self::Demote => Self::Promote,
        }
    }

    /// Whether what it leads to is a state that something else can need.
    pub fn is_upwards(self) -> bool {
        matches!(self, Self::Start | Self::Promote)
    }
}

impl Order {
    /// Whether it is about starts, and their stops, alone.
    pub fn is_of_starts(&self) -> bool {
        (self.first_task, self.then_task) == (OrderTask::Start, OrderTask::Start)
    }
}

/// Whether this needs a reader that knows of roles in constraints.
pub(super) trait HasRoles {
    fn has_roles(&self) -> bool;
}

impl HasRoles for Location {
    fn has_roles(&self) -> bool {
        self.role.is_some()
    }
}

impl HasRoles for Colocation {
    fn has_roles(&self) -> bool {
        self.role.is_some() || self.with_role.is_some()
    }
}

impl HasRoles for Order {
    fn has_roles(&self) -> bool {
        !self.is_of_starts()
    }
}

impl HasRoles for WideLocation {
    fn has_roles(&self) -> bool {
        let in_rules = |want: &Want| matches!(want, Want::Rules(rules) if rules.iter().any(|rule| rule.role.is_some()));
        self.role.is_some() || in_rules(&self.want)
    }
}

impl HasRoles for WideColocation {
    fn has_roles(&self) -> bool {
        self.sets.iter().any(|set| set.role.is_some())
    }
}

impl HasRoles for WideOrder {
    fn has_roles(&self) -> bool {
        self.sets.iter().any(|set| set.task != OrderTask::Start)
    }
}
