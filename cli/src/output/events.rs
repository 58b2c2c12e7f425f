//! Events as lines.

use super::style::Style;
use super::time::Clock;
use quorate_core::state::{Event, EventKind};

/// One event in one line.
pub(crate) fn event_line(event: &Event, style: Style, clock: &Clock) -> String {
    let text = match event.kind {
        EventKind::Lost
        | EventKind::Suspect
        | EventKind::FenceFailed
        | EventKind::Failed
        | EventKind::Store
        | EventKind::Copy
        | EventKind::Differs
        | EventKind::PromiseBroken
        | EventKind::Asked => style.bad(&event.text),
        EventKind::DaemonGone
        | EventKind::Away
        | EventKind::FenceIntent
        | EventKind::FenceHeld
        | EventKind::FenceGrant
        | EventKind::Quarantine
        | EventKind::Health
        | EventKind::Trust => style.warn(&event.text),
        EventKind::Fenced | EventKind::Started | EventKind::Online => style.good(&event.text),
        EventKind::Member
        | EventKind::Hello
        | EventKind::CalledOff
        | EventKind::PowerOn
        | EventKind::Majority
        | EventKind::Planned
        | EventKind::Claimed
        | EventKind::Stopped
        | EventKind::Migrated
        | EventKind::Unfenced
        | EventKind::Drilled
        | EventKind::Configured
        | EventKind::Preference
        | EventKind::Intent
        | EventKind::Watchdog
        | EventKind::Ticket
        | EventKind::Notified => event.text.clone(),
    };
    format!("{:>5}  {}  {text}", event.number, clock.exactly(event.at))
}
