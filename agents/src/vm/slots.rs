//! Calls that block, on threads of their own, with a deadline outside and a cap.
//!
//! A call that does not return in time is given up by its caller but keeps its slot until it does return: it may
//! still take effect, and nobody may forget that. When all slots are taken, further calls are refused at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::VmError;

/// Threads that may hang at the same time.
const SLOTS: usize = 16;

/// A call that has not returned.
#[derive(Debug, Clone)]
pub struct OpenCall {
    /// What was called.
    pub what: &'static str,
    /// About which VM; empty when about none.
    pub uuid: String,
    /// Whether it may change something when it comes through.
    pub changes: bool,
    /// Since when.
    pub since: Instant,
}

impl fmt::Display for OpenCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has not returned for {:.1?}", self.what, self.since.elapsed())
    }
}

#[derive(Debug, Default)]
struct Open {
    calls: BTreeMap<u64, OpenCall>,
    next: u64,
}

/// The slots.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    open: Arc<Mutex<Open>>,
}

/// Frees its slot when the call returns or panics.
struct Slot {
    open: Arc<Mutex<Open>>,
    id: u64,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).calls.remove(&self.id);
    }
}

impl Slots {
    /// Runs a blocking call and waits for it until the deadline.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        what: &'static str,
        uuid: &str,
        changes: bool,
        deadline: Instant,
        call: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, VmError> {
        let begun = Instant::now();
        let slot = self.take(OpenCall { what, uuid: uuid.to_owned(), changes, since: begun })?;
        let (done, answer) = oneshot::channel();
        let body = move || {
            let result = call();
            // Before the answer: who has it finds the slot free.
            drop(slot);
            // The caller may have given up.
            let _ = done.send(result);
        };
        let thread = std::thread::Builder::new().name("blocking-call".to_owned()).spawn(body);
        thread.map_err(|e| VmError::Failed { what, why: format!("no thread: {e}") })?;
        match timeout_at(deadline, answer).await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_)) => Err(VmError::Failed { what, why: "the call panicked".to_owned() }),
            Err(_) => Err(VmError::Timeout { what, after: begun.elapsed() }),
        }
    }

    fn take(&self, call: OpenCall) -> Result<Slot, VmError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.calls.len() >= SLOTS {
            let oldest = open.calls.values().next().map(ToString::to_string).unwrap_or_default();
            return Err(VmError::Busy { what: call.what, open: open.calls.len(), oldest });
        }
        open.next += 1;
        let id = open.next;
        open.calls.insert(id, call);
        Ok(Slot { open: self.open.clone(), id })
    }

    /// Calls that have not returned, oldest first.
    pub(super) fn open(&self) -> Vec<OpenCall> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).calls.values().cloned().collect()
    }

    /// A call that may still change this VM.
    pub(super) fn changing(&self, uuid: &str) -> Option<OpenCall> {
        self.open().into_iter().find(|c| c.changes && c.uuid == uuid)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_call_that_does_not_return_keeps_its_slot_and_blocks_nobody() {
        let slots = Slots::default();
        let (release, gate) = mpsc::channel::<()>();
        let soon = || Instant::now() + Duration::from_millis(30);
        let hung = slots.run("start", "u1", true, soon(), move || gate.recv().is_ok()).await;
        assert!(matches!(hung, Err(VmError::Timeout { what: "start", .. })), "{hung:?}");
        assert_eq!(slots.changing("u1").map(|c| c.what), Some("start"));
        assert!(slots.changing("u2").is_none());
        assert_eq!(slots.run("state", "u2", false, soon() + Duration::from_secs(5), || 7).await, Ok(7));
        release.send(()).expect("it waits");
        while slots.changing("u1").is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn when_all_slots_hang_further_calls_are_refused_at_once() {
        let slots = Slots::default();
        let mut gates = Vec::new();
        for _ in 0..SLOTS {
            let (release, gate) = mpsc::channel::<()>();
            gates.push(release);
            let _ = slots.run("hung", "", false, Instant::now(), move || gate.recv().is_ok()).await;
        }
        let refused = slots.run("one more", "", false, Instant::now() + Duration::from_secs(9), || ()).await;
        assert!(matches!(refused, Err(VmError::Busy { open: SLOTS, .. })), "{refused:?}");
        drop(gates);
        while !slots.open().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_call_is_an_error_and_frees_the_slot() {
        let slots = Slots::default();
        let deadline = Instant::now() + Duration::from_secs(5);
        let died: Result<(), _> = slots.run("odd", "", true, deadline, || panic!("as planned")).await;
        assert!(matches!(died, Err(VmError::Failed { .. })), "{died:?}");
        assert!(slots.open().is_empty());
    }
}
