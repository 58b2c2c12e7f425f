//! `stand-in-systemd BUS RUNTIME-DIRECTORY UNIT-DIRECTORY…`: runs until it is killed, and finds a bus that was away again.

use anyhow::{Result, bail};
use quorate_systemd::bus::serve;
use quorate_systemd::service::Manager;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

/// Between two tries to reach the bus.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next() else {
        bail!("usage: stand-in-systemd BUS RUNTIME-DIRECTORY UNIT-DIRECTORY…")
    };
    let directories: Vec<PathBuf> = arguments.map(PathBuf::from).collect();
    let Some(runtime) = directories.first() else { bail!("name the directory that does not outlive a boot") };
    std::fs::create_dir_all(runtime)?;
    let manager = Manager::new(directories);
    loop {
        if let Err(error) = serve(&manager, &address).await {
            eprintln!("the bus cannot be served: {error}");
        }
        sleep(PAUSE).await;
    }
}
