//! `rsc_ticket`: what runs here only while this cluster holds a ticket. Which tickets it holds is in `state::ticket`.

use super::InRole;
use crate::id::ResourceId;
use serde::{Deserialize, Serialize};

/// What happens to what runs when its ticket is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LossPolicy {
    /// It is stopped.
    Stop,
    /// It is demoted; without the role Promoted it is stopped.
    Demote,
    /// The nodes where it is active are fenced.
    Fence,
    /// It is left alone.
    Freeze,
}

impl LossPolicy {
    /// Its word in the grammar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Demote => "demote",
            Self::Fence => "fence",
            Self::Freeze => "freeze",
        }
    }

    /// What people write for it.
    pub fn read(text: &str) -> Option<Self> {
        let all = [Self::Stop, Self::Demote, Self::Fence, Self::Freeze];
        all.into_iter().find(|policy| text.eq_ignore_ascii_case(policy.word()))
    }

    /// What holds where nothing is said.
    fn of_role(role: Option<InRole>) -> Self {
        if role == Some(InRole::Promoted) { Self::Demote } else { Self::Stop }
    }
}

/// `rsc_ticket ID TICKET: RSC[:ROLE]… [loss-policy=POLICY]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketConstraint {
    /// Which ticket.
    pub ticket: String,
    /// Resources, groups, templates or tags; with the role Promoted they only need it to be promoted.
    pub resources: Vec<(ResourceId, Option<InRole>)>,
    /// As it was written.
    pub loss: Option<LossPolicy>,
}

/// That one resource needs a ticket: what a constraint comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketNeed {
    /// The constraint that says so.
    pub constraint: String,
    /// Which ticket.
    pub ticket: String,
    /// Only for its promotion.
    pub for_promotion: bool,
    /// What happens when it is lost.
    pub loss: LossPolicy,
}

impl TicketConstraint {
    /// What happens when the ticket is lost.
    pub fn policy(&self) -> LossPolicy {
        let first = self.resources.first().and_then(|(_, role)| *role);
        self.loss.unwrap_or_else(|| LossPolicy::of_role(first))
    }

    /// What it comes to for a resource in this role.
    pub(super) fn need(&self, constraint: &str, role: Option<InRole>) -> TicketNeed {
        TicketNeed {
            constraint: constraint.to_owned(),
            ticket: self.ticket.clone(),
            for_promotion: role == Some(InRole::Promoted),
            loss: self.loss.unwrap_or_else(|| LossPolicy::of_role(role)),
        }
    }
}
