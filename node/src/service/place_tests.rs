//! Moves and bans that make no sense are refused with what stands against them.

use super::place::{Asked, check};
use super::tests::story::Story;
use quorate_api::proto::ResourceVerb;
use quorate_api::{Fault, Reason};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{Command, Intent, Wish};

fn ask(story: &Story, verb: ResourceVerb, node: Option<&str>) -> Result<Asked, Fault> {
    check(&story.state, "vm1", verb, node.map(NodeId::from).as_ref(), false)
}

fn refused(result: Result<Asked, Fault>, part: &str) {
    let fault = result.expect_err("it must be refused");
    assert_eq!(fault.reason, Reason::Refused, "{fault:?}");
    assert!(fault.message.contains(part) && fault.hint.is_some(), "{fault:?}");
}

fn wish(result: Result<Asked, Fault>) -> (NodeId, Wish) {
    match result {
        Ok(Asked::Wish { node, wish, .. }) => (node, wish),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_move_names_a_node_that_can_run_it_or_leaves_where_it_runs() {
    let mut story = Story::healthy();
    assert_eq!(wish(ask(&story, ResourceVerb::Move, Some("n2"))), ("n2".into(), Wish::Move));
    assert_eq!(wish(ask(&story, ResourceVerb::Move, None)), ("n1".into(), Wish::Leave));
    assert!(matches!(ask(&story, ResourceVerb::Move, Some("n1")), Ok(Asked::IsSo(_))));
    assert_eq!(ask(&story, ResourceVerb::Move, Some("n9")).unwrap_err().reason, Reason::NotFound);
    assert_eq!(ask(&story, ResourceVerb::Ban, None).unwrap_err().reason, Reason::Invalid);
    assert_eq!(wish(ask(&story, ResourceVerb::Ban, Some("n3"))), ("n3".into(), Wish::Ban));
    let ban = |node: &str| Command::Prefer {
        actor: "root".into(),
        resource: ResourceId::from("vm1"),
        node: node.into(),
        wish: Wish::Ban,
        lasts: None,
    };
    story.tell(ban("n2"));
    refused(ask(&story, ResourceVerb::Move, Some("n2")), "root banned it");
    story.tell(Command::SetIntent { actor: "root".into(), node: "n3".into(), intent: Intent::Standby });
    refused(ask(&story, ResourceVerb::Move, Some("n3")), "in standby");
    refused(ask(&story, ResourceVerb::Move, None), "no other node");
}

#[test]
fn what_nobody_would_move_is_refused() {
    for (set, part) in [
        ("set vm1.is-managed false", "nobody touches vm1"),
        ("set vm1.target-role Stopped", "to be stopped"),
        ("property maintenance-mode=true", "nobody touches vm1"),
    ] {
        let mut story = Story::healthy();
        story.configure(set);
        refused(ask(&story, ResourceVerb::Move, Some("n2")), part);
    }
}
