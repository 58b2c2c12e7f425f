//! One order to systemd: the job it becomes, and how that ends.

use super::bus::{Link, error_name, is_away};
use super::{PAUSE, Systemd};
use crate::ocf::Reach;
use futures::StreamExt;
use quorate_core::text::printable;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::{Instant, interval, sleep, timeout_at};
use zbus::OwnedObjectPath;

/// An order takes the place of another one that contradicts it.
pub(super) const MODE: &str = "replace";
/// While the host shuts down systemd has a stop of each unit queued behind that of this daemon: ours must not wait for it.
const SHUTTING_DOWN: &str = "ignore-dependencies";
/// A signal may be lost with the connection: so often the job is looked for.
const LOOK: Duration = Duration::from_secs(1);
const TEXT_MOST: usize = 300;

/// What is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Start,
    Stop,
    Reload,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// systemd's own word: `done`, `failed`, `timeout`, `canceled`, `dependency`, `skipped` …
    Result(Order, String),
    /// There was never a job.
    Refused(String, Reach),
    /// It is over, and nobody heard how: its state says what came of it.
    Unheard,
    /// The time is up.
    Late,
}

impl Ended {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Unheard) || matches!(self, Self::Result(_, result) if result == "done")
    }

    pub(super) fn is_late(&self) -> bool {
        matches!(self, Self::Late)
    }

    pub(super) fn reach(&self) -> Reach {
        match self {
            Self::Refused(_, reach) => *reach,
            _ => Reach::Soft,
        }
    }

    /// In words that something else follows.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Result(order, result) => {
                let order = match order {
                    Order::Start => "start",
                    Order::Stop => "stop",
                    Order::Reload => "reload",
                };
                format!("its {order} job ended as '{}': ", printable(result, TEXT_MOST))
            }
            Self::Refused(why, _) => format!("{why}: "),
            Self::Unheard => "systemd was away meanwhile: ".to_owned(),
            Self::Late => "its job did not end in time: ".to_owned(),
        }
    }
}

impl Systemd {
    /// Gives an order and waits for its end, or for that of the time.
    pub(super) async fn order(&self, unit: &str, order: Order, end: Instant) -> Ended {
        loop {
            let Ok(link) = timeout_at(end, self.bus.link()).await else { return Ended::Late };
            let error = match link {
                Ok(link) => match timeout_at(end, ordered(&link, unit, order)).await {
                    Err(_) => return Ended::Late,
                    Ok(Ok(ended)) => return ended,
                    Ok(Err(error)) => {
                        self.bus.drop_link(&link).await;
                        error
                    }
                },
                Err(error) => error,
            };
            if !is_away(&error) {
                return refused(&error);
            }
            tracing::warn!(unit, %error, "systemd is away: the order is given again");
            if Instant::now() + PAUSE >= end {
                return Ended::Late;
            }
            sleep(PAUSE).await;
        }
    }
}

/// An error that is none of the order's means that the link is broken; the order may have been heard.
async fn ordered(link: &Link, unit: &str, order: Order) -> zbus::Result<Ended> {
    let mut removed = link.manager.receive_job_removed().await?;
    let manager = &link.manager;
    let give = async {
        match order {
            Order::Start => manager.start_unit(unit, MODE).await,
            Order::Stop => {
                let is_ending = manager.system_state().await.is_ok_and(|state| state == "stopping");
                manager.stop_unit(unit, if is_ending { SHUTTING_DOWN } else { MODE }).await
            }
            Order::Reload => manager.reload_unit(unit, MODE).await,
        }
    };
    tokio::pin!(give);
    let mut ends: HashMap<OwnedObjectPath, String> = HashMap::new();
    // A queue that nobody empties would hold up the answer too.
    let job = loop {
        tokio::select! {
            answer = &mut give => match answer {
                Ok(job) => break job,
                Err(error) if is_away(&error) => return Err(error),
                Err(error) if order == Order::Stop && error_name(&error) == Some("NoSuchUnit") => return Ok(Ended::Unheard),
                Err(error) => return Ok(refused(&error)),
            },
            Some(signal) = removed.next() => {
                let args = signal.args()?;
                ends.insert(args.job, args.result);
            }
        }
    };
    if let Some(result) = ends.remove(&job) {
        return Ok(Ended::Result(order, result));
    }
    let path = manager.load_unit(unit).await?;
    let unit = link.unit(&path).await?;
    let mut look = interval(LOOK);
    look.reset();
    loop {
        tokio::select! {
            signal = removed.next() => {
                let Some(signal) = signal else { return Ok(Ended::Unheard) };
                let args = signal.args()?;
                if args.job == job {
                    return Ok(Ended::Result(order, args.result));
                }
            }
            _ = look.tick() => {
                let (_, current) = unit.job().await?;
                if current != job {
                    return Ok(Ended::Unheard);
                }
            }
        }
    }
}

fn refused(error: &zbus::Error) -> Ended {
    let reach = match error_name(error) {
        Some("NoSuchUnit" | "LoadFailed" | "UnitMasked" | "BadUnitSetting" | "AccessDenied") => Reach::Node,
        _ => Reach::Soft,
    };
    Ended::Refused(format!("systemd refuses: {}", printable(&error.to_string(), TEXT_MOST)), reach)
}
