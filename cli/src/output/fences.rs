//! Fences for people: the question, the tries, the proofs.

use super::style::Style;
use super::time::{Clock, rough};
use quorate_core::id::ResourceId;
use quorate_core::view::{FenceView, Fences, Fencing, Question, Tried, Try};
use std::time::Duration;

/// The one clear question, with what it is about and what to type.
pub(crate) fn question(question: &Question, style: Style) -> String {
    let mut lines = vec![style.bad(&question.title)];
    if let Some(held) = &question.held {
        lines.push(style.wrap(&format!("  Nobody tries to prove it now: {held}"), 4));
    }
    lines.extend(question.remark.iter().map(|remark| style.wrap(&format!("  {remark}"), 4)));
    let tried = |tried: &Tried| {
        let times = if tried.times == 1 { "once".to_owned() } else { format!("{} times", tried.times) };
        style.wrap(&format!("  Tried {} {times}: {}", names(&tried.devices), tried.error), 4)
    };
    lines.extend(question.tried.iter().map(tried));
    if !question.waiting.is_empty() {
        lines.push(style.wrap(&format!("  Waiting for it: {}", list(&question.waiting)), 4));
    }
    lines.push(format!("  If you have made sure: {}", style.strong(&question.answer)));
    lines.join("\n")
}

/// Fences under way, then those that ended.
pub(crate) fn fences(fences: &Fences, style: Style, clock: &Clock) -> String {
    let open = fences.open.iter().map(|fence| open(fence, style, clock));
    let ended = fences.ended.iter().map(|fence| ended(fence, style, clock));
    open.chain(ended).collect::<Vec<_>>().join("\n")
}

fn open(fence: &Fencing, style: Style, clock: &Clock) -> String {
    let state = match (fence.settling, fence.condemned, &fence.held) {
        (true, ..) => "proven off; its last try is waited for".to_owned(),
        (false, false, None) if let Some(waits) = &fence.waits => {
            format!("waits until {}: {}", clock.at(waits.until), waits.why)
        }
        (false, true, _) => "heard again after an off without effect: it must reboot".to_owned(),
        (false, false, Some(held)) => format!("waits: {held}"),
        (false, false, None) if fence.watchdog_ms.is_some() => {
            let wait = rough(Duration::from_millis(fence.watchdog_ms.unwrap_or_default()));
            match fence.is_pill {
                true => format!("under way; a pill was left for it, and is waited for, {wait} from when it was there"),
                false => format!("under way; its watchdog is waited for, {wait} from when it was last fed"),
            }
        }
        (false, false, None) => "under way".to_owned(),
    };
    let head = format!("  {} {}: {state} ({})", clock.at(fence.since), fence.target, fence.cause);
    let mut lines = vec![style.wrap(&head, 6)];
    let left_out = usize::try_from(fence.count).unwrap_or(usize::MAX).saturating_sub(fence.tries.len());
    if left_out > 0 {
        lines.push(format!("      {left_out} earlier tries failed"));
    }
    lines.extend(
        alike(&fence.tries).into_iter().map(|tries| style.wrap(&format!("      {}", attempts(tries, clock)), 8)),
    );
    lines.join("\n")
}

/// Tries in a row that ended the same way.
fn alike(tries: &[Try]) -> Vec<&[Try]> {
    let same = |one: &Try, next: &Try| (&one.devices, &one.error, one.open) == (&next.devices, &next.error, next.open);
    tries.chunk_by(same).collect()
}

fn attempts(tries: &[Try], clock: &Clock) -> String {
    let (Some(first), Some(last)) = (tries.first(), tries.last()) else { return String::new() };
    let outcome = match (&last.error, last.open) {
        (Some(error), _) => error.as_str(),
        (None, true) => "under way",
        (None, false) => "power reads off",
    };
    let (at, devices) = (clock.at(first.at), names(&last.devices));
    match tries.len() {
        1 => format!("{at} {devices} by {}: {outcome}", last.by),
        count => format!("{at} to {} {devices} {count} times, last by {}: {outcome}", clock.at(last.at), last.by),
    }
}

fn ended(fence: &FenceView, style: Style, clock: &Clock) -> String {
    let took = rough(fence.at.since(fence.since));
    let what = if fence.outcome == "called-off" { "called off" } else { "proven off" };
    let tries = match fence.count {
        0 | 1 => String::new(),
        count => format!(", {count} tries"),
    };
    let lie = fence.false_since.map(|at| format!("; FALSE: it lived, as was found at {}", clock.at(at)));
    let lie = lie.unwrap_or_default();
    let line = format!("  {} {}: {what} after {took}{tries}: {}{lie}", clock.at(fence.at), fence.target, fence.proof);
    style.wrap(&line, 6)
}

fn names(devices: &[ResourceId]) -> String {
    devices.iter().map(ResourceId::as_str).collect::<Vec<_>>().join(" and ")
}

fn list(ids: &[ResourceId]) -> String {
    ids.iter().map(ResourceId::as_str).collect::<Vec<_>>().join(", ")
}
