//! The local socket: root and the group `quorate` may open it; each request is checked again by its peer's uid.

use super::member::server;
use crate::service::Seat;
use anyhow::Context;
use nix::unistd::{Gid, Group, chown};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

/// The group that may use the socket.
const GROUP: &str = "quorate";

/// Serves the local socket as long as the process lives.
///
/// # Errors
/// When the socket cannot be made.
pub fn serve(path: &Path, seat: Arc<Seat>) -> anyhow::Result<()> {
    let listener = listen(path, 0o660)?;
    let group: Option<Gid> = Group::from_name(GROUP).ok().flatten().map(|group| group.gid);
    if group.is_some() {
        chown(path, None, group).with_context(|| format!("cannot give {} to the group {GROUP}", path.display()))?;
    }
    let router = Server::builder().add_service(server(seat));
    tokio::spawn(async move {
        if let Err(error) = router.serve_with_incoming(UnixListenerStream::new(listener)).await {
            tracing::error!(%error, "the local socket ended: this daemon ends");
            std::process::abort();
        }
    });
    Ok(())
}

/// A socket at this path, for whom its mode lets in.
pub(super) fn listen(path: &Path, mode: u32) -> anyhow::Result<UnixListener> {
    let dir = path.parent().context("a socket needs a directory")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    // The lock on the data directory says that no other daemon lives: what is there was left behind.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove the old socket {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot protect {}", path.display()))?;
    Ok(listener)
}
