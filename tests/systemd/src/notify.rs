//! Where services tell that they are up: `Type=notify`.

use nix::unistd::getpid;
use std::path::PathBuf;
use tokio::net::UnixDatagram;

/// A socket that one service tells on; gone when it is dropped.
#[derive(Debug)]
pub struct Readiness {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Readiness {
    /// A socket for this unit.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn of(unit: &str) -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("stand-in-{}-{unit}", getpid()));
        // Of an earlier start of the same unit.
        let _ = std::fs::remove_file(&path);
        Ok(Self { socket: UnixDatagram::bind(&path)?, path })
    }

    /// What the service finds in its environment.
    pub fn address(&self) -> &std::path::Path {
        &self.path
    }

    /// Until it says so.
    pub async fn ready(&self) {
        let mut bytes = [0; 512];
        while let Ok(count) = self.socket.recv(&mut bytes).await {
            if bytes[..count].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                return;
            }
        }
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
