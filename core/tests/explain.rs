//! What `qrm explain` names brings what it promises: each change is carried out as a person would, and planned anew.

mod scenario_harness;

use proptest::prelude::*;
use quorate_core::cib;
use quorate_core::explain::{Change, What, explain, explain_model};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::planner::{self, DateRule};
use quorate_core::scheduler::schedule;
use quorate_core::state::{ClusterState, Command, Entry, Intent, TicketChange};
use quorate_core::suppose::{Supposition, suppose};
use quorate_core::time::Timestamp;
use scenario_harness::file;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// As the command that is named would do it, by entries of the log.
fn carry_out(state: &ClusterState, id: &ResourceId, node: &NodeId, change: &Change) -> ClusterState {
    let statement = |text: String| {
        let what = Supposition { with: Some(text), ..Supposition::default() };
        suppose(state, &what, state.now).expect("a statement that is named can be committed").state
    };
    let command = change.command.as_deref().expect("live changes are commands");
    if let Some(text) = command.strip_prefix("qrm configure ") {
        return statement(text.to_owned());
    }
    if change.what == What::Ticket {
        return with_tickets(state, command);
    }
    let actor = "root".to_owned();
    let entry = match &change.what {
        What::Online | What::Ready => Command::SetIntent { actor, node: node.clone(), intent: Intent::Active },
        What::Clear => Command::Clear { actor, resource: id.clone(), node: Some(node.clone()) },
        What::Cleanup => Command::Cleanup { actor, resource: id.clone(), node: Some(node.clone()) },
        What::Start => return statement(format!("set {id}.target-role Started")),
        What::Score { .. } | What::Need { .. } | What::Capacity { .. } | What::Delete { .. } | What::Ticket => {
            panic!("{command}: this is a statement")
        }
    };
    let mut state = state.clone();
    state.apply(state.index + 1, &Entry { at: state.now, request: None, command: entry });
    state
}

fn with_tickets(state: &ClusterState, commands: &str) -> ClusterState {
    let mut state = state.clone();
    for command in commands.split("; ") {
        let words: Vec<&str> = command.split(' ').collect();
        let (change, ticket) = match words.as_slice() {
            ["qrm", "ticket", "grant", ticket] => (TicketChange::Grant, *ticket),
            ["qrm", "ticket", "activate", ticket] => (TicketChange::Activate, *ticket),
            other => panic!("{other:?} is no command of tickets"),
        };
        let command = Command::SetTicket {
            actor: "root".to_owned(),
            ticket: ticket.to_owned(),
            change: Some(change),
            attributes: BTreeMap::new(),
        };
        state.apply(state.index + 1, &Entry { at: state.now, request: None, command });
    }
    state
}

#[test]
fn in_every_scenario_the_change_that_is_named_gives_the_placement_it_promises() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut tried = [0; 4];
    for entry in fs::read_dir(&folder).expect("the folder of scenarios is there") {
        let path = entry.expect("it can be listed").path();
        let (world, _) = file::lived(&fs::read_to_string(&path).expect("it can be read"));
        let state = world.state;
        for id in state.config.primitives.keys() {
            let Some(explained) = explain(&state, id) else { continue };
            let reason = &explained.reasons[0];
            let of_nodes = reason.nodes.iter().filter_map(|node| node.change.as_ref());
            for change in
                of_nodes.chain(&reason.would_run).flat_map(|change| [Some(change), change.or.as_deref()]).flatten()
            {
                let then = carry_out(&state, id, &change.place.as_str().into(), change);
                let report = planner::plan(&then).report;
                let of_clone = report.clones.get(id).into_iter().flatten();
                let places: Vec<&str> = of_clone.chain(report.placement.get(id)).map(|node| node.as_str()).collect();
                let name = path.file_name().expect("it has one").to_string_lossy();
                assert!(places.contains(&change.place.as_str()), "{name}: {id}: {}: {places:?}", change.words);
                tried[match change.what {
                    What::Score { .. } => 0,
                    What::Start => 1,
                    What::Capacity { .. } => 2,
                    _ => 3,
                }] += 1;
            }
        }
    }
    assert!(tried.iter().all(|count| *count > 3), "scores, starts, capacities and others: {tried:?}");
}

#[test]
fn where_room_is_short_the_number_is_named_and_what_would_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let text = fs::read_to_string(folder.join("capacity-is-a-limit.scn")).expect("it can be read");
    let (short, _) = text.split_once("\nconfigure\n  set").expect("then it is given less to need");
    let (world, _) = file::lived(short);
    let explained = explain(&world.state, &"aa".into()).expect("it is configured");
    let reason = &explained.reasons[0];
    assert!(reason.why.contains("n2: it needs 2048 memory, and n2 has 1024 free"), "{}", reason.why);
    assert!(reason.why.contains("n3: it needs 2048 memory, and n3 has 0 free"), "{}", reason.why);
    let would_run = reason.would_run.as_ref().expect("it would with less");
    assert_eq!(would_run.what, What::Need { name: "memory".to_owned(), less: 1024 });
    assert_eq!(would_run.command.as_deref(), Some("qrm configure set aa.memory 1024"));
    let or = would_run.or.as_ref().expect("or where its node had more");
    assert_eq!(or.what, What::Capacity { name: "memory".to_owned(), more: 1024 });
    assert_eq!(
        would_run.told(),
        "it would run if it needed 1024 memory less: qrm configure set aa.memory 1024; or: it would run on n1 if n1 had 1024 memory \
         more: qrm configure set n1.memory 5120"
    );
}

#[test]
fn a_rule_on_dates_is_named_with_the_time_of_its_change() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let text = fs::read_to_string(folder.join("date-rule-of-a-maintenance-window.scn")).expect("it can be read");
    let (world, _) = file::lived(text.split_once("\nadvance").expect("time passes in it").0);
    let dates =
        |state: &ClusterState| explain(state, &"vm1".into()).expect("it is configured").reasons[0].dates.clone();
    let date = |holds, changes: Option<u64>| DateRule {
        rule: "location window".to_owned(),
        holds,
        changes: changes.map(|second| Timestamp(second * 1000)),
    };
    assert_eq!(dates(&world.state), [date(false, Some(3600))]);
    for (at, wanted) in [(3600, date(true, Some(10_801))), (10_801, date(false, None))] {
        let what = Supposition { at: Some(Timestamp(at * 1000)), ..Supposition::default() };
        let then = suppose(&world.state, &what, world.state.now).expect("time passes").state;
        assert_eq!(dates(&then), [wanted]);
    }
}

/// The least rise is the least: one less does not bring it there.
#[test]
fn no_smaller_number_does() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    for name in ["stickiness-keeps-it.scn", "location-score-prefers.scn", "colocation-follows.scn"] {
        let (world, _) = file::lived(&fs::read_to_string(folder.join(name)).expect("it can be read"));
        for id in world.state.config.primitives.keys() {
            let Some(explained) = explain(&world.state, id) else { continue };
            for node in &explained.reasons[0].nodes {
                let Some(What::Score { by }) = node.change.as_ref().map(|change| &change.what) else { continue };
                let less = by.value() - 1;
                let text = format!("location what-if {id} {less}: {}", node.node);
                let what = Supposition { with: Some(text), ..Supposition::default() };
                let then = suppose(&world.state, &what, world.state.now).expect("it can be committed").state;
                let place = planner::plan(&then).report.placement.get(id).cloned();
                assert_ne!(place, Some(node.node.as_str().into()), "{name}: {id} by {less} already");
            }
        }
    }
}

/// Three nodes with memory, some VMs that need some and prefer something; a Pacemaker CIB.
#[derive(Clone, Debug)]
struct Cib {
    strategy: &'static str,
    memory: [i64; 3],
    /// What each needs, where it runs, how much it wants to stay.
    vms: Vec<(i64, Option<usize>, i64)>,
    /// Which, where, how much.
    locations: Vec<(usize, usize, i64)>,
    /// Who follows whom, how much.
    colocations: Vec<(usize, usize, i64)>,
}

impl Cib {
    fn xml(&self) -> String {
        let amount = |id: &str, much: i64| {
            format!(r#"<utilization id="{id}-u"><nvpair id="{id}-um" name="memory" value="{much}"/></utilization>"#)
        };
        let (mut nodes, mut states, mut vms, mut rules) = (String::new(), String::new(), String::new(), String::new());
        for (ix, memory) in self.memory.iter().enumerate() {
            let n = ix + 1;
            nodes += &format!(r#"<node id="{n}" uname="n{n}">{}</node>"#, amount(&format!("n{n}"), *memory));
            let ran = self.vms.iter().enumerate().filter(|(_, vm)| vm.1 == Some(ix)).map(|(vm, _)| {
                format!(
                    r#"<lrm_resource id="vm{vm}" class="ocf" provider="x" type="y"><lrm_rsc_op id="vm{vm}_start"
                    operation="start" interval="0" rc-code="0" op-status="0" call-id="{}" transition-key="1:1:0:x"/>
                    </lrm_resource>"#,
                    vm + 1
                )
            });
            states += &format!(
                r#"<node_state id="{n}" uname="n{n}" in_ccm="true" crmd="online" join="member" expected="member">
                <lrm id="{n}"><lrm_resources>{}</lrm_resources></lrm></node_state>"#,
                ran.collect::<String>()
            );
        }
        for (vm, (need, _, stays)) in self.vms.iter().enumerate() {
            vms += &format!(
                r#"<primitive id="vm{vm}" class="ocf" provider="x" type="y"><meta_attributes id="vm{vm}-a">
                <nvpair id="vm{vm}-s" name="resource-stickiness" value="{stays}"/></meta_attributes>{}</primitive>"#,
                amount(&format!("vm{vm}"), *need)
            );
        }
        for (place, (vm, node, score)) in self.locations.iter().enumerate() {
            rules += &format!(r#"<rsc_location id="l{place}" rsc="vm{vm}" node="n{}" score="{score}"/>"#, node + 1);
        }
        for (place, (vm, with, score)) in self.colocations.iter().enumerate() {
            rules += &format!(r#"<rsc_colocation id="c{place}" rsc="vm{vm}" with-rsc="vm{with}" score="{score}"/>"#);
        }
        format!(
            r#"<cib have-quorum="1"><configuration><crm_config><cluster_property_set id="p">
            <nvpair id="p1" name="placement-strategy" value="{}"/></cluster_property_set></crm_config>
            <nodes>{nodes}</nodes><resources>{vms}</resources><constraints>{rules}</constraints></configuration>
            <status>{states}</status></cib>"#,
            self.strategy
        )
    }

    fn place(&self, vm: usize) -> Vec<String> {
        let outcome = schedule(cib::read(&self.xml(), None, 0).expect("a CIB"));
        let done = outcome.after.into_iter().find(|done| done.resource == format!("vm{vm}")).expect("it is configured");
        done.on.into_keys().collect()
    }
}

fn cibs() -> impl Strategy<Value = Cib> {
    let scores = prop_oneof![-30i64..120, Just(1_000_000), Just(-1_000_000)];
    let vm = (1i64..8, proptest::option::of(0usize..3), prop_oneof![Just(0i64), Just(1), 1..150i64]);
    let locations = proptest::collection::vec((0usize..4, 0usize..3, scores.clone()), 0..5);
    let pair = (0usize..4, 0usize..4).prop_filter("two of them", |(vm, with)| vm != with);
    let colocations = proptest::collection::vec((pair, scores).prop_map(|((a, b), score)| (a, b, score)), 0..2);
    let strategy = prop_oneof![Just("default"), Just("utilization"), Just("balanced")];
    let memory = [4i64..12, 4i64..12, 4i64..12];
    (strategy, memory, proptest::collection::vec(vm, 4), locations, colocations).prop_map(
        |(strategy, memory, vms, locations, colocations)| Cib { strategy, memory, vms, locations, colocations },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_a_cib_too_the_number_that_is_named_gives_the_placement_it_promises(story in cibs()) {
        let model = cib::read(&story.xml(), None, 0).expect("a CIB");
        for vm in 0..story.vms.len() {
            let explained = explain_model(&model, &format!("vm{vm}")).expect("it is configured");
            let reason = &explained.reasons[0];
            prop_assert_eq!(story.place(vm), reason.place.iter().cloned().collect::<Vec<_>>());
            for change in reason.nodes.iter().filter_map(|node| node.change.as_ref()).chain(&reason.would_run) {
                let mut then = story.clone();
                match &change.what {
                    What::Score { by } => {
                        let node = (1..=3).find(|n| change.place == format!("n{n}")).expect("one of the three");
                        then.locations.push((vm, node - 1, by.value()));
                    }
                    What::Need { less, .. } => then.vms[vm].0 -= less,
                    other => prop_assert!(false, "{:?} is nothing of a CIB", other),
                }
                prop_assert_eq!(then.place(vm), vec![change.place.clone()], "vm{}: {}", vm, &change.words);
            }
        }
    }
}

#[test]
fn who_follows_a_promoted_instance_is_told_where_one_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let text = fs::read_to_string(folder.join("role-follows-the-promoted.scn")).expect("it can be read");
    let (world, _) = file::lived(&text);
    let of = |id: &str, node: usize| {
        explain(&world.state, &id.into()).expect("it is configured").reasons[0].nodes[node].why.clone()
    };
    assert_eq!(of("ip", 0), "colocation ip-with-promoted: it must run where db is promoted, which is on n2");
    let text = fs::read_to_string(folder.join("role-location.scn")).expect("it can be read");
    let (first, _) = text.split_once("\nconfigure\n  delete").expect("then it goes");
    let (world, _) = file::lived(first);
    let why = explain(&world.state, &"db".into()).expect("it is configured").reasons[0].nodes[1].why.clone();
    assert!(why.contains("a constraint wants it promoted there, with 100 by location here"), "{why}");
    let (world, _) = file::lived(&text);
    let why = explain(&world.state, &"db".into()).expect("it is configured").reasons[0].nodes[0].why.clone();
    assert!(why.contains("not promoted: location never forbids it there"), "{why}");
}

#[test]
fn the_last_time_is_that_of_its_stop_where_that_came_last() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let text = fs::read_to_string(folder.join("target-role-stopped.scn")).expect("it can be read");
    let (text, _) = text.split_once("\nconfigure\n  set vm1.target-role Started").expect("then it is started again");
    let (world, _) = file::lived(text);
    let last = explain(&world.state, &ResourceId::from("vm1")).expect("it is there").reasons.remove(0).last_move;
    let last = last.expect("it was stopped");
    assert!(last.why.starts_with("stop of vm1 "), "{last:?}");
}

#[test]
fn the_last_time_names_what_it_was_stopped_for_before() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let text = fs::read_to_string(folder.join("node-health-red-is-left.scn")).expect("it can be read");
    let (text, _) = text.split_once("\nattribute n1 #health-smart green").expect("then its node is well again");
    let (world, _) = file::lived(text);
    let last = explain(&world.state, &ResourceId::from("vm1")).expect("it is there").reasons.remove(0).last_move;
    let last = last.expect("it went elsewhere");
    let before = last.before.as_deref().expect("it ran on n1 before");
    assert!(before.starts_with("stop of vm1 on n1: ") && before.contains("#health-smart"), "{last:?}");
}
