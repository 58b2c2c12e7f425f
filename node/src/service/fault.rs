//! Why a change did not happen, in the words of the contract: each with how to mend it.

use quorate_api::{Fault, Reason};
use quorate_core::config::validate::nearest;
use quorate_core::state::Refusal;
use quorate_raft::{ProposeError, ReplicaError};
use std::fmt;

const NO_MAJORITY: &str = "a majority of the members has to be up and in touch: look at `qrm status`";

/// The change has no outcome.
pub(super) fn unproposed(error: &ProposeError) -> Fault {
    match error {
        ProposeError::NotLeader { .. } | ProposeError::NotSent { .. } => {
            let message = format!("nothing can be changed now, for no leader took it: {error}");
            Fault::new(Reason::NoLeader, message).hint(NO_MAJORITY)
        }
        ProposeError::Busy => Fault::new(Reason::Busy, error.to_string()).hint("try again in a moment"),
        ProposeError::Full => Fault::new(Reason::Failed, error.to_string())
            .hint("no member that could lead has room: `qrm cluster status` shows how full each disk is"),
        ProposeError::TooLarge(_) => Fault::new(Reason::Invalid, error.to_string()).hint("make it in several changes"),
        ProposeError::Unknown { .. } => {
            Fault::new(Reason::Timeout, error.to_string()).hint("it may have been done or not: look at `qrm status`")
        }
        other => Fault::new(Reason::Failed, other.to_string()).hint("look at the log of quorated on this node"),
    }
}

/// This member cannot say what is so now.
pub(super) fn unconfirmed(error: &ReplicaError) -> Fault {
    match error {
        ReplicaError::Stopped(_) => {
            Fault::new(Reason::Failed, error.to_string()).hint("look at the log of quorated on this node")
        }
        _ => {
            let message = format!("nothing can be changed now, for there is no leader with a majority: {error}");
            Fault::new(Reason::NoLeader, message).hint(NO_MAJORITY)
        }
    }
}

/// `apply` changed nothing.
pub(super) fn refused(refusal: &Refusal) -> Fault {
    let (reason, hint) = match refusal {
        Refusal::Stale(_) => (Reason::Stale, "look again, and repeat what is still wanted"),
        Refusal::Unsafe(_) => (Reason::Refused, "`qrm status` says what has to happen before"),
        Refusal::SessionEnded(_) | Refusal::SessionLost(_) => (Reason::Refused, "it has to boot again before"),
        Refusal::FenceUnsettled(_) => (Reason::Refused, "try again when its fence has ended: `qrm fence history`"),
        Refusal::Foreign(_) => (Reason::Refused, "look at `qrm cluster status` for who is who"),
        Refusal::Invalid(_) => (Reason::Refused, "look at `qrm status`"),
    };
    Fault::new(reason, refusal.to_string()).hint(hint)
}

/// There is nothing of this name; the nearest that there is.
pub(super) fn unknown<'n>(kind: &str, name: &str, known: impl IntoIterator<Item = &'n str>) -> Fault {
    let known: Vec<&str> = known.into_iter().collect();
    let hint = match (nearest(name, &known), known.is_empty()) {
        (Some(near), _) => format!("did you mean '{near}'?"),
        (None, true) => format!("there is no {kind} yet"),
        (None, false) => format!("`qrm status` lists every {kind}"),
    };
    Fault::new(Reason::NotFound, format!("there is no {kind} '{name}'")).hint(hint)
}

/// A request that says too little or something that means nothing.
pub(super) fn invalid(message: impl fmt::Display, hint: &str) -> Fault {
    Fault::new(Reason::Invalid, message.to_string()).hint(hint)
}
