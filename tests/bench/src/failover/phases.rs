//! From the moments of one power cut to the parts of its time. No clock, no cluster: only sums.

use std::fmt;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};

/// The moments of one cut. They may come from several clocks of one machine.
#[derive(Debug, Clone)]
pub(super) struct Stamps {
    pub(super) kill: SystemTime,
    /// When the node was called Suspect.
    pub(super) suspect: SystemTime,
    /// When it was judged lost, and for how long it had been silent then.
    pub(super) judged: SystemTime,
    pub(super) silence: Duration,
    /// The setting: so much silence makes a Suspect.
    pub(super) suspect_after: Duration,
    /// When its session was proven dead.
    pub(super) proven: SystemTime,
    /// How long its fence devices took to answer, early readings included.
    pub(super) devices: Duration,
    pub(super) starts: Vec<Start>,
}

/// One VM that was started elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Start {
    /// When its process was started.
    pub(super) process: SystemTime,
    /// When its CPUs were let run, and the log said so.
    pub(super) running: SystemTime,
    /// How long the hypervisor took for its parts of that.
    pub(super) hypervisor: Duration,
}

/// Where the time of one cut went, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Phases {
    pub(super) total: f64,
    pub(super) detect: f64,
    pub(super) fence: f64,
    pub(super) start: f64,
    pub(super) ours: f64,
}

type Part = fn(&Phases) -> f64;

impl Phases {
    /// In the order they are shown.
    pub(super) const PARTS: [(&'static str, Part); 5] = [
        ("total", |p| p.total),
        ("detect", |p| p.detect),
        ("fence", |p| p.fence),
        ("start", |p| p.start),
        ("ours", |p| p.ours),
    ];
}

impl fmt::Display for Phases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, part) in Self::PARTS {
            write!(f, "{name} {:.2}  ", part(self))?;
        }
        Ok(())
    }
}

impl Stamps {
    /// The parts; an error where the moments contradict each other, for then none of them is worth anything.
    pub(super) fn phases(&self) -> Result<Phases> {
        let after = |at: SystemTime, what: &str| {
            let after = at.duration_since(self.kill);
            after.map(|after| after.as_secs_f64()).with_context(|| format!("{what} before the cut"))
        };
        let last = self.starts.iter().map(|start| start.process).max().context("nothing was started")?;
        let (suspect, proven, total) =
            (after(self.suspect, "suspect")?, after(self.proven, "proven")?, after(last, "started")?);
        // What /proc says of a start is good to a tick of a hundredth of a second.
        ensure!(suspect <= proven && proven <= total + 0.03, "out of order: {self:?}");
        // Silence is counted from the last sign of life, which came before the cut; what it takes until the node may be
        // called Suspect is no work of ours, and what comes on top of it is.
        let due = self.judged - self.silence + self.suspect_after;
        let due = due.duration_since(self.kill).unwrap_or_default().as_secs_f64();
        let mut ours = f64::MIN;
        for start in &self.starts {
            let running = after(start.running, "running")?;
            ours = ours.max(running - due - self.devices.as_secs_f64() - start.hypervisor.as_secs_f64());
        }
        ensure!(ours >= 0.0, "the others' parts are more than the whole: {self:?}");
        Ok(Phases { total, detect: suspect, fence: proven - suspect, start: total - proven, ours })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn at(ms: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + MS(ms)
    }

    /// Last heard 120 ms before the cut: due at 680, Suspect 30 later, two readings of 15, an off and a reading of 20.
    fn stamps() -> Stamps {
        Stamps {
            kill: at(0),
            suspect: at(710),
            judged: at(760),
            silence: MS(880),
            suspect_after: MS(800),
            proven: at(820),
            devices: MS(15 + 15 + 20 + 20),
            starts: vec![
                Start { process: at(950), running: at(1200), hypervisor: MS(350) },
                Start { process: at(990), running: at(1210), hypervisor: MS(340) },
            ],
        }
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_parts_of_a_cut_add_up() {
        let parts = stamps().phases().expect("in order");
        assert!(close(parts.total, 0.990), "{parts:?}");
        assert!(close(parts.detect, 0.710) && close(parts.fence, 0.110) && close(parts.start, 0.170), "{parts:?}");
        assert!(close(parts.detect + parts.fence + parts.start, parts.total));
        // The slower of the two: 1210 - 680 - 70 - 340.
        assert!(close(parts.ours, 0.120), "{parts:?}");
    }

    #[test]
    fn an_election_that_outlasts_the_silence_is_ours() {
        // Suspect comes 400 ms later, and so does everything after it.
        let mut late = stamps();
        late.suspect += MS(400);
        late.judged += MS(400);
        late.silence += MS(400);
        late.proven += MS(400);
        for start in &mut late.starts {
            start.process += MS(400);
            start.running += MS(400);
        }
        let (late, usual) = (late.phases().expect("in order"), stamps().phases().expect("in order"));
        assert!(close(late.ours, usual.ours + 0.4), "{late:?}");
        assert!(close(late.total, usual.total + 0.4), "{late:?}");
    }

    #[test]
    fn what_devices_and_hypervisor_take_is_not_ours() {
        let mut slow = stamps();
        slow.devices += MS(100);
        slow.proven += MS(100);
        for start in &mut slow.starts {
            start.process += MS(100);
            start.running += MS(100 + 70);
            start.hypervisor += MS(70);
        }
        assert!(close(slow.phases().expect("in order").ours, stamps().phases().expect("in order").ours));
    }

    #[test]
    fn moments_that_contradict_each_other_are_no_figures() {
        for spoil in [
            (|s: &mut Stamps| s.starts.clear()) as fn(&mut Stamps),
            |s| s.suspect = at(0) - MS(10),
            |s| s.proven = at(700),
            |s| s.starts.iter_mut().for_each(|start| start.process = at(780)),
            |s| s.devices = MS(2000),
        ] {
            let mut stamps = stamps();
            spoil(&mut stamps);
            assert!(stamps.phases().is_err(), "{stamps:?}");
        }
    }
}
