//! Several monitors of one resource: each at its own interval, and none takes back what a deeper one found.

use super::*;
use quorate_core::id::Operation;
use quorate_core::state::Speaker;

const QUICK: Duration = Duration::from_secs(10);
const DEEP: Duration = Duration::from_secs(60);

/// r1 runs here, whatever the planner may think of it.
fn watched() -> Leader {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.configure(
        "primitive f3 stonith:fake params state=/x target=n3\n\
         primitive r1 ocf:a:b meta is-managed=false op monitor interval=10s timeout=5s \
         op monitor interval=60s timeout=40s OCF_CHECK_LEVEL=10 start-delay=25s on-fail=block\n",
    );
    leader.run(Duration::from_secs(1));
    see(&mut leader, Seen::Running);
    leader.looks.clear();
    leader
}

fn see(leader: &mut Leader, seen: Seen) {
    let incarnation = leader.state.nodes[&NodeId::from("n1")].incarnation;
    let speaker = Speaker { node: "n1".into(), session: "boot-n1".into(), incarnation };
    let operation = leader.state.activity(&"r1".into(), &"n1".into()).map_or(Operation(0), |it| it.operation);
    let told = leader.apply(Command::Observe { speaker, resource: "r1".into(), operation, seen, error: None });
    assert_eq!(told, Outcome::Done);
    leader.step(Event::Applied);
}

fn seconds(leader: &Leader, interval: Duration, since: BootTime) -> Vec<u64> {
    let looks = leader.looks.iter().filter(|(_, of)| *of == interval);
    looks.map(|(at, _)| (at.since(since).as_millis() as u64 + 500) / 1000).collect()
}

#[test]
fn every_monitor_looks_at_its_own_interval_and_after_its_own_delay() {
    let mut leader = watched();
    let begun = leader.now;
    leader.run(Duration::from_secs(151));
    assert_eq!(seconds(&leader, QUICK, begun), (1..=15).map(|number| number * 10).collect::<Vec<u64>>());
    assert_eq!(seconds(&leader, DEEP, begun), [25, 85, 145]);
}

#[test]
fn what_the_deep_look_found_stands_until_it_finds_otherwise() {
    let mut leader = watched();
    let broken = || Executed { seen: Seen::Failed("no answer".to_owned()), error: Some("no answer".into()) };
    leader.found.insert(DEEP, broken());
    leader.run(Duration::from_secs(50));
    let activity = leader.state.activity(&"r1".into(), &"n1".into()).expect("it is known").clone();
    assert!(matches!(activity.seen, Seen::Failed(_)), "a look that is less deep said that it runs: {activity:?}");
    assert_eq!((activity.failures, activity.failed_operation()), (1, "monitor_60000"));
    let definition = &leader.state.config.primitives[&ResourceId::from("r1")];
    let spec = definition.operation(activity.failed_operation(), &leader.state.config.op_defaults);
    assert_eq!(spec.on_fail, quorate_core::config::OnFail::Block, "its own on-fail follows");
    leader.found.clear();
    leader.run(Duration::from_secs(60));
    let activity = leader.state.activity(&"r1".into(), &"n1".into()).expect("it is known");
    assert_eq!(activity.seen, Seen::Running, "it says itself that it works again");
    leader.found.insert(QUICK, broken());
    leader.run(Duration::from_secs(11));
    let activity = leader.state.activity(&"r1".into(), &"n1".into()).expect("it is known");
    assert_eq!(activity.failed_operation(), "monitor");
}

#[test]
fn where_it_should_not_run_it_is_looked_for() {
    let mut leader = Leader::new();
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(1));
    leader.configure(
        "primitive f3 stonith:fake params state=/x target=n3\n\
         primitive r1 ocf:a:b meta target-role=Stopped op monitor interval=10s op monitor interval=60s role=Stopped\n",
    );
    leader.run(Duration::from_secs(1));
    see(&mut leader, Seen::Stopped);
    // The plan looks at the other nodes.
    leader.run(Duration::from_secs(2));
    leader.looks.clear();
    let begun = leader.now;
    let stopped = || Executed { seen: Seen::Stopped, error: None };
    leader.found.insert(DEEP, stopped());
    let index = leader.state.index;
    leader.run(Duration::from_secs(121));
    assert!(seconds(&leader, QUICK, begun).is_empty(), "nothing runs there that its monitor could look at");
    let looked = seconds(&leader, DEEP, begun);
    assert!(looked.len() == 2 && looked[1] - looked[0] == 60, "{looked:?}");
    assert_eq!(leader.state.index, index, "it is where it was: nothing is written");
    leader.found.clear();
    leader.run(Duration::from_secs(61));
    let told = leader.state.events.iter().any(|event| event.text.contains("r1") && event.text.contains("runs"));
    assert!(told, "somebody started it, and nobody says so: {:?}", leader.state.events.iter().last());
    let stops = |leader: &Leader| leader.state.actions.values().any(|action| action.kind == ActionKind::Stop);
    let here = leader.state.activity(&"r1".into(), &"n1".into()).expect("it is known");
    assert!(here.is_stopped() || here.claim.is_some() || stops(&leader), "it is stopped: {here:?}");
    assert_eq!(here.failures, 0, "its agent has failed in nothing");
}

#[test]
fn a_deep_look_comes_at_its_time_of_day() {
    const MINUTE: u64 = 60_000;
    const SPARSE: Duration = Duration::from_secs(600);
    let mut leader = watched();
    // It is ten seconds past five to two.
    leader.wall_ahead = (20_000 * 24 * 60 + 115) * MINUTE + 10_000 - leader.now.0;
    let deep = |origin: &str| {
        format!(
            "primitive f3 stonith:fake params state=/x target=n3\n\
             primitive r1 ocf:a:b meta is-managed=false op monitor interval=10s timeout=5s \
             op monitor interval=10m timeout=40s OCF_CHECK_LEVEL=10 interval-origin={origin}\n"
        )
    };
    leader.configure(&deep("2026-11-22T02:00Z"));
    let begun = leader.now;
    leader.run(Duration::from_secs(300));
    assert_eq!(seconds(&leader, SPARSE, begun), [290], "at two o'clock");
    let quick = seconds(&leader, QUICK, begun).len();
    assert!((29..=30).contains(&quick), "the other goes on at its interval: {quick}");
    // Other times are told: the next of them, and not ten minutes after the last look.
    leader.configure(&deep("2026-11-22T02:01Z"));
    leader.run(Duration::from_secs(60));
    assert_eq!(seconds(&leader, SPARSE, begun), [290, 350]);
    // The clock is set back by two minutes: that time comes again, and it does not look again.
    leader.wall_ahead -= 2 * MINUTE;
    leader.run(Duration::from_secs(700));
    assert_eq!(seconds(&leader, SPARSE, begun), [290, 350]);
    leader.run(Duration::from_secs(30));
    assert_eq!(seconds(&leader, SPARSE, begun), [290, 350, 350 + 600 + 120]);
}

#[test]
fn a_job_brings_the_time_of_its_stop_along() {
    let mut leader = watched();
    leader.configure(
        "primitive f3 stonith:fake params state=/x target=n3\n\
         primitive r1 ocf:a:b meta is-managed=false op monitor interval=10s\n\
         op_defaults timeout=77s\n",
    );
    let mut stops = Vec::new();
    for _ in 0..220 {
        leader.now = leader.now.after(TICK);
        let (state, me, voters) = (&leader.state, NodeId::from("n1"), &leader.voters);
        let view = View { state, leader: Some(&me), is_leader: true, term: 1, voters, wall: state.now };
        let effects = leader.engine.step(leader.now, view, Event::Tick);
        stops.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Look(job) => Some(job.stop),
            _ => None,
        }));
    }
    assert_eq!(stops, [Duration::from_secs(77)], "op_defaults speak of stops too");
}
