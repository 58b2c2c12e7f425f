//! Units and their jobs: what systemd does with a service, from its start to its end.

use crate::bus::Bus;
use crate::file::UnitFile;
use crate::notify::Readiness;
use crate::processes;
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// Between two looks at processes that shall end.
const PAUSE: Duration = Duration::from_millis(20);
/// Before a service that failed is started again.
const RESTART: Duration = Duration::from_millis(100);

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `StartUnit`
    Start,
    /// `StopUnit`
    Stop,
    /// `ReloadUnit`
    Reload,
}

/// A job that waits or runs.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number.
    pub id: u32,
    /// What it does.
    pub kind: Kind,
    canceled: Arc<Notify>,
}

/// One unit.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// What its files said when they were read last.
    pub file: UnitFile,
    /// `ActiveState`
    pub active: &'static str,
    /// `SubState`
    pub sub: &'static str,
    /// `Result`
    pub result: &'static str,
    /// `ExecMainStatus`
    pub status: i32,
    /// `ConditionResult`
    pub condition: bool,
    /// What is queued or runs.
    pub job: Option<Job>,
    /// Its main process.
    pub main: Option<i32>,
    sessions: Vec<i32>,
}

/// The manager.
#[derive(Debug)]
pub struct Manager {
    /// Where units are: the first directory is the one that does not outlive a boot.
    pub directories: Vec<PathBuf>,
    units: Mutex<BTreeMap<String, Unit>>,
    next: Mutex<u32>,
    /// Who hears of what changes.
    pub bus: Bus,
}

impl Manager {
    /// A manager of the units in these directories.
    pub fn new(directories: Vec<PathBuf>) -> Arc<Self> {
        Arc::new(Self { directories, units: Mutex::default(), next: Mutex::new(1), bus: Bus::default() })
    }

    /// All units that were ever spoken of.
    pub fn units(&self) -> MutexGuard<'_, BTreeMap<String, Unit>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A unit as it is, loaded where nobody has spoken of it yet.
    pub fn unit(&self, name: &str) -> Unit {
        let mut units = self.units();
        let new = || Unit {
            file: UnitFile::load(name, &self.directories),
            active: "inactive",
            sub: "dead",
            result: "success",
            condition: true,
            ..Unit::default()
        };
        let unit = units.entry(name.to_owned()).or_insert_with(new);
        // What is not loaded is looked for each time it is spoken of.
        if unit.file.load == "not-found" {
            unit.file = UnitFile::load(name, &self.directories);
        }
        unit.clone()
    }

    /// Reads every file anew.
    pub fn reload(&self) {
        for (name, unit) in self.units().iter_mut() {
            unit.file = UnitFile::load(name, &self.directories);
        }
    }

    /// The processes of a unit that live.
    pub fn processes(&self, name: &str) -> Vec<(i32, String)> {
        processes::of_sessions(&self.unit(name).sessions)
    }

    /// Changes a unit, and tells it where that shows.
    async fn change(&self, name: &str, change: impl FnOnce(&mut Unit)) {
        let told = {
            let mut units = self.units();
            let Some(unit) = units.get_mut(name) else { return };
            let before = (unit.active, unit.sub);
            change(unit);
            (before != (unit.active, unit.sub)).then(|| unit.clone())
        };
        if let Some(unit) = told {
            self.bus.changed(name, &unit).await;
        }
    }

    /// Queues a job: one of the same kind is the same job, another one takes its place.
    pub async fn enqueue(self: &Arc<Self>, name: &str, kind: Kind) -> u32 {
        let (old, job) = {
            let mut units = self.units();
            let unit = units.entry(name.to_owned()).or_default();
            if let Some(job) = unit.job.as_ref().filter(|job| job.kind == kind) {
                return job.id;
            }
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let job = Job { id: *next, kind, canceled: Arc::default() };
            *next += 1;
            (unit.job.replace(job.clone()), job)
        };
        if let Some(old) = old {
            old.canceled.notify_one();
            self.bus.job_removed(old.id, name, "canceled").await;
        }
        self.bus.job_new(job.id, name).await;
        let (manager, name, id) = (self.clone(), name.to_owned(), job.id);
        tokio::spawn(async move {
            // The answer with its number goes first.
            sleep(PAUSE).await;
            let result = tokio::select! {
                () = job.canceled.notified() => return,
                result = manager.carry_out(&name, kind) => result,
            };
            let is_ours = {
                let mut units = manager.units();
                let job = units.get_mut(&name).map(|unit| &mut unit.job);
                job.is_some_and(|job| job.take_if(|job| job.id == id).is_some())
            };
            if is_ours {
                manager.bus.job_removed(id, &name, result).await;
            }
        });
        id
    }

    async fn carry_out(self: &Arc<Self>, name: &str, kind: Kind) -> &'static str {
        match kind {
            Kind::Start => self.start(name).await,
            Kind::Stop => self.stop(name).await,
            Kind::Reload => {
                let file = self.unit(name).file;
                self.change(name, |unit| (unit.active, unit.sub) = ("reloading", "reload")).await;
                let is_done = self.commands(name, file.all("Service", "ExecReload")).await;
                self.change(name, |unit| (unit.active, unit.sub) = ("active", "running")).await;
                if is_done { "done" } else { "failed" }
            }
        }
    }

    async fn start(self: &Arc<Self>, name: &str) -> &'static str {
        let unit = self.unit(name);
        if unit.active == "active" {
            return "done";
        }
        let file = unit.file;
        let condition = file.all("Unit", "ConditionPathExists").iter().all(|path| PathBuf::from(path).exists());
        self.change(name, |unit| unit.condition = condition).await;
        if !condition {
            return "done";
        }
        if !name.ends_with(".service") {
            self.change(name, |unit| (unit.active, unit.sub) = ("active", "active")).await;
            return "done";
        }
        self.change(name, |unit| {
            (unit.active, unit.sub, unit.result, unit.status) = ("activating", "start-pre", "success", 0);
        })
        .await;
        let is_oneshot = file.get("Service", "Type") == Some("oneshot");
        let all = async {
            if !self.commands(name, file.all("Service", "ExecStartPre")).await {
                return false;
            }
            match is_oneshot {
                true => self.commands(name, file.all("Service", "ExecStart")).await,
                false => self.launch_and_wait(name, &file).await,
            }
        };
        let limit = file.time("TimeoutStartSec").unwrap_or(Duration::MAX);
        match timeout(limit, all).await {
            Ok(true) if is_oneshot && !file.is("Service", "RemainAfterExit", false) => {
                self.change(name, |unit| (unit.active, unit.sub) = ("inactive", "dead")).await;
                "done"
            }
            Ok(true) => {
                let sub = if is_oneshot { "exited" } else { "running" };
                self.change(name, |unit| (unit.active, unit.sub) = ("active", sub)).await;
                "done"
            }
            other => {
                let result = if other.is_err() { "timeout" } else { "exit-code" };
                self.kill(name, Signal::SIGKILL);
                self.change(name, |unit| (unit.active, unit.sub, unit.result) = ("failed", "failed", result)).await;
                "failed"
            }
        }
    }

    async fn stop(self: &Arc<Self>, name: &str) -> &'static str {
        let unit = self.unit(name);
        if matches!(unit.active, "inactive" | "failed") {
            return "done";
        }
        let file = unit.file;
        self.change(name, |unit| (unit.active, unit.sub) = ("deactivating", "stop-sigterm")).await;
        self.commands(name, file.all("Service", "ExecStop")).await;
        let mode = file.get("Service", "KillMode").unwrap_or("control-group");
        let aims = |manager: &Self| -> Vec<i32> {
            match mode {
                "control-group" => manager.processes(name).into_iter().map(|(pid, _)| pid).collect(),
                "none" => Vec::new(),
                _ => manager.unit(name).main.into_iter().collect(),
            }
        };
        processes::signal(aims(self), Signal::SIGTERM);
        let end = file.time("TimeoutStopSec").map(|limit| Instant::now() + limit);
        let mut result = "success";
        while !aims(self).is_empty() {
            if end.is_some_and(|end| Instant::now() >= end) {
                result = "timeout";
                if file.is("Service", "SendSIGKILL", true) {
                    processes::signal(aims(self), Signal::SIGKILL);
                    sleep(PAUSE * 5).await;
                }
                break;
            }
            sleep(PAUSE).await;
        }
        if mode == "mixed" {
            self.kill(name, Signal::SIGKILL);
        }
        let (active, sub) = if result == "success" { ("inactive", "dead") } else { ("failed", "failed") };
        self.change(name, |unit| {
            (unit.active, unit.sub, unit.result) = (active, sub, result);
            unit.main = None;
        })
        .await;
        "done"
    }

    /// Sends a signal to every process of a unit.
    pub fn kill(&self, name: &str, signal: Signal) {
        processes::signal(self.processes(name).into_iter().map(|(pid, _)| pid), signal);
    }

    /// Forgets that it failed.
    pub async fn reset_failed(&self, name: &str) {
        self.change(name, |unit| {
            if unit.active == "failed" {
                (unit.active, unit.sub, unit.result) = ("inactive", "dead", "success");
            }
        })
        .await;
    }

    /// Runs one command after the other; whether all succeeded.
    async fn commands(&self, name: &str, lines: &[String]) -> bool {
        for line in lines {
            let Some(mut child) = self.begin(name, line, None) else { return false };
            if !child.wait().await.is_ok_and(|status| status.success()) {
                return false;
            }
        }
        true
    }

    /// Begins a process in a session of its own.
    fn begin(&self, name: &str, line: &str, notify: Option<&Readiness>) -> Option<Child> {
        let words = UnitFile::words(line);
        let mut command = Command::new("/usr/bin/setsid");
        if let Some(notify) = notify {
            command.env("NOTIFY_SOCKET", notify.address());
        }
        let child =
            command.args(&words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let pid = i32::try_from(child.id()?).ok()?;
        let mut units = self.units();
        let unit = units.get_mut(name)?;
        unit.sessions.retain(|session| !processes::of_sessions(&[*session]).is_empty());
        unit.sessions.push(pid);
        Some(child)
    }

    /// The same, and until it is up, where it tells.
    async fn launch_and_wait(self: &Arc<Self>, name: &str, file: &UnitFile) -> bool {
        let line = file.get("Service", "ExecStart").unwrap_or_default();
        if file.get("Service", "Type") != Some("notify") {
            return self.launch(name, line, None);
        }
        let Ok(notify) = Readiness::of(name) else { return false };
        self.change(name, |unit| unit.sub = "start").await;
        if !self.launch(name, line, Some(&notify)) {
            return false;
        }
        let ended = async {
            while self.unit(name).main.is_some() {
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = notify.ready() => true,
            () = ended => false,
        }
    }

    /// Begins the main process, and sees to what becomes of it.
    fn launch(self: &Arc<Self>, name: &str, line: &str, notify: Option<&Readiness>) -> bool {
        let Some(mut child) = self.begin(name, line, notify) else { return false };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(unit) = self.units().get_mut(name) {
            unit.main = pid;
        }
        let (manager, name) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            let status = child.wait().await;
            let code = status.ok().and_then(|status| status.code()).unwrap_or(-1);
            manager.main_ended(&name, pid, code).await;
        });
        true
    }

    async fn main_ended(self: &Arc<Self>, name: &str, pid: Option<i32>, code: i32) {
        let unit = self.unit(name);
        if unit.main != pid {
            return;
        }
        if unit.active == "deactivating" {
            // The stop that is under way goes on from there.
            return self.change(name, |unit| unit.main = None).await;
        }
        let result = match code {
            0 => "success",
            code if code < 0 => "signal",
            _ => "exit-code",
        };
        let is_restarted = match unit.file.get("Service", "Restart") {
            Some("always") => true,
            Some("on-failure") => code != 0,
            _ => false,
        };
        // What it leaves goes with it.
        if unit.file.get("Service", "KillMode").unwrap_or("control-group") == "control-group" {
            self.kill(name, Signal::SIGKILL);
        }
        let (active, sub) = match (is_restarted, code) {
            (true, _) => ("activating", "auto-restart"),
            (false, 0) => ("inactive", "dead"),
            (false, _) => ("failed", "failed"),
        };
        self.change(name, |unit| {
            (unit.active, unit.sub, unit.result, unit.status) = (active, sub, result, code.abs());
            unit.main = None;
        })
        .await;
        if is_restarted {
            sleep(RESTART).await;
            // Somebody may have stopped it meanwhile.
            if self.unit(name).sub == "auto-restart" {
                self.enqueue(name, Kind::Start).await;
            }
        }
    }
}
