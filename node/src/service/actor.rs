//! Who asks, and whether they may: by the peer's uid on the socket, by the certificate on the network. Never by what a
//! message says.

use super::seat::Seat;
use crate::daemon::agents_socket::Caller;
use crate::security::tls;
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use quorate_api::{Fault, Reason};
use quorate_core::id::NodeId;
use std::ffi::CString;
use tonic::Extensions;
use tonic::transport::server::UdsConnectInfo;

/// Who may use the local socket, beside root.
const GROUP: &str = "quorate";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Actor {
    /// For histories: `root@n1`, `admin`.
    pub(super) name: String,
    /// On this host's own socket.
    pub(super) is_local: bool,
    /// It belongs to an agent's action and is not root: it may look, and say something of this node.
    pub(super) is_agent: bool,
}

/// The asker of a request, if it may ask.
pub(super) async fn admit(extensions: &Extensions, seat: &Seat) -> Result<Actor, Fault> {
    if let Some(caller) = extensions.get::<Caller>() {
        return agent(caller.clone(), seat).await;
    }
    if let Some(socket) = extensions.get::<UdsConnectInfo>() {
        let peer = socket.peer_cred.ok_or_else(|| Fault::new(Reason::Denied, "the kernel does not say who asks"))?;
        let (uid, gid) = (Uid::from_raw(peer.uid()), Gid::from_raw(peer.gid()));
        // The user database may be on the network.
        let name = tokio::task::spawn_blocking(move || local(uid, gid)).await;
        let name = name.map_err(|error| Fault::new(Reason::Failed, format!("cannot say who asks: {error}")))??;
        let name = seat.cluster().map_or(name.clone(), |cluster| format!("{name}@{}", cluster.me.node));
        return Ok(Actor { name, is_local: true, is_agent: false });
    }
    let peer = tls::require_peer(extensions)?;
    let is_member = || {
        let node = NodeId::new(&peer.name);
        let pinned = |cluster: crate::daemon::cluster::Cluster| {
            cluster.state(|state| state.members.get(&node).is_some_and(|member| member.fingerprint == peer.fingerprint))
        };
        seat.cluster().is_some_and(pinned)
    };
    if peer.is_admin || is_member() {
        return Ok(Actor { name: peer.name, is_local: false, is_agent: false });
    }
    let revoked = |cluster: crate::daemon::cluster::Cluster| {
        cluster.state(|state| state.removed.values().any(|old| old.fingerprint == peer.fingerprint))
    };
    if seat.cluster().is_some_and(revoked) {
        let message = format!("the certificate of '{}' was revoked: it {} ", peer.name, tls::REMOVED);
        return Err(Fault::new(Reason::Denied, message.trim_end())
            .hint("it has to join again, with an emptied data directory and a fresh token"));
    }
    Err(Fault::new(
        Reason::Denied,
        format!("the certificate of '{}' is neither an administrator's nor a member's", peer.name),
    )
    .hint("use the files that `qrm cluster certificate` makes on a member"))
}

/// An agent's process, as long as its action runs: what the action leaves running has no say, whatever it was told.
async fn agent(caller: Caller, seat: &Seat) -> Result<Actor, Fault> {
    let asked = move || (caller.action(), User::from_uid(caller.user).ok().flatten(), caller.user);
    let asked = tokio::task::spawn_blocking(asked).await;
    let (action, user, uid) =
        asked.map_err(|error| Fault::new(Reason::Failed, format!("cannot say who asks: {error}")))?;
    let Some(action) = action else {
        let why = "this socket is for the agents of this cluster, while an action of theirs runs";
        return Err(Fault::new(Reason::Denied, why).hint("ask by qrm, as root"));
    };
    let user = user.map_or_else(|| format!("uid-{uid}"), |user| user.name);
    let at = seat.cluster().map_or_else(String::new, |cluster| format!("@{}", cluster.me.node));
    Ok(Actor { name: format!("{user}:{action}{at}"), is_local: true, is_agent: true })
}

/// The name of a user of this host who may ask.
fn local(uid: Uid, gid: Gid) -> Result<String, Fault> {
    let user = User::from_uid(uid).ok().flatten();
    let name = match &user {
        Some(user) => user.name.clone(),
        None if uid.is_root() => "root".to_owned(),
        None => format!("uid-{uid}"),
    };
    // Who this daemon runs as can read its keys anyway; it is root, but in trials.
    if uid.is_root() || uid == Uid::effective() {
        return Ok(name);
    }
    let group = Group::from_name(GROUP).ok().flatten().map(|group| group.gid);
    let mut groups = vec![gid];
    if let Some(user) = user {
        groups.push(user.gid);
        let supplementary = CString::new(user.name).ok().and_then(|name| getgrouplist(&name, user.gid).ok());
        groups.extend(supplementary.unwrap_or_default());
    }
    match group {
        Some(group) if groups.contains(&group) => Ok(name),
        Some(_) => Err(Fault::new(
            Reason::Denied,
            format!("{name} may not use this: only root and members of the group {GROUP} may"),
        )
        .hint(format!("`usermod -a -G {GROUP} {name}`, or ask as root"))),
        None => Err(Fault::new(
            Reason::Denied,
            format!("{name} may not use this: only root may, for there is no group {GROUP}"),
        )
        .hint(format!("ask as root, or make the group: `groupadd --system {GROUP}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_may_and_a_stranger_may_not() {
        assert_eq!(local(Uid::from_raw(0), Gid::from_raw(0)).unwrap(), "root");
        // No user and no group has these numbers.
        let fault = local(Uid::from_raw(3_999_999_999), Gid::from_raw(3_999_999_999)).unwrap_err();
        assert_eq!(fault.reason, Reason::Denied);
        assert!(fault.message.contains("uid-3999999999") && fault.hint.is_some(), "{fault:?}");
    }

    #[tokio::test]
    async fn a_peer_that_nobody_vouches_for_is_denied() {
        let fault = admit(&Extensions::new(), &Seat::empty()).await.unwrap_err();
        assert_eq!(fault.reason, Reason::Denied);
    }
}
