//! The socket for agents that run as another user than root: anybody may open it, and only who belongs to an action that
//! runs now is heard. What the credential is, is the kernel's word: the caller's cgroup is that of an action of this daemon.
//! It ends with the action, cannot be copied, and outlives `su -` and `sudo`, which drop the environment.
//!
//! What may be asked here is [`crate::service`]'s to say; nothing is read from messages.

use super::local::listen;
use super::member::server;
use crate::service::Seat;
use nix::unistd::Uid;
use quorate_agents::process::Processes;
use quorate_api::AGENTS_SOCKET;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::transport::server::Connected;

/// So many are open at once: what the daemon can hold open is for others too.
const CONNECTIONS_MOST: usize = 128;

/// Who opened a connection, as the kernel said it then.
#[derive(Clone, Debug)]
pub struct Caller {
    processes: Processes,
    process: u32,
    /// When that process began, in ticks of this boot: its number may be another's by now.
    began: Option<u64>,
    /// As whom it runs.
    pub(crate) user: Uid,
}

impl Caller {
    fn of(stream: &UnixStream, processes: &Processes) -> Option<Self> {
        let peer = stream.peer_cred().ok()?;
        let process = u32::try_from(peer.pid()?).ok()?;
        let (processes, user) = (processes.clone(), Uid::from_raw(peer.uid()));
        Some(Self { processes, process, began: began(process), user })
    }

    /// The action that it belongs to, if that still runs.
    pub(crate) fn action(&self) -> Option<String> {
        let action = self.processes.action_of(self.process)?;
        (self.began.is_some() && began(self.process) == self.began).then_some(action)
    }
}

/// When a process began: the 22nd field of its `stat`, counted behind its name, which may hold anything.
fn began(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// A connection, and who opened it.
struct Connection {
    stream: UnixStream,
    caller: Caller,
    _room: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Serves it beside the local socket as long as the process lives. Where actions have no cgroup nobody could be told from
/// anybody, and there is none.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(socket: &Path, seat: Arc<Seat>, processes: &Processes) -> anyhow::Result<()> {
    if !processes.contained() {
        return Ok(());
    }
    let listener = listen(&socket.with_file_name(AGENTS_SOCKET), 0o666)?;
    let (processes, room) = (processes.clone(), Arc::new(Semaphore::new(CONNECTIONS_MOST)));
    let connections = UnixListenerStream::new(listener).filter_map(move |opened| {
        // Who is gone already is not answered; what the kernel refuses to accept now it may accept again.
        let stream = opened.inspect_err(|error| tracing::warn!(%error, "the agents' socket")).ok()?;
        let caller = Caller::of(&stream, &processes)?;
        // Any user may come: who belongs to no action takes no room.
        caller.action()?;
        let room = room.clone().try_acquire_owned().ok()?;
        Some(Ok::<_, io::Error>(Connection { stream, caller, _room: room }))
    });
    let router = Server::builder().add_service(server(seat));
    tokio::spawn(async move {
        if let Err(error) = router.serve_with_incoming(connections).await {
            tracing::error!(%error, "the agents' socket ended: agents of other users than root cannot say anything");
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_beginning() {
        let own = std::process::id();
        assert!(began(own).is_some_and(|ticks| ticks > 0) && began(own) == began(own));
        assert_eq!(began(u32::MAX), None);
    }
}
