//! Entries and states are written by a positional codec (bincode): a field or a variant more, and an older daemon reads
//! wrong data. The schema number before them prevents that, if it is raised. This compares what the types are with what they
//! were when it was raised last (`layout.txt`).
//!
//! `UPDATE=1 cargo test -p quorate-core --test layout` writes it anew, once the number is raised.

use quorate_core::config::shorthand::{Want, Who};
use quorate_core::config::{
    AgentClass, Colour, Discovery, FenceAction, InRole, LevelTarget, LossPolicy, OrderKind, OrderTask, Section,
};
use quorate_core::rule::date::When;
use quorate_core::rule::{RuleScore, Test};
use quorate_core::state::{
    ActionKind, AttemptEnd, ClusterState, Command, Entry, EventKind, FenceCause, FenceEnd, Intent, Liveness, Matter,
    NoticeStep, Outcome, Proof, Refusal, SCHEMA, Seen, SessionState, Severity, TicketChange, Trouble, Verdict, Wish,
};
use serde_reflection::{Samples, Tracer, TracerConfig};
use std::fmt::Write;
use std::path::Path;

macro_rules! trace {
    ($tracer:ident, $samples:ident, $($type:ty),*) => {
        $($tracer.trace_type::<$type>(&$samples).expect("what is stored derives Deserialize");)*
    };
}

fn layout() -> String {
    let mut tracer = Tracer::new(TracerConfig::default());
    let samples = Samples::new();
    // Those with variants by themselves: of an enum inside another type only one variant is looked at.
    trace!(
        tracer,
        samples,
        ActionKind,
        AgentClass,
        AttemptEnd,
        Colour,
        Command,
        Discovery,
        EventKind,
        FenceAction,
        FenceCause,
        FenceEnd
    );
    trace!(
        tracer,
        samples,
        InRole,
        Intent,
        LevelTarget,
        Liveness,
        LossPolicy,
        Matter,
        OrderKind,
        OrderTask,
        Proof,
        Refusal,
        RuleScore,
        Section,
        Seen
    );
    trace!(tracer, samples, NoticeStep);
    trace!(tracer, samples, SessionState, Severity, Test, TicketChange, Trouble, Verdict, Want, When, Who, Wish);
    trace!(tracer, samples, Result<(), String>, Entry, Outcome, ClusterState);
    let registry = tracer.registry().expect("every type is of one name and seen whole");
    let mut text = format!("schema {SCHEMA}\n");
    for (name, format) in registry {
        writeln!(text, "{name} {format:?}").expect("a string takes what is written");
    }
    text
}

#[test]
fn what_is_stored_changes_with_its_schema_number_only() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layout.txt");
    let (now, known) = (layout(), std::fs::read_to_string(&path).unwrap_or_default());
    if now == known {
        return;
    }
    let first = |text: &str| text.lines().next().map(str::to_owned);
    assert!(
        first(&now) != first(&known),
        "what is stored has changed, and its number has not: raise `SCHEMA` in state/release.rs. Changed are:\n{}",
        now.lines().filter(|line| !known.contains(*line)).collect::<Vec<_>>().join("\n")
    );
    assert!(std::env::var_os("UPDATE").is_some(), "SCHEMA is new: write {} anew with UPDATE=1", path.display());
    std::fs::write(&path, now).expect("the test may write its file");
}
