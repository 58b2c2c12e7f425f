//! Units of systemd as resources, over D-Bus: started and stopped by jobs whose end is waited for, judged by their state.
//!
//! Stopped is said only when systemd says that the unit is inactive or failed and that none of its processes is left. A bus
//! or a systemd that is away, or answers late, is *unknown*. Nothing here decides; the words are those of OCF agents, so that
//! the same rules hold.

mod bus;
pub mod describe;
mod job;
mod overrides;
mod state;
mod watch;

use crate::ocf::{Found, Purpose, Reach, Verdict};
use bus::{Bus, Link, error_name, is_away};
use job::Order;
use state::{Active, State};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Where the system bus is, unless a daemon is told otherwise.
pub const BUS: &str = "unix:path=/run/dbus/system_bus_socket";
/// Units and drop-ins that do not outlive a boot; it exists where systemd runs, and nowhere else.
pub const RUNTIME: &str = "/run/systemd/system";

/// Between two questions while something is under way, or the bus is away.
const PAUSE: Duration = Duration::from_millis(200);
/// When an order's time is up systemd may take so long to say what came of it.
const LOOK_PATIENCE: Duration = Duration::from_secs(1);
/// What survived a stop is killed, and may need so long to be gone.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// A host that has to die waits no longer for its units.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// systemd's word for the strongest of signals.
const SIGKILL: i32 = 9;

/// The units of this host.
#[derive(Debug)]
pub struct Systemd {
    bus: Bus,
    runtime: PathBuf,
    known: watch::Known,
}

/// Why nothing is known in time.
enum Blind {
    /// Nobody answered.
    Late(String),
    /// systemd refused.
    Refused(zbus::Error),
}

impl Systemd {
    /// The systemd that is on the bus at `address`; its drop-ins go into `runtime`.
    pub fn new(address: impl Into<String>, runtime: impl Into<PathBuf>) -> Self {
        Self { bus: Bus::new(address.into()), runtime: runtime.into(), known: watch::Known::default() }
    }

    /// Whether systemd runs this host, by its own sign.
    pub fn is_here(&self) -> bool {
        self.runtime.is_dir()
    }

    /// Where the drop-ins go.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Carries out one operation on a unit, by its full name, within bounded time.
    pub async fn run(&self, unit: &str, purpose: Purpose, limit: Duration) -> Verdict {
        if !self.is_here() {
            return absent(purpose);
        }
        self.known.add(unit);
        let end = Instant::now() + limit;
        let verdict = match purpose {
            Purpose::Probe | Purpose::Watch => self.look(unit, purpose, end).await,
            Purpose::Start => self.start(unit, end, limit).await,
            Purpose::Stop => self.stop(unit, end, limit).await,
            Purpose::Reload => self.reload(unit, end).await,
            Purpose::Promote | Purpose::Demote => {
                failed("a unit of systemd cannot be promoted".to_owned(), Reach::Everywhere)
            }
        };
        self.known.found(unit, &verdict.found);
        verdict
    }

    /// Asks until there is an answer, or the time is up. What systemd refused is an answer.
    async fn ask<T, F>(&self, end: Instant, question: impl Fn(Arc<Link>) -> F) -> Result<T, Blind>
    where
        F: Future<Output = zbus::Result<T>>,
    {
        let began = Instant::now();
        let mut why = "systemd did not answer".to_owned();
        loop {
            let Ok(link) = timeout_at(end, self.bus.link()).await else { break };
            let error = match link {
                Ok(link) => match timeout_at(end, question(link.clone())).await {
                    Err(_) => break,
                    Ok(Ok(answer)) => return Ok(answer),
                    Ok(Err(error)) if !is_away(&error) => return Err(Blind::Refused(error)),
                    Ok(Err(error)) => {
                        self.bus.drop_link(&link).await;
                        error
                    }
                },
                Err(error) => error,
            };
            why = format!("systemd cannot be asked: {error}");
            if Instant::now() + PAUSE >= end {
                break;
            }
            sleep(PAUSE).await;
        }
        Err(Blind::Late(format!("{why}, for {:.1} s", began.elapsed().as_secs_f64())))
    }

    async fn state(&self, unit: &str, end: Instant) -> Result<State, Blind> {
        self.ask(end, |link| async move { State::read(&link, unit).await }).await
    }

    /// Its state when nothing is under way any more, or the last one there is time for.
    async fn settled(&self, unit: &str, end: Instant) -> Result<State, Blind> {
        loop {
            let state = self.state(unit, end).await?;
            if !state.is_under_way() || Instant::now() + PAUSE >= end {
                return Ok(state);
            }
            sleep(PAUSE).await;
        }
    }

    async fn look(&self, unit: &str, purpose: Purpose, end: Instant) -> Verdict {
        let state = match self.settled(unit, end).await {
            Ok(state) => state,
            Err(blind) => return Verdict { found: Found::Unknown(blind.text()), error: None },
        };
        let found = state.found();
        let error = match &found {
            // It was there, and nobody wanted this.
            Found::Stopped if purpose == Purpose::Watch => Some((state.text(), Reach::Soft)),
            Found::Failed(why) => Some((why.clone(), Reach::Soft)),
            _ => None,
        };
        Verdict { found, error }
    }

    async fn start(&self, unit: &str, end: Instant, limit: Duration) -> Verdict {
        let before = match self.state(unit, end).await {
            Ok(state) => state,
            Err(blind) => return never_began(blind.text()),
        };
        if let Some(why) = before.why_not_startable(unit) {
            let found = before.found();
            return Verdict { found, error: Some((why, Reach::Node)) };
        }
        match overrides::write(&self.runtime, unit) {
            Ok(true) => {
                if let Err(blind) = self.ask(end, |link| async move { link.manager.reload().await }).await {
                    return never_began(format!("systemd does not take up the unit's drop-in: {}", blind.text()));
                }
            }
            Ok(false) => {}
            Err(error) => {
                let at = self.runtime.display();
                return never_began(format!("the unit's drop-in cannot be written to {at}: {error}"));
            }
        }
        if before.active == Active::Failed {
            // What the cluster starts again is not counted by systemd too.
            let _ = self.ask(end, |link| async move { link.manager.reset_failed_unit(unit).await }).await;
        }
        let order = self.order(unit, Order::Start, end).await;
        // The time may be up; what there is to see is looked at all the same.
        let last = end.max(Instant::now() + LOOK_PATIENCE);
        let after = match order.is_late() {
            true => self.state(unit, last).await,
            false => self.settled(unit, last).await,
        };
        let after = match after {
            Ok(after) => after,
            Err(blind) => return failed(format!("{}{}", order.text(), blind.text()), Reach::Soft),
        };
        match after.found() {
            Found::Running if order.is_done() => Verdict { found: Found::Running, error: None },
            _ if order.is_late() => {
                let text = format!("it did not start within {:.1} s: {}", limit.as_secs_f64(), after.text());
                failed(text, Reach::Soft)
            }
            _ => failed(format!("{}{}", order.text(), after.text()), order.reach()),
        }
    }

    async fn stop(&self, unit: &str, end: Instant, limit: Duration) -> Verdict {
        let before = match self.state(unit, end).await {
            Ok(state) => state,
            Err(blind) => return unknown(blind.text()),
        };
        let mut said = String::new();
        if before.found() != Found::Stopped {
            let order = self.order(unit, Order::Stop, end).await;
            said = match order.is_late() {
                true => format!("it did not stop within {:.1} s: ", limit.as_secs_f64()),
                false => order.text(),
            };
        }
        let end = end.max(Instant::now() + LOOK_PATIENCE);
        let mut after = match self.state(unit, end).await {
            Ok(after) => after,
            Err(blind) => return unknown(format!("{said}{}", blind.text())),
        };
        if after.active.is_down() && !after.processes.is_empty() {
            after = self.kill_what_is_left(unit, after).await;
        }
        match after.found() {
            Found::Stopped => {
                self.take_back(unit).await;
                Verdict { found: Found::Stopped, error: None }
            }
            _ => failed(format!("{said}{}", after.text()), Reach::Soft),
        }
    }

    /// Its main process is gone and others are not: they belong to what was stopped, as with every agent.
    async fn kill_what_is_left(&self, unit: &str, left: State) -> State {
        let end = Instant::now() + KILL_PATIENCE;
        tracing::warn!(unit, left = left.text(), "processes survived its stop: they are killed");
        let _ = self.ask(end, |link| async move { link.manager.kill_unit(unit, "all", SIGKILL).await }).await;
        loop {
            match self.state(unit, end).await {
                Ok(state) if state.processes.is_empty() || Instant::now() + PAUSE >= end => return state,
                Ok(_) => sleep(PAUSE).await,
                Err(_) => return left,
            }
        }
    }

    /// Removes the drop-in of what is stopped. That it stays behind harms nothing.
    async fn take_back(&self, unit: &str) {
        let end = Instant::now() + KILL_PATIENCE;
        match overrides::remove(&self.runtime, unit) {
            Ok(true) => {
                if let Err(blind) = self.ask(end, |link| async move { link.manager.reload().await }).await {
                    tracing::warn!(unit, why = blind.text(), "systemd keeps the drop-in of what is stopped for now");
                }
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(unit, %error, "the drop-in of what is stopped stays"),
        }
    }

    async fn reload(&self, unit: &str, end: Instant) -> Verdict {
        let order = self.order(unit, Order::Reload, end).await;
        match order.is_done() {
            true => self.look(unit, Purpose::Watch, end).await,
            false => failed(order.text(), Reach::Soft),
        }
    }

    /// breathing: everything that this host runs for the cluster is killed, as far as that goes in a short time: what was
    /// started by it, by an earlier daemon too, and what was found running.
    pub async fn kill_all(&self) {
        let mut units = overrides::all(&self.runtime);
        units.extend(self.known.running());
        units.sort_unstable();
        units.dedup();
        let kill = |unit: String| async move {
            let killed = async {
                let link = self.bus.link().await?;
                link.manager.kill_unit(&unit, "all", SIGKILL).await?;
                link.manager.stop_unit(&unit, job::MODE).await.map(drop)
            };
            match timeout(LAST_PATIENCE, killed).await {
                Ok(Ok(())) => tracing::warn!(unit, "killed"),
                Ok(Err(error)) => tracing::error!(unit, %error, "it could not be killed"),
                Err(_) => tracing::error!(unit, "systemd did not answer in time"),
            }
        };
        futures::future::join_all(units.into_iter().map(kill)).await;
    }
}

impl Blind {
    fn text(&self) -> String {
        match self {
            Self::Late(why) => why.clone(),
            Self::Refused(error) => match error_name(error) {
                Some("AccessDenied") => format!("systemd does not let this daemon do that: {error}"),
                _ => format!("systemd refuses: {error}"),
            },
        }
    }
}

/// Where systemd does not run, nothing of it runs.
fn absent(purpose: Purpose) -> Verdict {
    let error = match purpose {
        Purpose::Probe | Purpose::Watch | Purpose::Stop => None,
        _ => Some(("systemd does not run this host: it has no units".to_owned(), Reach::Node)),
    };
    Verdict { found: Found::Stopped, error }
}

fn never_began(why: String) -> Verdict {
    Verdict { found: Found::Unknown(why.clone()), error: Some((why, Reach::Soft)) }
}

fn unknown(why: String) -> Verdict {
    Verdict { found: Found::Unknown(why.clone()), error: Some((why, Reach::Soft)) }
}

fn failed(why: String, reach: Reach) -> Verdict {
    Verdict { found: Found::Failed(why.clone()), error: Some((why, reach)) }
}
