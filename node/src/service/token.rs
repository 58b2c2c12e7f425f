//! Join tokens: the secret leaves here once, and the log keeps its hash.

use super::asker::Asker;
use super::fault;
use crate::daemon::clock::{log_time, wall_clock};
use crate::security::ca;
use crate::security::token::Token;
use quorate_api::proto::{TokenReply, TokenRequest};
use quorate_api::{Fault, Reason};
use quorate_core::state::{ClusterState, Command};
use quorate_core::time::Timestamp;
use std::net::SocketAddr;

const DEFAULT_SECONDS: u64 = 60 * 60;
const LONGEST_SECONDS: u64 = 24 * 60 * 60;

/// Makes a token. A retry makes another: the first one's secret is known to nobody, and it runs out.
pub(super) async fn create(asker: &Asker, request: &TokenRequest) -> Result<TokenReply, Fault> {
    let seconds = seconds(request.valid_seconds)?;
    asker.settle().await?;
    let token = asker.cluster.state(new_token)?;
    // It ends by the log's time, and is told in this host's.
    let ends = |now: Timestamp| Timestamp(now.0.saturating_add(seconds * 1000));
    let expires = ends(log_time());
    let command = Command::CreateToken { hash: token.hash(), expires, actor: asker.actor.clone() };
    // The answer to an earlier try would be that to another secret.
    let anew = Asker { request: None, ..asker.clone() };
    anew.propose(command).await?;
    Ok(TokenReply { token: token.reveal(), expires_unix_ms: ends(wall_clock()).0 })
}

fn seconds(asked: u64) -> Result<u64, Fault> {
    match asked {
        0 => Ok(DEFAULT_SECONDS),
        1..=LONGEST_SECONDS => Ok(asked),
        _ => Err(fault::invalid(
            format!("a token cannot be good for {asked} s: at most {LONGEST_SECONDS} s, which is a day"),
            "make it when it is needed: it takes a moment",
        )),
    }
}

fn new_token(state: &ClusterState) -> Result<Token, Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::new(Reason::Failed, format!("a token cannot be made: {error}"));
    let identity = state.identity.as_ref();
    let identity = identity.ok_or_else(|| Fault::new(Reason::NoCluster, "this cluster is still being founded"))?;
    let fingerprint = ca::fingerprint(&identity.ca_certificate).map_err(|error| failed(&error))?;
    // Those that take part come first: a joiner asks them in this order.
    let mut members: Vec<_> = state.members.values().collect();
    members.sort_by_key(|member| !state.nodes.get(&member.name).is_some_and(quorate_core::state::NodeState::is_online));
    let addresses = members.into_iter().filter_map(|member| member.address.parse::<SocketAddr>().ok());
    Token::create(addresses, &fingerprint).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_an_hour_and_never_for_more_than_a_day() {
        assert_eq!(seconds(0), Ok(3600));
        assert_eq!(seconds(60), Ok(60));
        assert_eq!(seconds(LONGEST_SECONDS), Ok(LONGEST_SECONDS));
        assert_eq!(seconds(LONGEST_SECONDS + 1).unwrap_err().reason, Reason::Invalid);
        assert_eq!(seconds(u64::MAX).unwrap_err().reason, Reason::Invalid);
    }
}
