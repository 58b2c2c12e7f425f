//! The status page in the situations it is made for.

use super::status;
use crate::output::{Clock, Style};
use crate::story::Story;
use quorate_core::id::NodeId;
use quorate_core::state::{ActionKind, Seen};
use quorate_core::view::{DrillView, Live};

fn page(story: &Story, live: &Live) -> String {
    let style = Style { colour: false, width: Some(80) };
    status(&story.status(live), style, &Clock::fixed(story.now()))
}

#[test]
fn healthy() {
    let story = Story::healthy();
    insta::assert_snapshot!(page(&story, &story.live("n1")), @r#"
    OK  house: 3 of 3 nodes online, 2 of 2 VMs running
    leader n1 (term 4), 3 of 3 voters, configuration 1, changed 03:00:08, asked n1

    Nodes
      n1  online  since 03:00:00  1 VM  leader
      n2  online  since 03:00:00  1 VM
      n3  online  since 03:00:00

    VMs
      vm1  running  n1  since 03:00:07
      vm2  running  n2  since 03:00:08
    "#);
}

#[test]
fn a_failover_under_way() {
    let mut story = Story::healthy();
    story.wait(60);
    story.lose("n2", Some(("n1", &["ipmi-n2"])));
    let mut live = story.live("n1");
    live.silent_ms.insert(NodeId::from("n2"), 1900);
    insta::assert_snapshot!(page(&story, &live), @r#"
    RECOVERING  house: n2 is not heard; 2 of 3 nodes online, 1 of 2 VMs running
    leader n1 (term 4), 2 of 3 voters: no host may fail, configuration 1, changed
      03:01:09, asked n1

    Blocked
      vm2: it may be active on n2, which is lost: it waits for the proof that n2 is
          off

    Nodes
      n1  online  since 03:00:00  1 VM  leader
      n2  lost    since 03:01:09  1 VM  silent for 1.9 s
      n3  online  since 03:00:00

    VMs
      vm1  running  n1  since 03:00:07
      vm2  unknown  n2  since 03:00:08  n2 is lost

    Fences
      03:01:09 n2: under way (silent for 5.0 s, 2 of 3 voters agree)
          03:01:09 ipmi-n2 by n1: under way
    "#);
}

#[test]
fn a_failover_after_its_proof() {
    let mut story = Story::healthy();
    story.wait(60);
    story.lose("n2", Some(("n1", &["ipmi-n2"])));
    story.fence_try("n1", "n2", &["ipmi-n2"], Ok(()));
    story.plan();
    story.claim(ActionKind::Start, "vm2", "n3");
    insta::assert_snapshot!(page(&story, &story.live("n1")), @r#"
    RECOVERING  house: 1 VM starts after a fence; 2 of 3 nodes online, 1 of 2 VMs
      running
    leader n1 (term 4), 2 of 3 voters: no host may fail, configuration 1, changed
      03:01:11, asked n1

    Nodes
      n1  online  since 03:00:00  1 VM  leader
      n2  off     since 03:01:11
      n3  online  since 03:00:00  1 VM

    VMs
      vm1  running   n1  since 03:00:07
      vm2  starting  n3  since 03:01:11  start on n3 under way

    Fences
      03:01:11 n2: proven off after 2.0 s: power reads off by ipmi-n2, read by n1
    "#);
}

#[test]
fn the_bmc_died_with_its_host() {
    let mut story = Story::healthy();
    story.wait(60);
    story.lose("n2", None);
    for _ in 0..6 {
        story.fence_try("n1", "n2", &["ipmi-n2"], Err("10.9.0.2 does not answer: no RMCP+ session within 4 s"));
    }
    let mut live = story.live("n1");
    live.silent_ms.insert(NodeId::from("n2"), 14_000);
    live.device_errors.insert("ipmi-n2".into(), "10.9.0.2 does not answer: no RMCP+ session within 4 s".into());
    insta::assert_snapshot!(page(&story, &live), @r#"
    QUESTION  house: a person must say whether n2 is off, and 1 VM waits for it
    leader n1 (term 4), 2 of 3 voters: no host may fail, configuration 1, changed
      03:01:21, asked n1

    Is n2 really off?
      Tried ipmi-n2 6 times: 10.9.0.2 does not answer: no RMCP+ session within 4 s
      Waiting for it: vm2
      If you have made sure: qrm node confirm-off n2

    Blocked
      vm2: it may be active on n2, which is lost and could not be fenced: 10.9.0.2
          does not answer: no RMCP+ session within 4 s

    Nodes
      n1  online  since 03:00:00  1 VM  leader
      n2  lost    since 03:01:09  1 VM  silent for 14 s
      n3  online  since 03:00:00

    VMs
      vm1  running  n1  since 03:00:07
      vm2  unknown  n2  since 03:00:08  n2 is lost

    Fences
      03:01:09 n2: under way (silent for 5.0 s, 2 of 3 voters agree)
          03:01:09 to 03:01:19 ipmi-n2 6 times, last by n1: 10.9.0.2 does not
            answer: no RMCP+ session within 4 s
    "#);
}

#[test]
fn what_is_no_vm_is_not_called_one() {
    let mut story = Story::healthy();
    story.configure("primitive ip ocf:heartbeat:Dummy");
    insta::assert_snapshot!(page(&story, &story.live("n1")), @r#"
    OK  house: 3 of 3 nodes online, 2 of 3 resources running
    leader n1 (term 4), 3 of 3 voters, configuration 2, changed 03:00:08, asked n1

    Nodes
      n1  online  since 03:00:00  2 resources  leader
      n2  online  since 03:00:00  2 resources
      n3  online  since 03:00:00  1 resource

    Resources
      ip   unknown  n1, n2, n3  since 03:00:08  newly defined
      vm1  running  n1          since 03:00:07
      vm2  running  n2          since 03:00:08
    "#);
}

#[test]
fn no_quorum() {
    let story = Story::healthy();
    let live = Live { leader: None, reachable: vec!["n1".into()], confirmed: false, ..story.live("n1") };
    insta::assert_snapshot!(page(&story, &live), @r#"
    NO QUORUM  house: n1 reaches 1 of 3 voters, and 2 are needed; nothing is
      started, nobody is fenced, and this is what n1 knew last
    no leader, 1 of 3 voters, configuration 1, changed 03:00:08, asked n1

    Nodes
      n1  online  since 03:00:00  1 VM
      n2  online  since 03:00:00  1 VM
      n3  online  since 03:00:00

    VMs
      vm1  running  n1  since 03:00:07
      vm2  running  n2  since 03:00:08
    "#);
}

#[test]
fn a_stop_that_failed_is_shown_with_its_error() {
    let mut story = Story::healthy();
    story.configure("set vm1.target-role Stopped\nproperty stonith-enabled=false");
    story.plan();
    story.claim(ActionKind::Stop, "vm1", "n1");
    story.result("vm1", "n1", Seen::Running, Some("the guest does not react, and its process survives SIGKILL"));
    insta::assert_snapshot!(page(&story, &story.live("n1")), @r#"
    DEGRADED  house: 1 VM is blocked, 1 VM failed, fencing is disabled; 3 of 3 nodes
      online, 1 of 1 VM running
    leader n1 (term 4), 3 of 3 voters, configuration 2, changed 03:00:08, asked n1

    Blocked
      vm1: it could not be stopped on n1: the guest does not react, and its process
          survives SIGKILL
          mend: stop it by hand, then: qrm resource cleanup vm1

    Nodes
      n1  online  since 03:00:00  1 VM  leader
      n2  online  since 03:00:00  1 VM
      n3  online  since 03:00:00

    VMs
      vm1  running  n1  since 03:00:07  to be stopped; stop failed on n1 at
                                        03:00:08: the guest does not react, and its
                                        process survives SIGKILL
      vm2  running  n2  since 03:00:08
    "#);
}

#[test]
fn without_a_terminal_lines_are_not_broken() {
    let mut story = Story::healthy();
    story.lose("n2", None);
    story.fence_try("n1", "n2", &["ipmi-n2"], Err(&"long ".repeat(60)));
    let style = Style { colour: false, width: None };
    let text = status(&story.status(&story.live("n1")), style, &Clock::fixed(story.now()));
    assert!(text.lines().any(|line| line.len() > 300));
    let painted = Style { colour: true, width: Some(80) };
    let text = status(&story.status(&story.live("n1")), painted, &Clock::fixed(story.now()));
    assert!(text.contains("\x1b[1;31mQUESTION\x1b[0m"), "{text}");
}

#[test]
fn a_fence_device_that_failed_its_drill() {
    let story = Story::healthy();
    let mut live = story.live("n1");
    let drill = |node: &str, by: &str, ago_ms, on, problem: Option<&str>| {
        let (node, by) = (NodeId::from(node), NodeId::from(by));
        DrillView { node, by, ago_ms, on, problem: problem.map(str::to_owned), sensors: None }
    };
    let refused = Some("Redfish service 10.9.0.2:443 refuses the password of user admin (HTTP 401)");
    live.drills = vec![
        ("ipmi-n1".into(), drill("n1", "n2", 1_500_000, Some(true), None)),
        ("ipmi-n2".into(), drill("n2", "n1", 40_000, None, refused)),
        ("ipmi-n3".into(), drill("n3", "n1", 41_000, Some(false), None)),
        // What somebody found who was in charge before.
        ("ipmi-n3".into(), drill("n3", "n2", 900_000, Some(true), None)),
    ];
    insta::assert_snapshot!(page(&story, &live), @r#"
    DEGRADED  house: 2 fence devices failed their drill; 3 of 3 nodes online, 2 of 2
      VMs running
    leader n1 (term 4), 3 of 3 voters, configuration 1, changed 03:00:08, asked n1

    Nodes
      n1  online  since 03:00:00  1 VM  leader
      n2  online  since 03:00:00  1 VM
      n3  online  since 03:00:00

    VMs
      vm1  running  n1  since 03:00:07
      vm2  running  n2  since 03:00:08

    Fence drill
      1 of 3 devices answer as they should, the oldest reading 25 min old
      ipmi-n2 for n2, read by n1 40 s ago: Redfish service 10.9.0.2:443 refuses the
          password of user admin (HTTP 401)
      ipmi-n3 for n3, read by n1 41 s ago: it reads off, and n3 is heard: it is not
          its power that is read
    "#);
}
