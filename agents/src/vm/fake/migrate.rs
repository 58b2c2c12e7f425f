//! A fake VM goes to another host: a copy that stands still there, then the end of what is here.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::super::definition::mark;
use super::super::process_table;
use super::{FakeVms, HOST, LOOK, NAME, Seen, Transfer, UUID, VmError, Way, find};
use crate::process::spawn_detached;

/// As much as a fake guest would have.
const MEMORY: u64 = 96 << 20;
/// It goes this fast where nothing else is said, in MiB a second.
const SPEED: u64 = 192;

/// Stands still first: the lock is its source's until that is gone.
const ARRIVING: &str = r#"kill -STOP $$
exec 9>>"$1" || exit 74
flock -n 9 || { echo "$3" >>"$2"; exit 75; }
echo "$3" >&9
exec sleep infinity"#;

impl FakeVms {
    /// See [`super::super::VmBackend::migrate`].
    ///
    /// # Errors
    /// When it does not run here, or was given up.
    pub async fn migrate(
        &self,
        uuid: &str,
        way: Way,
        deadline: Instant,
        told: impl Fn(Transfer),
    ) -> Result<Transfer, VmError> {
        let what = "migrating the fake VM";
        let failed = |why: String| Err(VmError::Failed { what, why });
        let begun = Instant::now();
        self.called_off().remove(uuid);
        let Seen::Running { process } = self.probe(uuid, deadline).await else {
            return failed("it does not run here".to_owned());
        };
        self.copy(uuid, &way)?;
        let speed = if way.speed > 0 { way.speed } else { SPEED } << 20;
        let mut now = Transfer { left: MEMORY, ..Transfer::default() };
        while now.left > 0 {
            tokio::time::sleep(LOOK).await;
            now.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            now.sent = (speed.saturating_mul(now.took_ms) / 1000).min(MEMORY);
            now.left = MEMORY - now.sent;
            told(now);
            if Instant::now() >= deadline || self.called_off().remove(uuid) {
                return failed("it was given up".to_owned());
            }
        }
        let stands = Instant::now();
        process_table::signal(process, Signal::SIGKILL);
        while self.probe(uuid, deadline).await != Seen::Stopped {
            if Instant::now() >= deadline {
                return failed("it does not leave".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        now.paused_ms = u64::try_from(stands.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(now)
    }

    fn copy(&self, uuid: &str, way: &Way) -> Result<(), VmError> {
        let failed = |why: String| VmError::Failed { what: "copying the fake VM", why };
        let known = find(&self.host).map_err(|e| VmError::ProcessTable { why: e.to_string() })?;
        let name = known.get(uuid).and_then(|found| found.first()).map(|found| found.name.clone()).unwrap_or_default();
        let marked = mark(&format!("<domain><name>{name}</name><uuid>{uuid}</uuid></domain>"))?;
        let file = |kind: &str| self.shared.join(format!("{}.{kind}", marked.uuid)).into_os_string();
        let args =
            ["-c".into(), ARRIVING.into(), "fake-vm".into(), file("lock"), file("double"), way.host.clone().into()];
        let env =
            [(UUID, marked.uuid.as_str()), (HOST, way.host.as_str()), (NAME, name.as_str()), ("PATH", "/usr/bin:/bin")];
        let env: Vec<_> = env.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        spawn_detached(Path::new("/bin/sh"), &args, &env).map(drop).map_err(|e| failed(e.to_string()))
    }

    /// See [`super::super::VmBackend::call_off`].
    pub async fn call_off(&self, uuid: &str, _deadline: Instant) {
        self.called_off().insert(uuid.to_owned());
    }

    /// See [`super::super::VmBackend::left_behind`].
    pub async fn left_behind(&self, uuid: &str, deadline: Instant) -> Seen {
        self.probe(uuid, deadline).await
    }
}
