//! A fence device made of a file, for the loopback demo and for tests: scripted, faults included.
//!
//! `state=/path` names the file: its first word is `on` or `off`, an optional second one a fault: `dead` (silence),
//! `hung` (silence after the order took effect), `wrong-password`, `deaf` (says done and does nothing).
//! `command=/program` is what really cuts and restores the power: it is called with `off` or `on` and writes the
//! file when all of the host is gone; without it this agent writes the file itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::{Call, Order, PowerReading, Problem, Sent, only_known, optional, required};
use crate::process::{Exit, Processes, Spec};

/// One power switch.
#[derive(Debug, Clone)]
pub struct Fake {
    state: PathBuf,
    command: Option<PathBuf>,
    processes: Processes,
}

/// What the file scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Dead,
    Hung,
    WrongPassword,
    Deaf,
}

impl Fake {
    pub(super) fn new(params: &BTreeMap<String, String>, processes: Processes) -> Result<Self, Problem> {
        only_known("fake", params, &["state", "command"])?;
        let state = PathBuf::from(required("fake", params, &["state"])?);
        let command = optional(params, &["command"]).map(PathBuf::from);
        Ok(Self { state, command, processes })
    }

    pub(super) async fn read(&self, call: &Call) -> Result<(PowerReading, Option<String>), Problem> {
        let (power, fault) = self.script()?;
        self.suffer(fault, call).await?;
        if fault == Fault::Hung {
            return Err(self.silence(call).await);
        }
        let power = match power.as_str() {
            "on" => PowerReading::On,
            "off" => PowerReading::Off,
            other => PowerReading::Unknown(format!("{} says `{other}`", self.state.display())),
        };
        Ok((power, None))
    }

    pub(super) async fn order(&self, order: Order, call: &Call, sent: &mut Sent) -> Result<(), Problem> {
        let (_, fault) = self.script()?;
        self.suffer(fault, call).await?;
        if call.send_by.is_some_and(super::BootTime::has_passed) {
            return Err(Problem::TooLate { device: self.name() });
        }
        *sent = Sent::Maybe;
        if fault != Fault::Deaf {
            self.switch(order, fault, call).await?;
        }
        if fault == Fault::Hung {
            return Err(self.silence(call).await);
        }
        Ok(())
    }

    async fn switch(&self, order: Order, fault: Fault, call: &Call) -> Result<(), Problem> {
        let failed = |why: String| Problem::Agent { agent: "fake".to_owned(), action: order.name(), why };
        let Some(command) = &self.command else {
            let word = if fault == Fault::Hung { " hung" } else { "" };
            let text = format!("{}{word}\n", order.name());
            return std::fs::write(&self.state, text).map_err(|e| failed(e.to_string()));
        };
        let action = format!("{}.{}", call.action, order.name());
        let mut spec = Spec::new(action, command, Duration::ZERO).args([order.name()]);
        spec.deadline = call.deadline;
        let outcome = self.processes.run(spec).await.map_err(|e| failed(e.to_string()))?;
        match outcome.exit {
            Exit::Code(0) => Ok(()),
            exit => Err(failed(format!("{exit:?}: {}", outcome.stderr.last_line()))),
        }
    }

    fn script(&self) -> Result<(String, Fault), Problem> {
        let refuse = |why: String| Problem::Address { device: self.name(), why };
        let text = std::fs::read_to_string(&self.state).map_err(|e| refuse(e.to_string()))?;
        let mut words = text.split_whitespace();
        let power = words.next().unwrap_or("nothing").to_owned();
        let fault = match words.next() {
            None => Fault::None,
            Some("dead") => Fault::Dead,
            Some("hung") => Fault::Hung,
            Some("wrong-password") => Fault::WrongPassword,
            Some("deaf") => Fault::Deaf,
            Some(other) => return Err(refuse(format!("unknown fault `{other}` in its state file"))),
        };
        Ok((power, fault))
    }

    async fn suffer(&self, fault: Fault, call: &Call) -> Result<(), Problem> {
        match fault {
            Fault::Dead => Err(self.silence(call).await),
            Fault::WrongPassword => Err(Problem::Password { device: self.name(), user: "fake".to_owned() }),
            Fault::None | Fault::Hung | Fault::Deaf => Ok(()),
        }
    }

    async fn silence(&self, call: &Call) -> Problem {
        let began = Instant::now();
        tokio::time::sleep_until(call.deadline).await;
        Problem::NoAnswer { device: self.name(), step: "its script", tried: began.elapsed(), detail: String::new() }
    }

    fn name(&self) -> String {
        format!("fake BMC {}", self.state.display())
    }
}

#[cfg(test)]
mod tests {
    use super::super::FenceDevice;
    use super::*;

    fn device(state: &str) -> (tempfile::TempDir, FenceDevice) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("power");
        std::fs::write(&path, state).expect("written");
        let params = BTreeMap::from([("state".to_owned(), path.display().to_string())]);
        let device = FenceDevice::new("fake", &params, &Processes::new(None)).expect("a device");
        (dir, device)
    }

    fn call() -> Call {
        Call::new("f1", Duration::from_millis(50))
    }

    #[tokio::test]
    async fn the_file_is_the_power() {
        for (state, want) in [("on\n", "on"), ("off", "off"), ("", "unknown"), ("offline", "unknown")] {
            let (_dir, device) = device(state);
            let got = device.read(&call()).await.expect("a reading").power.to_string();
            assert!(got.starts_with(want), "{state:?}: {got}");
        }
        let (_dir, device) = device("on");
        device.off(&call()).await.expect("off");
        assert_eq!(device.read(&call()).await.expect("a reading").power, PowerReading::Off);
        device.on(&call()).await.expect("on");
        assert_eq!(device.read(&call()).await.expect("a reading").power, PowerReading::On);
    }

    #[tokio::test]
    async fn faults_tell_whether_an_order_can_have_left() {
        for (state, sent) in [("on dead", Sent::No), ("on wrong-password", Sent::No), ("on hung", Sent::Maybe)] {
            let (_dir, device) = device(state);
            assert_eq!(device.off(&call()).await.expect_err(state).sent, sent, "{state}");
            assert_eq!(device.read(&call()).await.expect_err(state).sent, Sent::No);
        }
        let (_dir, device) = device("on deaf");
        device.off(&call()).await.expect("it says so");
        assert_eq!(device.read(&call()).await.expect("a reading").power, PowerReading::On);
    }

    #[tokio::test]
    async fn an_order_after_its_send_by_is_not_sent() {
        let (_dir, device) = device("on");
        let late = call().send_by(super::super::BootTime(Duration::ZERO));
        let error = device.off(&late).await.expect_err("late");
        assert_eq!((error.sent, device.read(&call()).await.expect("a reading").power), (Sent::No, PowerReading::On));
    }
}
