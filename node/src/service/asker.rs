//! One request on its way into the log: who asks, under which id, and how it is asked again.
//!
//! The log remembers each client's last answer. So a request that was answered already is answered from the state, and
//! what is tried anew for the same request gets a name of its own, in the same order every time.

use super::fault;
use crate::daemon::cluster::Cluster;
use quorate_api::{Fault, Reason, proto};
use quorate_core::id::RequestId;
use quorate_core::state::{Answered, Command, Outcome};
use quorate_raft::ReplicaError;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::MetadataMap;

/// An election is over within this; the client asks again after it.
pub(super) const SETTLE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);
/// The longest name of a client: it is kept in the state.
const LONGEST_CLIENT: usize = 64;

/// Who asks for a change, and under which id.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) cluster: Cluster,
    /// For the history: `root@n1`.
    pub(super) actor: String,
    pub(super) request: Option<RequestId>,
    /// So long it waits for a leader.
    pub(super) patience: Duration,
}

impl Asker {
    /// Waits until this member shows what is so now.
    pub(super) async fn settle(&self) -> Result<(), Fault> {
        settle(&self.cluster, self.patience).await
    }

    /// The answer that this request was given already, if it was.
    ///
    /// # Errors
    /// A refusal that it was given, or that it is older than the last request of its client.
    pub(super) fn answered(&self) -> Result<Option<(u64, Outcome)>, Fault> {
        let Some(request) = &self.request else {
            return Ok(None);
        };
        let last = self.cluster.state(|state| state.clients.get(&request.client).cloned());
        answer_to(request, last)
    }

    /// Brings a command into the log.
    ///
    /// # Errors
    /// Also when it was refused there.
    pub(super) async fn propose(&self, command: Command) -> Result<(u64, Outcome), Fault> {
        match self.cluster.change(self.request.clone(), command).await {
            Ok((_, Outcome::Refused(refusal))) => Err(fault::refused(&refusal)),
            Ok(done) => Ok(done),
            Err(error) => Err(fault::unproposed(&error)),
        }
    }

    /// The same request under another name, for what it is not the first command of.
    pub(super) fn named(&self, suffix: &str) -> Self {
        let mut other = self.clone();
        if let Some(request) = &mut other.request {
            // No client's own name has this character.
            request.client = format!("{}#{suffix}", request.client);
        }
        other
    }

    /// Whether the log has an answer to this very request.
    pub(super) fn is_remembered(&self) -> bool {
        self.request.as_ref().is_none_or(|request| {
            self.cluster
                .state(|state| state.clients.get(&request.client).is_some_and(|last| last.serial == request.serial))
        })
    }
}

/// Waits until the member shows what is so now; an election is waited for.
pub(super) async fn settle(cluster: &Cluster, patience: Duration) -> Result<(), Fault> {
    let end = Instant::now() + patience;
    loop {
        let error = match timeout_at(end, cluster.fresh()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error,
            Err(_) => ReplicaError::Timeout(patience),
        };
        if matches!(error, ReplicaError::Stopped(_)) || Instant::now() + PAUSE >= end {
            return Err(fault::unconfirmed(&error));
        }
        sleep(PAUSE).await;
    }
}

fn answer_to(request: &RequestId, last: Option<Answered>) -> Result<Option<(u64, Outcome)>, Fault> {
    match last {
        Some(last) if last.serial == request.serial => match last.outcome {
            Outcome::Refused(refusal) => Err(fault::refused(&refusal)),
            outcome => Ok(Some((last.index, outcome))),
        },
        Some(last) if last.serial > request.serial => Err(Fault::new(
            Reason::Stale,
            format!("request {} of this client is older than its last one, {}", request.serial, last.serial),
        )
        .hint("a client's serial numbers have to rise")),
        _ => Ok(None),
    }
}

/// How long to wait for a leader on behalf of a client that waits so long for its answer: it shall hear why it got
/// nowhere, and not only that nobody answered.
pub(super) fn patience(metadata: &MetadataMap) -> Duration {
    let asked = metadata.get("grpc-timeout").and_then(|value| value.to_str().ok()).and_then(grpc_timeout);
    asked.map_or(SETTLE, |asked| SETTLE.min(asked * 3 / 4))
}

/// At most eight digits and a unit.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

/// The request's id as the log has it.
pub(super) fn request_id(given: Option<proto::RequestId>) -> Result<Option<RequestId>, Fault> {
    let Some(proto::RequestId { client, serial }) = given else {
        return Ok(None);
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if client.is_empty() || client.len() > LONGEST_CLIENT || !client.bytes().all(fits) || serial == 0 {
        let hint = "take a random UUID for each client process, and serials from 1";
        return Err(fault::invalid("the request's id has no usable client name or serial", hint));
    }
    Ok(Some(RequestId { client, serial }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::state::Refusal;

    fn request(client: &str, serial: u64) -> proto::RequestId {
        proto::RequestId { client: client.to_owned(), serial }
    }

    #[test]
    fn a_request_id_is_checked_where_it_enters() {
        assert_eq!(request_id(None), Ok(None));
        let id = request_id(Some(request("6f1d2c3a-0b4e", 1))).unwrap().unwrap();
        assert_eq!((id.client.as_str(), id.serial), ("6f1d2c3a-0b4e", 1));
        let long = "x".repeat(LONGEST_CLIENT + 1);
        for (client, serial) in [("", 1), ("a#1", 1), ("a b", 1), ("a", 0), (long.as_str(), 1)] {
            let fault = request_id(Some(request(client, serial))).unwrap_err();
            assert_eq!(fault.reason, Reason::Invalid, "{client} {serial}");
        }
    }

    #[test]
    fn a_client_in_a_hurry_hears_in_time_that_there_is_no_leader() {
        let of = |timeout: &str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", timeout.parse().unwrap());
            patience(&metadata)
        };
        assert_eq!(patience(&MetadataMap::new()), SETTLE);
        assert_eq!((of("10S"), of("99999999H")), (SETTLE, SETTLE));
        assert_eq!((of("2000m"), of("4000000u")), (Duration::from_millis(1500), Duration::from_secs(3)));
        for nonsense in ["", "S", "10", "-1S", "123456789S", "ten s"] {
            assert_eq!(of(nonsense), SETTLE, "{nonsense}");
        }
    }

    #[test]
    fn a_retry_is_answered_and_an_older_request_is_refused() {
        let asked = RequestId { client: "c".to_owned(), serial: 5 };
        let last = |serial, outcome| Some(Answered { serial, index: 40, outcome });
        assert_eq!(answer_to(&asked, None), Ok(None));
        assert_eq!(answer_to(&asked, last(4, Outcome::Done)), Ok(None));
        assert_eq!(answer_to(&asked, last(5, Outcome::Revision(3))), Ok(Some((40, Outcome::Revision(3)))));
        assert_eq!(answer_to(&asked, last(6, Outcome::Done)).unwrap_err().reason, Reason::Stale);
        let refused = Outcome::Refused(Refusal::Unsafe("no".to_owned()));
        assert_eq!(answer_to(&asked, last(5, refused)).unwrap_err().reason, Reason::Refused);
    }
}
