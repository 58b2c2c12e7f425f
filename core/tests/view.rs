//! The documents say what the state says: no more, no less, and no secret.

mod story;

use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{ActionKind, Command, Seen};
use quorate_core::view::{
    self, Document, Level, Live, PlaceState, ResourceView, Role, Status, config, event, events, fences, history,
};
use story::Story;

fn resource<'s>(status: &'s Status, id: &str) -> &'s ResourceView {
    status.resources.iter().find(|resource| resource.id.as_str() == id).expect("it is shown")
}

fn places(resource: &ResourceView) -> Vec<(&str, PlaceState)> {
    resource.places.iter().map(|place| (place.node.as_str(), place.state)).collect()
}

#[test]
fn a_healthy_cluster_is_ok_and_every_vm_has_one_place() {
    let story = Story::healthy();
    let status = story.status(&story.live("n1"));
    assert_eq!(status.health.level, Level::Ok, "{}", status.health.text);
    assert_eq!(status.health.text, "3 of 3 nodes online, 2 of 2 VMs running");
    assert_eq!(places(resource(&status, "vm1")), [("n1", PlaceState::Running)]);
    assert_eq!(places(resource(&status, "vm2")), [("n2", PlaceState::Running)]);
    assert!(status.questions.is_empty() && status.blocked.is_empty() && status.fencing.is_empty());
    assert_eq!(status.devices.len(), 3);
}

#[test]
fn what_a_node_has_and_what_is_used_of_it_is_shown() {
    let mut story = Story::of(
        &["n1", "n2"],
        "property placement-strategy=utilization\nnode n1 utilization memory=8 cpu=4\n\
         primitive ipmi stonith:fake params pcmk_host_list=\"n1 n2\"\n\
         primitive vm1 vm:fake utilization memory=6\nprimitive vm2 vm:fake utilization memory=3",
    );
    story.settle();
    let status = story.status(&story.live("n1"));
    let room = &status.nodes[0].room;
    let of = |name: &str| (room[name].used, room[name].capacity, room[name].counts);
    assert_eq!((of("memory"), of("cpu")), ((6, 8, true), (0, 4, true)));
    assert!(status.nodes[1].room.is_empty());
    let blocked = &status.blocked[0].why;
    assert!(blocked.contains("n1: it needs 3 memory, and n1 has 2 free"), "{blocked}");
}

#[test]
fn a_document_reads_back_as_it_was() {
    let mut story = Story::healthy();
    story.lose("n2", Some(("n1", &["ipmi-n2"])));
    let status = story.status(&story.live("n1"));
    let back: Status = serde_json::from_str(&status.json()).expect("it is JSON of its own type");
    assert_eq!(back, status);
    assert_eq!(Status::SCHEMA, "status/1");
}

#[test]
fn every_other_document_reads_back_too() {
    fn check<D: Document + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(document: &D) {
        let back: D = serde_json::from_str(&document.json()).expect("it is JSON of its own type");
        assert_eq!(back, *document, "{}", D::SCHEMA);
    }
    let mut story = Story::healthy();
    story.lose("n2", Some(("n1", &["ipmi-n2"])));
    check(&fences(&story.state));
    story.fence_try("n1", "n2", &["ipmi-n2"], Ok(()));
    check(&fences(&story.state));
    check(&events(&story.state, None));
    check(story.state.events.back().expect("a lot happened"));
    check(&config(&story.state, "").expect("everything"));
    check(&history(&story.state));
    check(&view::plan(&story.state, &quorate_core::planner::plan(&story.state)));
    story.plan();
    check(&view::plan(&story.state, &quorate_core::planner::plan(&story.state)));
}

#[test]
fn what_runs_on_a_lost_node_is_unknown_until_its_proof() {
    let mut story = Story::healthy();
    story.lose("n2", Some(("n1", &["ipmi-n2"])));
    let status = story.status(&story.live("n1"));
    assert_eq!(resource(&status, "vm2").role, Role::Unknown);
    assert_eq!(places(resource(&status, "vm2")), [("n2", PlaceState::Unknown)]);
    assert_eq!(status.health.level, Level::Recovering);
    assert!(status.fencing[0].tries[0].open);

    story.fence_try("n1", "n2", &["ipmi-n2"], Ok(()));
    let status = story.status(&story.live("n1"));
    assert_eq!(resource(&status, "vm2").role, Role::Stopped);
    assert!(status.fencing.is_empty());
    assert_eq!(status.fences[0].outcome, "power-off");
    assert_eq!(status.fences[0].proof, "power reads off by ipmi-n2, read by n1");
}

#[test]
fn a_person_is_asked_only_when_every_level_has_failed() {
    let mut story = Story::healthy();
    story.configure("primitive pdu stonith:fake params target=n2\nfencing_topology n2: ipmi-n2 pdu");
    story.lose("n2", None);
    story.fence_try("n1", "n2", &["ipmi-n2"], Err("no answer in 4 s"));
    assert!(story.status(&story.live("n1")).questions.is_empty(), "the PDU was not tried yet");

    story.fence_try("n1", "n2", &["pdu"], Err("login refused"));
    story.fence_try("n3", "n2", &["ipmi-n2"], Err("no route to host"));
    let status = story.status(&story.live("n1"));
    let question = &status.questions[0];
    assert_eq!(
        question.text,
        "Is n2 really off? Tried: ipmi-n2 2 times (no route to host); pdu once (login refused). \
         If you have made sure: qrm node confirm-off n2"
    );
    assert_eq!(question.waiting, [ResourceId::from("vm2")]);
    assert_eq!(question.session, story.session("n2"));
    assert_eq!(status.health.level, Level::Question);

    let (node, session) = (NodeId::from("n2"), story.session("n2"));
    story.tell(Command::ConfirmOff { node, session, by: "uid 0".to_owned() });
    let status = story.status(&story.live("n1"));
    assert!(status.questions.is_empty());
    assert_eq!(
        (status.fences[0].outcome.as_str(), status.fences[0].proof.as_str()),
        ("confirmed", "confirmed off by uid 0")
    );
}

#[test]
fn a_node_without_a_device_is_asked_about_at_once() {
    let mut story = Story::of(&["n1", "n2", "n3"], "primitive vm1 vm:fake");
    story.lose("n3", None);
    let status = story.status(&story.live("n1"));
    assert!(status.questions[0].text.contains("Nobody tries to prove it now: it has no fence device."));
}

#[test]
fn a_settling_fence_asks_nothing() {
    let mut story = Story::healthy();
    story.lose("n2", None);
    story.fence_try("n1", "n2", &["ipmi-n2"], Err("no answer"));
    let speaker = story.speaker("n1");
    let (target, session) = (NodeId::from("n2"), story.session("n2"));
    story.tell(Command::FenceGrant {
        speaker,
        target: target.clone(),
        session: session.clone(),
        devices: vec![ResourceId::from("ipmi-n2")],
        lasts: std::time::Duration::from_secs(20),
    });
    assert_eq!(story.status(&story.live("n1")).questions.len(), 1);
    story.tell(Command::ConfirmOff { node: target, session, by: "uid 0".to_owned() });
    let status = story.status(&story.live("n1"));
    assert!(status.fencing[0].settling);
    assert!(status.questions.is_empty());
}

#[test]
fn what_is_under_way_is_told_with_its_reason() {
    let mut story = Story::healthy();
    story.configure("set vm1.target-role Stopped");
    story.plan();
    let status = story.status(&story.live("n1"));
    assert_eq!(resource(&status, "vm1").doing[0].since, None);
    story.claim(ActionKind::Stop, "vm1", "n1");
    let status = story.status(&story.live("n1"));
    let vm1 = resource(&status, "vm1");
    assert_eq!((vm1.role, vm1.target_role.as_str()), (Role::Stopping, "stopped"));
    assert_eq!(vm1.doing.len(), 1);
    assert_eq!((vm1.doing[0].kind.as_str(), vm1.doing[0].since), ("stop", Some(story.now())));
    assert!(vm1.doing[0].reason.is_some());
    story.result("vm1", "n1", Seen::Running, Some("the guest does not react"));
    let status = story.status(&story.live("n1"));
    let failure = &resource(&status, "vm1").failures[0];
    assert_eq!((failure.operation.as_str(), failure.error.as_str()), ("stop", "the guest does not react"));
    assert!(failure.stop_failed);
}

#[test]
fn a_vm_seen_on_two_nodes_is_a_broken_promise() {
    let mut story = Story::healthy();
    let id = ResourceId::from("vm1");
    let operation = story.state.resources[&id][&NodeId::from("n3")].operation;
    let speaker = story.speaker("n3");
    story.tell(Command::Observe { speaker, resource: id, operation, seen: Seen::Running, error: None });
    let status = story.status(&story.live("n1"));
    assert_eq!(resource(&status, "vm1").role, Role::Multiple);
    assert_eq!(status.health.level, Level::Broken);
}

#[test]
fn an_orphan_is_shown_while_it_is_there() {
    let mut story = Story::healthy();
    story.configure("delete vm1");
    assert!(resource(&story.status(&story.live("n1")), "vm1").is_orphan);
    story.settle();
    let status = story.status(&story.live("n1"));
    assert!(status.resources.iter().all(|resource| resource.id.as_str() != "vm1"));
}

#[test]
fn without_a_majority_nothing_else_is_the_headline() {
    let story = Story::healthy();
    let mut live = Live { leader: None, ..story.live("n1") };
    live.confirmed = false;
    live.reachable = vec![NodeId::from("n1")];
    let status = story.status(&live);
    assert_eq!(status.health.level, Level::NoQuorum);
    assert!(status.health.text.contains("n1 reaches 1 of 3 voters, and 2 are needed"), "{}", status.health.text);
}

#[test]
fn the_state_document_holds_no_secret() {
    let mut story = Story::healthy();
    story.configure("primitive bmc stonith:ipmi params target=n1 ip=10.9.0.1 username=admin password=hunter2");
    story.configure("set bmc.password hunter3");
    let json = view::state(&story.state).json();
    for secret in ["hunter2", "hunter3", "a private key", "token of n2"] {
        assert!(!json.contains(secret), "{secret} is in it");
    }
    assert!(json.contains("10.9.0.1"), "the rest is there");
    let back: view::StateView = serde_json::from_str(&json).expect("it reads back");
    assert_eq!(back, view::state(&story.state));
}

#[test]
fn config_shows_kinds_and_tags() {
    let mut story = Story::healthy();
    story.configure("tag t vm1");
    let shown = |what: &str| config(&story.state, what).expect("it is there").text;
    assert_eq!(shown("tag:t"), "tag t vm1\nprimitive vm1 vm:fake\n");
    assert!(shown("type:primitive").lines().count() > 1 && shown("type:primitive").contains("primitive vm1 vm:fake\n"));
    let unknown = config(&story.state, "type:clone tag:u").expect_err("there are none");
    assert_eq!(unknown.0, ["type:clone", "tag:u"]);
}

#[test]
fn config_shows_what_the_last_commit_changed() {
    let mut story = Story::healthy();
    story.configure("tag t vm1\nrsc_defaults priority=1");
    let shown = |story: &Story| config(&story.state, "changed").expect("it is there").text;
    assert_eq!(shown(&story), "tag t vm1\nrsc_defaults \\\n\tpriority=1\n");
    story.configure("primitive vm2 vm:fake meta priority=5");
    assert!(shown(&story).starts_with("primitive vm2 vm:fake \\\n\tmeta priority=5\n"), "{}", shown(&story));
}

#[test]
fn config_names_all_that_is_unknown() {
    let story = Story::healthy();
    let whole = config(&story.state, "").expect("everything");
    assert_eq!(whole.revision, 1);
    assert!(whole.text.contains("location vm2-likes-n2 vm2 100: n2"));
    let some = config(&story.state, "vm1 vm2").expect("both are there");
    assert_eq!(some.text, "primitive vm1 vm:fake\nprimitive vm2 vm:fake\n");
    let error = config(&story.state, "vm7 vm1 vm8").expect_err("two are not");
    assert_eq!(error.to_string(), "not configured: vm7, vm8");
    assert_eq!(history(&story.state).revisions.len(), 1);
}

#[test]
fn events_are_found_by_number() {
    let mut story = Story::healthy();
    let all = events(&story.state, None);
    assert_eq!(all.next, story.state.next_event);
    let last = all.next - 1;
    assert_eq!(events(&story.state, Some(last)).events.len(), 1);
    assert_eq!(event(&story.state, last).map(|event| event.number), Some(last));
    assert_eq!(event(&story.state, all.next), None);
    story.state.events.drain(..3);
    assert_eq!(event(&story.state, all.oldest), None);
    assert_eq!(event(&story.state, last).map(|event| event.number), Some(last));
    assert_eq!(events(&story.state, Some(0)).oldest, all.oldest + 3);
}

#[test]
fn the_plan_document_says_what_comes_and_what_waits() {
    let mut story = Story::healthy();
    story.configure("primitive vm3 vm:fake");
    let plan = quorate_core::planner::plan(&story.state);
    let shown = view::plan(&story.state, &plan);
    assert_eq!(shown.next.len(), 3, "vm3 is looked for on every node: {:?}", shown.next);
    story.plan();
    let shown = view::plan(&story.state, &quorate_core::planner::plan(&story.state));
    assert_eq!((shown.next.len(), shown.actions.len()), (0, 3));
    assert!(fences(&story.state).open.is_empty());
}
