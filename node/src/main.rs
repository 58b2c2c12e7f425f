//! `quorated`: puts the daemon's parts together and waits for its end.

use anyhow::Context;
use clap::Parser;
use quorate_agents::ocf::Agents;
use quorate_agents::process::{Bound, CgroupBase, Processes, own_cgroup2};
use quorate_agents::systemd::Systemd;
use quorate_agents::vm::VmBackend;
use quorate_core::state::Release;
use quorate_node::daemon::Ended;
use quorate_node::daemon::agents_socket;
use quorate_node::daemon::forming::Founder;
use quorate_node::daemon::helpers;
use quorate_node::daemon::leaving;
use quorate_node::daemon::local;
use quorate_node::daemon::member::Host;
use quorate_node::daemon::options::Options;
use quorate_node::daemon::returning;
use quorate_node::daemon::sleep;
use quorate_node::engine::Event;
use quorate_node::security::{DataDir, FilesError, boot_id, hardware};
use quorate_node::service::Seat;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

/// The hypervisor may come up while the daemon does; calls say so until it is there.
const HYPERVISOR_PATIENCE: Duration = Duration::from_secs(2);
/// What is logged unless RUST_LOG says otherwise; openraft tells every election and append at its own info, and warns of
/// every heartbeat and append that fails, where the members' network tells in few lines who cannot be reached.
const LOG: &str = "info,openraft=warn,openraft::core::heartbeat=error,openraft::replication=error,\
    openraft::engine::handler::replication_handler=error";
/// The directory in the daemon's cgroup that holds its actions': what is in it is killed when a daemon starts, so the
/// daemon itself must never be.
const ACTIONS: &str = "actions";
/// A killed predecessor is gone within this, and so is its lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// An orderly stop takes no longer; then the daemon just ends, and its VMs stay all the same.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// More threads than this only cost memory on a large host.
const WORKERS: usize = 4;

/// A plan takes and gives back a great many small pieces, which this does faster than the C library.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    let options = Options::parse();
    let cores = std::thread::available_parallelism().map_or(WORKERS, usize::from);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime =
        runtime.worker_threads(cores.min(WORKERS)).enable_all().build().context("cannot start the runtime")?;
    runtime.block_on(run(options))
}

async fn run(options: Options) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let data = Arc::new(own(&options.data_dir).await?);
    let found = hardware(&data, options.hardware_id_file.as_deref())?;
    let (ended, mut end) = mpsc::channel(1);
    let seat = Arc::new(Seat::empty());
    let processes = Processes::new(containment(&options)?);
    // Who runs no real VMs may sleep.
    if options.fake_vms.is_none() {
        sleep::mask(&processes, &options.sleep_mask).await;
    }
    let host = Host {
        backend: backend(&options).await?,
        agents: Arc::new(
            Agents::new(&options.ocf_root, processes.clone()).with_helpers(helpers::install(&options.socket)),
        ),
        systemd: Arc::new(Systemd::new(&options.systemd_bus, &options.systemd_runtime)),
        processes: Arc::new(processes),
        feeder: options.feeder_socket.clone(),
        reboot_command: options
            .reboot_command
            .as_ref()
            .map(|command| command.split_whitespace().map(str::to_owned).collect()),
        data: data.clone(),
        session: boot_id()?,
        release: options.feature_level.map_or_else(Release::this, Release::held_at),
        seat: seat.clone(),
        ended,
        events: Arc::new(OnceLock::new()),
    };
    let founder = Founder { host: host.clone(), hardware: found.clone(), busy: Arc::default() };
    seat.set_forming(Arc::new(founder));
    if let Some((identity, credentials)) = data.load()? {
        identity.check_hardware(&found)?;
        seat.wait(Some(format!("{} is starting", identity.node)));
        serve(&options, seat, &host)?;
        let (node, cluster) = (identity.node.clone(), identity.cluster_name.clone());
        tokio::select! {
            started = returning::start(&host, identity, credentials) => started.map_err(|fault| anyhow::anyhow!("{fault}"))?,
            () = signals.stop() => return Ok(()),
        }
        tracing::info!(%node, cluster, "member started");
    } else {
        tracing::info!("in no cluster yet: qrm cluster init, or qrm cluster join");
        serve(&options, seat, &host)?;
    }
    wait(&options, &host, &mut end, &mut signals).await
}

/// Opens the doors of this host.
fn serve(options: &Options, seat: Arc<Seat>, host: &Host) -> anyhow::Result<()> {
    agents_socket::serve(&options.socket, seat.clone(), &host.processes)?;
    local::serve(&options.socket, seat)
}

/// Takes the data directory. A daemon that was just killed holds it until the kernel has cleared it away.
async fn own(path: &Path) -> Result<DataDir, FilesError> {
    let end = tokio::time::Instant::now() + LOCK_PATIENCE;
    loop {
        match DataDir::open(path) {
            Err(FilesError::Locked { .. }) if tokio::time::Instant::now() < end => tokio::time::sleep(LOCK_PAUSE).await,
            opened => return opened,
        }
    }
}

/// Who tells the daemon to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
        })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn wait(
    options: &Options,
    host: &Host,
    end: &mut mpsc::Receiver<Ended>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = end.recv() => return report(ended),
        () = signals.stop() => {}
    }
    let Some(events) = host.events.get() else { return Ok(()) };
    if let Some(cluster) = host.seat.cluster().filter(|cluster| cluster.removed().is_none()) {
        if leaving::host_stops(&host.processes, &options.stopping_check).await {
            leaving::clear_host(&cluster, Duration::from_secs(options.stopping_patience)).await;
        }
        leaving::pass_on(&cluster).await;
    }
    tracing::info!("stopping; what runs here stays as it is");
    // The member may have ended by itself just now.
    let _ = events.send(Event::Stopping).await;
    match tokio::time::timeout(STOP_PATIENCE, end.recv()).await {
        Ok(ended) => report(ended),
        Err(_) => {
            tracing::warn!("the cluster could not be told in time; this daemon just ends");
            Ok(())
        }
    }
}

fn report(ended: Option<Ended>) -> anyhow::Result<()> {
    match ended {
        Some(Ended::Stopped) | None => Ok(()),
        Some(Ended::Replica(why)) => anyhow::bail!("the replica ended: {why}"),
    }
}

async fn backend(options: &Options) -> anyhow::Result<VmBackend> {
    use quorate_agents::vm::{fake::FakeVms, host::VmHost, libvirt::Libvirt};
    if let Some(dir) = &options.fake_vms {
        let name = nix::unistd::gethostname().context("cannot read this host's name")?;
        let host = options.data_dir.file_name().map_or(name, std::ffi::OsStr::to_owned);
        return Ok(VmBackend::Fake(FakeVms::new(&host.to_string_lossy(), dir)?));
    }
    let libvirt = Libvirt::connect(&options.libvirt_uri, HYPERVISOR_PATIENCE).await?;
    Ok(VmBackend::Libvirt(VmHost::new(libvirt)))
}

/// contained: every action runs in a cgroup of its own, below the one that was given or the daemon's own.
fn containment(options: &Options) -> anyhow::Result<Option<CgroupBase>> {
    let place = options.cgroup.clone().or_else(own_cgroup2).map(|path| CgroupBase::at(path.join(ACTIONS)));
    let memory = options.action_memory.map(|mib| Bound::Memory(u64::from(mib) << 20));
    match place {
        Some(Ok(base)) => Ok(Some(match memory {
            Some(bound) => base.with(bound),
            None => base,
        })),
        // What was asked for by name is not done without.
        Some(Err(error)) if options.cgroup.is_some() => Err(error.into()),
        _ => {
            tracing::warn!("no cgroup v2 of our own here: actions are contained by process groups only");
            Ok(None)
        }
    }
}
