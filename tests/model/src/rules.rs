//! Which rules of the safety protocol exist in the model, and which of them are switched off.
//!
//! The names are those of the protocol document; a few finer switches split one rule into parts that
//! fail differently. A model without a rule is a planted mistake: the check must find the harm.

use clap::ValueEnum;

/// One rule of the protocol that can be taken out. The doc line is what `--help` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Rule {
    /// A start, migration or handover is granted only if every other node is not active
    ClaimCheck,
    /// Claims, results and observations count only for the node's open session
    Session,
    /// Claims, results and observations count only from the node's current incarnation
    Incarnation,
    /// An action runs only on the answer to the process's own proposal
    AnswerOnly,
    /// Results and observations name the operation number in force when they began
    OperationNumber,
    /// Observations are dropped while a claim is open
    OpenClaim,
    /// A monitor and an operation on one resource never overlap on a node
    NoOverlap,
    /// A restarted daemon first ends what its predecessor left running
    Contained,
    /// A hello is compare-and-set on the incarnation it follows
    Hello,
    /// A hello counts only from the hardware pinned for the node
    Pinned,
    /// A power reading proves only the session whose fence intent it was begun for
    Proofs,
    /// A reading begun before the fence intent is no proof
    EarlyReading,
    /// A person's word answers one question: this node in this session
    ConfirmOff,
    /// An `off` is sent only before its grant's deadline, and a returning node waits for that
    SendBy,
    /// A fence is called off only if `off` was certainly never sent
    CalledOff,
    /// The target's CPUs start only by a committed handover, never by the hypervisor itself
    Handover,
    /// A handover needs the migration's own word that the source is gone
    Gone,
    /// A handover names the operation number of the incoming copy
    IncomingNumber,
    /// The target resumes only a copy whose transfer was completed
    Whole,
}

/// The set of rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    off: u32,
    /// Messages that can have no effect are kept too. Slow; for testing that forgetting them is sound.
    pub keep_hopeless: bool,
}

impl Rules {
    /// Every rule is in force: the protocol as it is meant.
    pub fn all() -> Self {
        Self { off: 0, keep_hopeless: false }
    }

    /// The same set without one rule.
    #[must_use]
    pub fn without(self, rule: Rule) -> Self {
        Self { off: self.off | (1 << rule as u32), ..self }
    }

    /// Whether a rule is in force.
    pub fn on(self, rule: Rule) -> bool {
        self.off & (1 << rule as u32) == 0
    }
}

impl Rule {
    /// Whether another rule stands behind this one, so that leaving it out alone does no harm here.
    pub fn is_second_line(self) -> bool {
        match self {
            // Each of these two covers for the other.
            Rule::OpenClaim | Rule::NoOverlap => true,
            // `gone` voids every incoming copy that is not complete and current.
            Rule::IncomingNumber | Rule::Whole => true,
            _ => false,
        }
    }

    /// The name used on the command line and in the documents.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
