//! What is judged before anything is proposed, on states that come from log entries.

use super::edit::{Base, Edit};
use super::fault;
use quorate_api::{Fault, Reason};
use quorate_core::config::Config;
use quorate_core::grammar::{Mode, print_object};
use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::state::{ActionKind, Command, FenceCause, Refusal};
use story::Story;

// The stories of the core's own tests.
#[path = "../../../core/tests/story/mod.rs"]
pub(super) mod story;

fn edit(story: &Story, text: &str, mode: Mode) -> Result<Edit, Fault> {
    Base::of(&story.state).edit(text, mode, false)
}

fn edited(story: &Story, edit: &Edit) -> Config {
    let mut config = story.state.config.clone();
    edit.patch.apply_to(&mut config);
    config
}

fn refused<T: std::fmt::Debug>(result: Result<T, Fault>, reason: Reason, part: &str) {
    let fault = result.expect_err("it must be refused");
    assert_eq!(fault.reason, reason, "{fault:?}");
    assert!(fault.message.contains(part), "{part:?} is not in {:?}", fault.message);
}

fn domain(name: &str, number: u8, disk: &str) -> String {
    format!(
        "params xml='<domain type=\"kvm\"><name>{name}</name><uuid>6f1d2c3a-0b4e-4c5d-8e9f-0000000000{number:02}</uuid>\
         <devices><disk type=\"file\" device=\"disk\"><source file=\"{disk}\"/><target dev=\"vda\"/></disk></devices></domain>'"
    )
}

#[test]
fn statements_become_a_patch_with_its_words() {
    let story = Story::healthy();
    let added = edit(&story, "primitive vm3 vm:fake\nlocation vm3-n3 vm3 50: n3", Mode::Add).unwrap();
    assert_eq!(added.revision, story.state.revision);
    assert_eq!(added.diff, "+ primitive vm3 vm:fake\n+ location vm3-n3 vm3 50: n3\n");
    assert!(added.warnings.is_empty(), "{:?}", added.warnings);
    let config = edited(&story, &added);
    assert!(config.primitives.contains_key(&ResourceId::from("vm3")) && config.locations.contains_key("vm3-n3"));
}

#[test]
fn what_changes_nothing_is_an_empty_patch() {
    let story = Story::healthy();
    let same = edit(&story, "primitive vm1 vm:fake", Mode::Update).unwrap();
    assert!(same.patch.is_empty() && same.diff.is_empty());
}

#[test]
fn every_error_is_told_and_warnings_do_not_refuse() {
    let story = Story::healthy();
    let both = edit(&story, "primitive vm3 vm:nonsense\nlocation l vm9 50: n1", Mode::Add);
    refused(both.clone(), Reason::Invalid, "vm:nonsense");
    refused(both, Reason::Invalid, "'vm9'");
    refused(edit(&story, "primitve vm3 vm:fake", Mode::Add), Reason::Invalid, "did you mean 'primitive'?");
    refused(edit(&story, "primitive vm1 vm:fake", Mode::Add), Reason::Invalid, "exists already");
    refused(
        edit(&story, "primitive vm3 vm:libvirt params xml=@vm3.xml", Mode::Add),
        Reason::Invalid,
        "only qrm reads files",
    );
    let warned = edit(&story, "location vm1-n9 vm1 50: n9", Mode::Add).unwrap();
    assert!(warned.warnings.iter().any(|warning| warning.contains("'n9' is no node")), "{:?}", warned.warnings);
}

#[test]
fn a_vm_that_runs_is_taken_out_only_when_that_is_said() {
    let mut story = Story::healthy();
    refused(edit(&story, "delete vm1", Mode::Update), Reason::Refused, "vm1 is or may be active on n");
    assert!(edit(&story, "delete vm1 --force", Mode::Update).is_ok());
    assert!(Base::of(&story.state).edit("delete vm1", Mode::Update, true).is_ok());
    refused(edit(&story, "primitive vm2 vm:fake", Mode::Replace), Reason::Refused, "vm1 is or may be");
    story.configure("set vm1.target-role Stopped");
    story.settle();
    assert!(edit(&story, "delete vm1", Mode::Update).is_ok());
}

#[test]
fn the_target_role_is_set_and_given_back() {
    let mut story = Story::healthy();
    let (vm1, role) = (ResourceId::from("vm1"), Some("Stopped"));
    let stop = Base::of(&story.state).target_role(&vm1, role);
    assert!(stop.diff.contains("meta target-role=Stopped"), "{}", stop.diff);
    let before = story.state.config.clone();
    story.tell(Command::Configure {
        actor: "root".into(),
        base: stop.revision,
        patch: Box::new(stop.patch),
        diff: stop.diff,
    });
    assert!(print_object(&story.state.config, "vm1").unwrap().contains("target-role=Stopped"));
    assert!(Base::of(&story.state).target_role(&vm1, role).patch.is_empty(), "it is so already");
    let start = Base::of(&story.state).target_role(&vm1, None);
    assert_eq!(edited(&story, &start), before);
}

/// What was said of a clone of a group, of the group or of a member comes after what is said of the clone now.
#[test]
fn a_clone_of_a_group_is_stopped_and_started_as_one() {
    let mut story = Story::healthy();
    story.configure("primitive a ocf:heartbeat:Dummy\nprimitive b ocf:heartbeat:Dummy\ngroup g a b\nclone c g");
    story.settle();
    let mut aim = |name: &str, role: &str| {
        let edit = Base::of(&story.state).target_role_of_group(name, role).expect("it is a group");
        let (base, patch, diff) = (edit.revision, Box::new(edit.patch), edit.diff);
        story.tell(Command::Configure { actor: "root".into(), base, patch, diff });
        story.settle();
        let status = story.status(&story.live("n1"));
        let of = |id: &str| {
            let found = status.resources.iter().find(|resource| resource.id.as_str() == id).expect("it is configured");
            assert_eq!((found.group.as_deref(), found.clone.as_deref()), (Some("g"), Some("c")));
            found.places.len()
        };
        (of("a"), of("b"))
    };
    let all = aim("c", "Started");
    assert!(all.0 > 1 && all.0 == all.1, "{all:?}");
    assert_eq!(aim("g", "Stopped"), (0, 0));
    assert_eq!(aim("c", "Started"), all);
    assert_eq!(aim("c", "Stopped"), (0, 0));
    assert_eq!(aim("g", "Started"), all);
    let parts = super::edit::vms(&story.state.config, "c").expect("it is made of two");
    assert_eq!(parts, ["a".into(), "b".into()]);
    assert_eq!(super::edit::vm(&story.state.config, "c").expect("its first"), "a".into());
}

#[test]
fn a_group_is_stopped_and_started_as_one() {
    let mut story = Story::healthy();
    story.configure("group g vm1 vm2\nset vm2.target-role Started");
    story.settle();
    let mut aim = |role: &str| {
        let edit = Base::of(&story.state).target_role_of_group("g", role).expect("it is a group");
        let (base, patch, diff) = (edit.revision, Box::new(edit.patch), edit.diff);
        story.tell(Command::Configure { actor: "root".into(), base, patch, diff });
        story.settle();
        let role = |id: &str| story.state.config.primitives[&ResourceId::from(id)].meta.get("target-role").cloned();
        assert_eq!(print_object(&story.state.config, "vm2").unwrap(), "primitive vm2 vm:fake\n");
        (role("vm1"), role("vm2"))
    };
    assert_eq!(aim("Stopped"), (Some("Stopped".into()), Some("Stopped".into())));
    assert_eq!(aim("Started"), (Some("Started".into()), Some("Started".into())));
    assert!(Base::of(&story.state).target_role_of_group("vm3", "Started").is_none());
    let named = |name: &str| super::edit::vms(&story.state.config, name).ok().map(|ids| ids.len());
    assert_eq!((named("g"), named("vm2"), named("vm9")), (Some(2), Some(1), None));
    assert_eq!(super::edit::vm(&story.state.config, "g").expect("its first member"), "vm1".into());
}

#[test]
fn a_disk_is_its_owners_until_that_is_stopped() {
    let mut story = Story::of(&["n1", "n2", "n3"], story::HOUSEHOLD);
    story.configure(&format!("primitive a vm:libvirt {}", domain("a", 1, "/srv/a.img")));
    story.settle();
    // Configured otherwise, it still runs with the old one.
    story.configure(&format!("primitive a vm:libvirt {}", domain("a", 1, "/srv/other.img")));
    let thief = format!("primitive b vm:libvirt {}", domain("b", 2, "/srv/a.img"));
    refused(
        edit(&story, &thief, Mode::Add),
        Reason::Refused,
        "/srv/a.img is that of 'a', which is or may be active with it on n",
    );
    // As an orphan too.
    story.configure("delete a --force");
    refused(edit(&story, &thief, Mode::Add), Reason::Refused, "/srv/a.img is that of 'a'");
    story.settle();
    assert!(edit(&story, &thief, Mode::Add).is_ok(), "a is stopped");
}

#[test]
fn a_disk_that_moves_in_one_change_could_be_started_twice() {
    let mut story = Story::of(&["n1", "n2", "n3"], story::HOUSEHOLD);
    // Defined and not started yet: it may be, before the next change is entered.
    story.configure(&format!("primitive a vm:libvirt {}", domain("a", 1, "/srv/a.img")));
    story.plan();
    let swap = format!(
        "primitive a vm:libvirt {}\nprimitive b vm:libvirt {}",
        domain("a", 1, "/srv/new.img"),
        domain("b", 2, "/srv/a.img")
    );
    refused(edit(&story, &swap, Mode::Update), Reason::Refused, "/srv/a.img is that of 'a'");
    refused(edit(&story, "rename a c", Mode::Update), Reason::Refused, "the domain name 'a' is that of 'a'");
    story.configure("set a.target-role Stopped");
    story.settle();
    assert!(edit(&story, &swap, Mode::Update).is_ok());
    assert!(edit(&story, "rename a c", Mode::Update).is_ok());
}

#[test]
fn only_what_the_change_touches_is_held_against_it() {
    let mut story = Story::of(&["n1", "n2", "n3"], story::HOUSEHOLD);
    story.configure(&format!("primitive a vm:libvirt {}", domain("a", 1, "/srv/a.img")));
    story.settle();
    assert!(edit(&story, "set a.resource-stickiness 200", Mode::Update).is_ok());
    assert!(edit(&story, "primitive vm3 vm:fake", Mode::Add).is_ok());
}

#[test]
fn each_refusal_has_its_reason_and_says_how_to_mend_it() {
    let text = || "why".to_owned();
    let check = |refusal: Refusal, reason| {
        let fault = fault::refused(&refusal);
        assert_eq!(fault.reason, reason, "{refusal:?}");
        assert!(fault.hint.is_some() && fault.message == refusal.to_string(), "{fault:?}");
    };
    check(Refusal::Stale(text()), Reason::Stale);
    check(Refusal::Unsafe(text()), Reason::Refused);
    check(Refusal::SessionEnded(SessionId::new("s")), Reason::Refused);
    check(Refusal::SessionLost(SessionId::new("s")), Reason::Refused);
    check(Refusal::FenceUnsettled(NodeId::from("n1")), Reason::Refused);
    check(Refusal::Foreign(text()), Reason::Refused);
    check(Refusal::Invalid(text()), Reason::Refused);
}

#[test]
fn a_misspelt_name_is_met_with_the_nearest() {
    let fault = fault::unknown("node", "n11", ["n1", "n2"]);
    assert_eq!((fault.reason, fault.hint.as_deref()), (Reason::NotFound, Some("did you mean 'n1'?")));
    let story = Story::healthy();
    let device = super::edit::vm(&story.state.config, "ipmi-n1").unwrap_err();
    assert_eq!(device.reason, Reason::Refused);
    assert_eq!(super::edit::vm(&story.state.config, "vmm1").unwrap_err().hint.as_deref(), Some("did you mean 'vm1'?"));
}

#[test]
fn a_node_is_confirmed_off_only_in_answer_to_the_question() {
    let mut story = Story::healthy();
    let n1 = NodeId::from("n1");
    let session = story.session("n1");
    let ask = |story: &Story, session: &SessionId| {
        super::node::check_confirmation(&story.state, &n1, session).map_err(|fault| fault.reason)
    };
    assert_eq!(ask(&story, &session), Err(Reason::Refused), "nobody asks");
    story.lose("n1", None);
    assert_eq!(ask(&story, &SessionId::new("")), Err(Reason::Invalid));
    assert_eq!(ask(&story, &SessionId::new("of-another-boot")), Err(Reason::Stale));
    assert_eq!(ask(&story, &session), Ok(()));
    story.tell(Command::ConfirmOff { node: n1.clone(), session: session.clone(), by: "root@n2".into() });
    assert_eq!(ask(&story, &session), Err(Reason::Refused), "it is proven dead");
}

#[test]
fn a_fence_is_refused_where_it_is_not_needed_or_cannot_be_carried_out() {
    use super::fence::{Target, check};
    let mut story = Story::healthy();
    let n1 = NodeId::from("n1");
    let ask = |story: &Story, node: &str| check(&story.state, &NodeId::from(node)).map_err(|fault| fault.reason);
    assert_eq!(ask(&story, "n9"), Err(Reason::NotFound));
    assert_eq!(ask(&story, "n1"), Ok(Target::Living(story.session("n1"))));
    story.configure("property stonith-enabled=false");
    assert_eq!(ask(&story, "n1"), Err(Reason::Refused), "fencing is disabled");
    story.configure("property stonith-enabled=true\ndelete ipmi-n3");
    assert_eq!(ask(&story, "n3"), Err(Reason::Refused), "it has no device");
    let session = story.session("n1");
    let cause = FenceCause::Asked { by: "root@n2".into() };
    story.tell(Command::Fence { target: n1.clone(), session: session.clone(), cause, action: None });
    assert_eq!(ask(&story, "n1"), Ok(Target::Wanted("asked by root@n2".into())));
    story.fence_try("n2", "n1", &["ipmi-n1"], Ok(()));
    assert_eq!(ask(&story, "n1"), Err(Reason::Refused), "it is off");
    assert_eq!(
        ask(&Story::of(&["n1"], "primitive f stonith:fake params target=n1"), "n1"),
        Err(Reason::Refused),
        "nobody else"
    );
}

#[test]
fn a_restart_is_refused_where_nobody_would_stop_it() {
    let mut story = Story::healthy();
    let ask =
        |story: &Story, name: &str| super::restart::check(&story.state, name, false).map_err(|fault| fault.reason);
    assert_eq!(ask(&story, "vm1"), Ok((ResourceId::from("vm1"), None)));
    assert_eq!(ask(&story, "ipmi-n1"), Err(Reason::Refused));
    for (set, back) in [
        ("set vm1.target-role Stopped", "set vm1.target-role Started"),
        ("set vm1.is-managed false", "set vm1.is-managed true"),
        ("property maintenance-mode=true", "property maintenance-mode=false"),
    ] {
        story.configure(set);
        assert_eq!(ask(&story, "vm1"), Err(Reason::Refused), "{set}");
        story.configure(back);
    }
    assert_eq!(ask(&story, "vm1"), Ok((ResourceId::from("vm1"), Some("Started".into()))));
}

#[test]
fn a_restart_that_would_wait_for_nothing_is_refused_at_once_with_the_reason() {
    let ask = |story: &Story| super::restart::check(&story.state, "vm1", false).map(drop);
    let mut story = Story::healthy();
    story.lose("n1", None);
    refused(ask(&story), Reason::Refused, "cannot be stopped now, so it is not restarted: it may be active on n1");

    let mut story = Story::healthy();
    story.configure("set vm1.target-role Stopped\nlocation nowhere vm1 rule -inf: defined #uname");
    story.settle();
    story.configure("set vm1.target-role Started");
    refused(ask(&story), Reason::Refused, "vm1 runs nowhere, and a restart would not change that");
    story.configure("delete nowhere");
    assert!(ask(&story).is_ok());
    story.settle();
    assert!(ask(&story).is_ok());

    story.configure("primitive vm1 vm:fake meta rule date gt 2020-01-01 target-role=Started");
    refused(ask(&story), Reason::Refused, "a rule says that vm1 is to run now");
}

#[test]
fn what_a_rule_outweighs_is_said_where_it_is_asked_for() {
    use super::resource::ruled_role;
    let mut story = Story::healthy();
    story.configure("set vm1.target-role Started");
    assert_eq!(ruled_role(&story.state, "vm1"), None);
    story.configure("primitive vm1 vm:fake meta target-role=Started meta rule date gt 2020-01-01 target-role=Stopped");
    let said = ruled_role(&story.state, "vm1").expect("a rule says otherwise");
    assert!(said.starts_with("a rule of vm1 says target-role=Stopped now"), "{said}");
    story.configure("primitive vm1 vm:fake meta target-role=Started meta rule date lt 2020-01-01 target-role=Stopped");
    assert_eq!(ruled_role(&story.state, "vm1"), None, "its date is over");
}

#[test]
fn an_operation_under_way_counts_as_active() {
    let mut story = Story::of(&["n1", "n2", "n3"], story::HOUSEHOLD);
    for _ in 0..10 {
        story.plan();
        let action = story.state.actions.values().find(|action| action.resource.as_str() == "vm2").cloned().unwrap();
        story.claim(action.kind, "vm2", action.node.as_str());
        if action.kind == ActionKind::Start {
            refused(edit(&story, "delete vm2", Mode::Update), Reason::Invalid, "vm2-likes-n2");
            refused(
                edit(&story, "delete vm2-likes-n2 vm2", Mode::Update),
                Reason::Refused,
                "vm2 is or may be active on n2",
            );
            return;
        }
        story.result("vm2", action.node.as_str(), quorate_core::state::Seen::Stopped, None);
    }
    panic!("vm2 was never started");
}
