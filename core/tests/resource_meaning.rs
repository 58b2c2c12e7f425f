//! Meta attributes and operations: defaults, what is set over them, and what stays out.

use quorate_core::config::{Config, MultipleActive, OnFail, Requires, ResourceMeta, TargetRole};
use quorate_core::grammar::{print_duration, read};
use quorate_core::id::ResourceId;
use quorate_core::score::Score;

fn config(text: &str) -> Config {
    read(text, &mut |name| Err(format!("no {name}"))).expect("the grammar accepts it")
}

/// `timeout interval on-fail enabled` of an operation of `r`.
#[track_caller]
fn operation(text: &str, name: &str, wanted: &str) {
    let config = config(text);
    let spec = config.primitives[&ResourceId::from("r")].operation(name, &config.op_defaults);
    let (timeout, interval) = (print_duration(spec.timeout), print_duration(spec.interval));
    let told = format!("{timeout} {interval} {:?} {}", spec.on_fail, spec.enabled);
    assert_eq!(told, wanted, "{name} of {text}");
}

#[test]
fn operations_have_defaults_and_take_what_is_written_over_them() {
    operation("primitive r vm:fake", "start", "1m 0s Restart true");
    operation("primitive r vm:fake", "stop", "90s 0s Fence true");
    operation("primitive r vm:fake", "monitor", "20s 10s Restart true");
    operation("primitive r stonith:fake", "off", "20s 0s Restart true");
    operation("primitive r vm:fake op start timeout=5m on-fail=block", "start", "5m 0s Block true");
    operation("op_defaults timeout=7s\nprimitive r vm:fake", "stop", "7s 0s Fence true");
    operation("op_defaults timeout=7s\nprimitive r vm:fake op stop timeout=8s", "stop", "8s 0s Fence true");
    operation("op_defaults on-fail=ignore\nprimitive r vm:fake", "monitor", "20s 10s Ignore true");
    operation("primitive r vm:fake op monitor interval=2s enabled=off", "monitor", "20s 2s Restart false");
    operation(
        "primitive r vm:fake op monitor interval=0 timeout=1 op monitor interval=3s",
        "monitor",
        "20s 3s Restart true",
    );
    operation("primitive r vm:fake op start timeout=0 on-fail=maybe", "start", "1m 0s Restart true");
}

#[test]
fn what_did_not_stop_is_never_taken_for_stopped() {
    for on_fail in ["ignore", "restart", "stop", "standby", ""] {
        operation(&format!("primitive r vm:fake op stop on-fail=\"{on_fail}\""), "stop", "90s 0s Fence true");
        operation(&format!("op_defaults on-fail=\"{on_fail}\"\nprimitive r vm:fake"), "stop", "90s 0s Fence true");
    }
    operation("primitive r vm:fake op stop on-fail=block", "stop", "90s 0s Block true");
    let config = config("primitive r vm:fake");
    let stop = config.primitives[&ResourceId::from("r")].operation("stop", &config.op_defaults);
    assert_eq!((stop.consequence(true), stop.consequence(false)), (OnFail::Fence, OnFail::Block));
}

#[test]
fn meta_attributes_go_over_the_defaults() {
    let id = ResourceId::from("r");
    let meta = |text: &str| {
        let config = config(text);
        ResourceMeta::read(&id, &config.primitives[&id], &config.rsc_defaults)
    };
    let (plain, errors) = meta("primitive r vm:fake");
    assert_eq!((plain.clone(), errors), (ResourceMeta::default(), Vec::new()));
    assert_eq!(
        (plain.target_role, plain.stickiness, plain.migration_threshold),
        (TargetRole::Started, Score::new(1), 0)
    );

    let (read, errors) = meta(
        "rsc_defaults is-managed=0 priority=3 resource-stickiness=inf\n\
         primitive r vm:fake meta target-role=stopped priority=-inf maintenance=YES migration-threshold=INFINITY \
         failure-timeout=PT1H requires=nothing allow-migrate=on multiple-active=stop_only allow-unhealthy-nodes=1",
    );
    assert_eq!(errors, Vec::new());
    let wanted = ResourceMeta {
        target_role: TargetRole::Stopped,
        is_managed: false,
        maintenance: true,
        stickiness: Score::INFINITY,
        allow_migrate: true,
        priority: -1_000_000,
        migration_threshold: 0,
        failure_timeout: std::time::Duration::from_secs(3600),
        requires: Requires::Quorum,
        multiple_active: MultipleActive::StopOnly,
        allow_unhealthy_nodes: true,
    };
    assert_eq!(read, wanted);

    let (read, errors) =
        meta("primitive r vm:fake meta target-role=Running migration-threshold=-1 critical=1 priorty=1");
    let told: Vec<(String, bool)> = errors.iter().map(|error| (error.to_string(), error.is_warning())).collect();
    let told: Vec<(&str, bool)> = told.iter().map(|(text, warning)| (text.as_str(), *warning)).collect();
    assert_eq!(read, ResourceMeta::default());
    assert_eq!(
        told,
        [
            ("critical=1 has no effect in this version", true),
            ("migration-threshold=-1 is not understood: a whole number or inf", false),
            ("there is no meta attribute 'priorty': did you mean 'priority'?", false),
            ("target-role=Running is not understood: Started, Stopped or Unpromoted", false),
        ]
    );
}
