//! The one error of the contract: what went wrong and how to mend it, the same on both sides of the wire.

use std::error::Error;
use std::fmt;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

const REASON: &str = "quorate-reason";
const HINT: &str = "quorate-hint-bin";

/// Why a call did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// For programs.
    pub reason: Reason,
    /// What and where.
    pub message: String,
    /// How to mend it, where that is known: best a command to type.
    pub hint: Option<String>,
}

/// What kind of error it is; the words are part of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// What was asked makes no sense: it does not follow the grammar, or the parts do not fit together.
    Invalid,
    /// Safety, or the state things are in, forbids it.
    Refused,
    /// Things moved since the asker looked.
    Stale,
    /// There is no such thing.
    NotFound,
    /// The asker may not do this.
    Denied,
    /// The daemon that was asked is in no cluster.
    NoCluster,
    /// There is no leader, or it has no majority: nothing can be changed now.
    NoLeader,
    /// Too much is waiting already.
    Busy,
    /// No answer in time: it may have been done or not.
    Timeout,
    /// The daemon could not be reached; never sent by a server.
    Unreachable,
    /// Anything else: a defect or a broken host.
    Failed,
}

impl Reason {
    const ALL: [Self; 11] = [
        Self::Invalid,
        Self::Refused,
        Self::Stale,
        Self::NotFound,
        Self::Denied,
        Self::NoCluster,
        Self::NoLeader,
        Self::Busy,
        Self::Timeout,
        Self::Unreachable,
        Self::Failed,
    ];

    /// The word on the wire and in `--json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Stale => "stale",
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::NoCluster => "no-cluster",
            Self::NoLeader => "no-leader",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Failed => "failed",
        }
    }

    fn code(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::Refused | Self::NoCluster => Code::FailedPrecondition,
            Self::Stale => Code::Aborted,
            Self::NotFound => Code::NotFound,
            Self::Denied => Code::PermissionDenied,
            Self::NoLeader | Self::Unreachable => Code::Unavailable,
            Self::Busy => Code::ResourceExhausted,
            Self::Timeout => Code::DeadlineExceeded,
            Self::Failed => Code::Internal,
        }
    }

    /// Whether the same request, sent again, may do better.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::NoLeader | Self::Busy | Self::Timeout | Self::Unreachable)
    }

    /// What a status means that carries no word of ours: the transport's own, or another program's.
    fn of_foreign(status: &Status) -> Self {
        if status.source().is_some() {
            return match status.code() {
                Code::DeadlineExceeded | Code::Cancelled => Self::Timeout,
                _ => Self::Unreachable,
            };
        }
        match status.code() {
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid,
            Code::FailedPrecondition | Code::AlreadyExists => Self::Refused,
            Code::Aborted => Self::Stale,
            Code::NotFound => Self::NotFound,
            Code::PermissionDenied | Code::Unauthenticated => Self::Denied,
            Code::ResourceExhausted => Self::Busy,
            // The client's own timeout comes as Cancelled.
            Code::DeadlineExceeded | Code::Cancelled => Self::Timeout,
            Code::Unavailable => Self::Unreachable,
            _ => Self::Failed,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Fault {
    /// An error of this kind, in words.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), hint: None }
    }

    /// Says how to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let mut metadata = MetadataMap::new();
        metadata.insert(REASON, MetadataValue::from_static(fault.reason.word()));
        if let Some(hint) = &fault.hint {
            metadata.insert_bin(HINT, MetadataValue::from_bytes(hint.as_bytes()));
        }
        Self::with_metadata(fault.reason.code(), fault.message, metadata)
    }
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        let word = status.metadata().get(REASON).and_then(|value| value.to_str().ok());
        let ours = word.and_then(|word| Reason::ALL.into_iter().find(|reason| reason.word() == word));
        if let (None, Some(fault)) = (ours, turned_away(&words(&status))) {
            return fault;
        }
        let hint = status.metadata().get_bin(HINT).and_then(|value| value.to_bytes().ok());
        Self {
            reason: ours.unwrap_or_else(|| Reason::of_foreign(&status)),
            message: words(&status),
            hint: hint.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

/// What the server's TLS said of the certificate it was shown, if that is why it hung up. Asking again would not help.
pub(crate) fn turned_away(words: &str) -> Option<Fault> {
    let (_, alert) = words.split_once("received fatal alert: ")?;
    let name: String = alert.chars().take_while(char::is_ascii_alphanumeric).collect();
    let (why, hint) = match name.as_str() {
        "CertificateExpired" => (
            "it has expired, or is not good yet, by the clock there",
            "take a new one from a member with `qrm cluster certificate`, or look at the clocks of both hosts",
        ),
        "UnknownCA" | "BadCertificate" | "DecryptError" => {
            ("another CA has signed it", "use ca.pem, admin.pem and admin.key of one and the same cluster")
        }
        "CertificateUnknown" | "UnsupportedCertificate" | "CertificateRevoked" | "CertificateRequired" => {
            ("it is not one for this", "use ca.pem, admin.pem and admin.key of one and the same cluster")
        }
        _ => return None,
    };
    Some(Fault::new(Reason::Denied, format!("the server refuses the certificate: {why}")).hint(hint))
}

/// The status's message with its causes: the transport's own message alone says little.
fn words(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    if message.is_empty() {
        message = status.code().description().to_owned();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_the_wire() {
        for reason in Reason::ALL {
            let fault = Fault::new(reason, "vm1 kann nicht: n1 läuft — vielleicht").hint("tippe `qrm status` – jetzt");
            let status = Status::from(fault.clone());
            assert_eq!(Fault::from(status), fault, "{reason}");
        }
        let plain = Fault::new(Reason::Refused, "no");
        assert_eq!(Fault::from(Status::from(plain.clone())), plain);
    }

    #[test]
    fn a_refused_certificate_is_told_in_words() {
        let said = |alert: &str| turned_away(&format!("transport error: received fatal alert: {alert}"));
        assert!(said("CertificateExpired").unwrap().message.contains("has expired"));
        assert!(said("UnknownCA").unwrap().message.contains("another CA"));
        assert!(said("BadCertificate (42)").is_some_and(|fault| fault.reason == Reason::Denied));
        assert_eq!(said("InternalError"), None);
        assert_eq!(turned_away("connection refused"), None);
    }

    #[test]
    fn a_status_without_our_word_is_read_by_its_code() {
        let check = |code, wanted| assert_eq!(Fault::from(Status::new(code, "x")).reason, wanted, "{code}");
        check(Code::Unavailable, Reason::Unreachable);
        check(Code::Cancelled, Reason::Timeout);
        check(Code::DeadlineExceeded, Reason::Timeout);
        check(Code::NotFound, Reason::NotFound);
        check(Code::Unimplemented, Reason::Failed);
        assert_eq!(Fault::from(Status::new(Code::Internal, "")).message, Code::Internal.description());
    }
}
