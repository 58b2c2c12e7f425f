//! The very qrm that ships, against a daemon that answers as it is told: output, exit codes, and what is asked.

mod daemon;
#[path = "../../../core/tests/story/mod.rs"]
mod story;

use daemon::{Daemon, Ran};
use quorate_api::{Fault, Reason};
use quorate_core::state::{ActionKind, Command, Ticket};
use quorate_core::time::Timestamp;
use quorate_core::view::Document;
use serde_json::{Value, json};
use std::path::Path;
use story::Story;

#[tokio::test]
async fn json_is_exactly_the_document() {
    let story = Story::healthy();
    let daemon = Daemon::of(&story).await;
    let ran = daemon.qrm("status --json").await;
    assert_eq!((ran.code, ran.stdout.trim()), (0, story.status(&story.live("n1")).json().as_str()));
    let ran = daemon.qrm("configure show vm1").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "primitive vm1 vm:fake\n"));
}

#[tokio::test]
async fn a_pipe_gets_text_without_colours() {
    let ran = Daemon::of(&Story::healthy()).await.qrm("status").await;
    assert!(ran.stdout.starts_with("OK  house: 3 of 3 nodes online"), "{}", ran.stdout);
    assert!(!ran.stdout.contains('\x1b'));
}

#[tokio::test]
async fn every_refusal_has_its_exit_code_and_hint() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let check = async |reason, code| {
        daemon.refuse_changes_with(Fault::new(reason, "it cannot be").hint("do this"));
        let ran = daemon.qrm("--patience 200ms resource start vm1").await;
        assert_eq!(
            (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
            (code, "", "error: it cannot be\nhint: do this\n")
        );
    };
    check(Reason::Refused, 3).await;
    check(Reason::NotFound, 3).await;
    check(Reason::NoLeader, 4).await;
    check(Reason::Failed, 1).await;
    let ran = daemon.qrm("resource start vm1 --json").await;
    let error: Value = serde_json::from_str(&ran.stderr).expect("errors are JSON too");
    assert_eq!(error["error"]["reason"], "failed");
    assert_eq!(error["error"]["hint"], "do this");
}

#[tokio::test]
async fn an_agent_is_written_and_nothing_is_overwritten() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let directory = tempfile::TempDir::new().expect("a directory");
    let place = directory.path().display();
    for (name, lang, begins) in
        [("Counter", "sh", "#!/bin/sh\n# Counter "), ("counter-2", "python", "#!/usr/bin/env python3\n")]
    {
        let ran = daemon.qrm(&format!("ra new {name} --lang {lang} --directory {place}")).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
        let text = std::fs::read_to_string(directory.path().join(name)).expect("it is there");
        assert!(
            text.starts_with(begins) && text.contains(&format!("name=\"{name}\"")) && !text.contains("AGENT"),
            "{text}"
        );
        let again = daemon.qrm(&format!("ra new {name} --directory {place}")).await;
        assert!(again.code == 3 && again.stderr.contains("exists"), "{}", again.stderr);
    }
    for evil in ["../evil", "..:evil", "a:b:c", ":x", "x:"] {
        assert_eq!(daemon.qrm(&format!("ra new {evil} --directory {place}")).await.code, 2, "{evil}");
    }
    // As its help has it.
    let ran = daemon.qrm(&format!("ra new mysite:Counter --lang python --directory {place}")).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("qrm ra validate ocf:mysite:Counter"), "{}", ran.stdout);
    assert!(directory.path().join("mysite/Counter").is_file());
}

#[tokio::test]
async fn no_daemon_is_5_and_no_sense_is_2() {
    let daemon = Daemon::of(&Story::healthy()).await;
    assert_eq!(daemon.qrm("frobnicate").await.code, 2);
    assert_eq!(daemon.qrm("--socket /nowhere/quorated.sock status").await.code, 5);
    assert_eq!(daemon.qrm("--host 127.0.0.1 status").await.code, 2, "no certificate was named");
}

#[tokio::test]
async fn waiting_ends_when_it_is_so_or_says_what_it_waits_for() {
    let mut story = Story::healthy();
    let daemon = Daemon::of(&story).await;
    let ran = daemon.qrm("resource start vm1 --wait").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "vm1 is running on n1\n"));

    story.configure("set vm1.target-role Stopped");
    story.plan();
    story.claim(ActionKind::Stop, "vm1", "n1");
    daemon.tell(&story);
    let ran = daemon.qrm("resource stop vm1 --wait --timeout 400ms").await;
    assert_eq!(ran.code, 6);
    assert!(ran.stderr.contains("stop on n1 is under way"), "{}", ran.stderr);
}

#[tokio::test]
async fn confirm_off_carries_the_session_it_was_asked_about() {
    let mut story = Story::healthy();
    let daemon = Daemon::of(&story).await;
    let ran = daemon.qrm("node confirm-off n2 --i-have-checked n2").await;
    assert_eq!(ran.code, 3, "nobody asked: {}", ran.stderr);
    assert!(ran.stderr.contains("nobody asks whether n2 is off"), "{}", ran.stderr);

    story.lose("n2", None);
    story.fence_try("n1", "n2", &["ipmi-n2"], Err("no answer"));
    daemon.tell(&story);
    assert_eq!(daemon.qrm("node confirm-off n2").await.code, 2, "there is no terminal to ask at");
    assert_eq!(daemon.qrm("node confirm-off n2 --i-have-checked n3").await.code, 3);
    assert!(daemon.asked().is_empty(), "nothing was confirmed so far");
    let ran = daemon.qrm("node confirm-off n2 --i-have-checked n2").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("Tried ipmi-n2 once: no answer"), "{}", ran.stderr);
    assert_eq!(daemon.asked(), [format!("node ConfirmOff n2 {}", story.session("n2"))]);
}

#[tokio::test]
async fn a_batch_is_committed_at_its_commit_lines_with_files_put_in() {
    let daemon = Daemon::of(&Story::healthy()).await;
    std::fs::write(daemon.directory().join("vm9.xml"), "<domain/>").expect("writable");
    let batch = "primitive vm9 vm:libvirt \\\n  params xml=@vm9.xml\ncommit\n# the rest\ndelete vm2\n";
    let ran = daemon.qrm_reading("configure", batch).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let first = "configure Add primitive vm9 vm:libvirt \\\n  params xml=\"<domain/>\"";
    assert_eq!(daemon.asked(), [first, "configure Add # the rest\ndelete vm2"]);

    let ran = daemon.qrm_reading("configure", "delete vm1\ncommit\nprimitive a vm:libvirt params xml=@gone.xml").await;
    assert_eq!(ran.code, 1, "a file is missing");
    assert_eq!(daemon.asked().len(), 2, "so nothing was committed");
}

#[tokio::test]
async fn files_named_in_a_loaded_file_stand_beside_it() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let below = daemon.directory().join("below");
    std::fs::create_dir(&below).expect("writable");
    std::fs::write(below.join("vm9.xml"), "<domain/>").expect("writable");
    std::fs::write(below.join("all.txt"), "primitive vm9 vm:libvirt params xml=@vm9.xml").expect("writable");
    let ran = daemon.qrm("configure load replace below/all.txt").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(daemon.asked(), ["configure Replace primitive vm9 vm:libvirt params xml=\"<domain/>\""]);
}

#[tokio::test]
async fn verify_of_a_file_needs_no_daemon() {
    let daemon = Daemon::of(&Story::healthy()).await;
    std::fs::write(daemon.directory().join("bad.txt"), "primitive vm1 vm:fake\nlocation l vm7 inf: n1\n")
        .expect("writable");
    let ran = daemon.qrm("--socket /nowhere configure verify bad.txt").await;
    assert_eq!(ran.code, 3);
    assert!(ran.stdout.contains("vm7"), "{}", ran.stdout);
    std::fs::write(daemon.directory().join("good.txt"), "primitive vm1 vm:fake\n").expect("writable");
    assert_eq!(daemon.qrm("--socket /nowhere configure verify good.txt").await.code, 0);
    let ran = daemon.qrm("configure verify").await;
    assert_eq!(ran.code, 0, "the live one is good: {} {}", ran.stdout, ran.stderr);
}

#[tokio::test]
async fn events_are_followed_until_the_reader_has_enough() {
    let story = Story::healthy();
    let daemon = Daemon::of(&story).await;
    let lines = daemon.first_lines("events -f --from 3 --json", story.state.next_event - 3).await;
    let numbers: Vec<u64> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["number"].as_u64().expect("a number"))
        .collect();
    let wanted: Vec<u64> = (3..story.state.next_event).collect();
    assert_eq!(numbers, wanted);
}

#[tokio::test]
async fn the_name_typed_for_a_fence_is_not_asked_of_a_script() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let Ran { code, stdout, .. } = daemon.qrm("fence n2").await;
    assert_eq!((code, stdout.as_str()), (0, "done\n"));
    assert_eq!(daemon.asked(), ["fence n2"]);
    let ran = daemon.qrm("fence history").await;
    assert_eq!(ran.stdout, "no node was ever fenced\n");
}

#[tokio::test]
async fn an_attribute_of_a_node_is_set_shown_and_taken_back() {
    let mut story = Story::healthy();
    let daemon = Daemon::of(&story).await;
    assert_eq!(daemon.qrm("node status-attr n2 set rack").await.code, 2, "a value is missing");
    assert_eq!(daemon.qrm("node status-attr n2 set rack r7").await.code, 0);
    assert_eq!(daemon.qrm("node status-attr n2 delete rack").await.code, 0);
    assert_eq!(daemon.asked(), [r#"attribute n2 rack Some("r7")"#, "attribute n2 rack None"]);
    let ran = daemon.qrm("node status-attr n2 show rack").await;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    story.tell(Command::SetAttribute { node: "n2".into(), name: "rack".to_owned(), value: Some("r7".to_owned()) });
    daemon.tell(&story);
    assert_eq!(daemon.qrm("node status-attr n2 show rack").await.stdout, "r7\n");
    assert!(daemon.qrm("node show n2").await.stdout.contains("rack=r7"));
}

#[tokio::test]
async fn what_a_lost_node_would_bring_is_shown_and_nothing_is_asked_for() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let ran = daemon.qrm("simulate").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("Nothing to do."), "{}", ran.stdout);
    let ran = daemon.qrm("simulate --node-down n1 --json").await;
    let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(shown["schema"], "simulate/1");
    assert_eq!(shown["fenced"], json!(["n1"]));
    assert_eq!(shown["placement"]["vm1"], json!(["n3"]));
    let actions = shown["actions"].as_array().expect("a list");
    let place = |op: &str| actions.iter().position(|action| action["op"] == op).expect(op);
    assert!(shown["order"].as_array().expect("a list").contains(&json!([place("fence"), place("start")])));
    let ran = daemon.qrm("simulate --node-down n1").await;
    let at = |words: &str| ran.stdout.find(words).unwrap_or_else(|| panic!("{words}: {}", ran.stdout));
    assert!(at("fence") < at("it was on n1, which is fenced; n3 is best"), "{}", ran.stdout);
    let ran = daemon.qrm("simulate --node-standby n1 --node-standby n3").await;
    assert!(ran.stdout.contains("Started n2"), "{}", ran.stdout);
    assert_eq!(daemon.qrm("simulate --node-down n9").await.code, 3, "there is no n9");
    assert!(daemon.asked().is_empty());
}

#[tokio::test]
async fn staged_statements_are_tried_on_the_live_cluster() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let staged = "location away vm1 -inf: n1\nprimitive vm9 vm:fake\n";
    let ran = daemon.qrm_reading("simulate --with -", staged).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("+ location away vm1 -inf: n1"), "{}", ran.stdout);
    assert!(ran.stdout.contains("it moves from n1 to n3"), "{}", ran.stdout);
    std::fs::write(daemon.directory().join("bad.txt"), "primitive vm1 vm:fake\nlocation l vm7 inf: n1\n")
        .expect("writable");
    let ran = daemon.qrm("simulate --with bad.txt").await;
    assert!(ran.code != 0 && ran.stderr.contains("vm7"), "{}", ran.stderr);
    std::fs::write(daemon.directory().join("latin.txt"), b"primitive vm9 vm:fake\n# M\xfcnchen\n").expect("writable");
    std::fs::write(daemon.directory().join("vm.txt"), "primitive vm9 vm:libvirt params xml=@latin.txt")
        .expect("writable");
    for command in
        ["simulate --with latin.txt", "simulate --with vm.txt", "simulate --cib latin.txt", "import --cib latin.txt"]
    {
        let ran = daemon.qrm(command).await;
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("latin.txt: line 2, column 4: this is no UTF-8"), "{command}: {}", ran.stderr);
    }
    assert!(daemon.asked().is_empty());
}

#[tokio::test]
async fn a_vm_is_explained_with_what_would_move_it() {
    let mut story = Story::healthy();
    let daemon = Daemon::of(&story).await;
    let ran = daemon.qrm("explain vm1 --json").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(shown["schema"], "explain/1");
    let reason = &shown["reasons"][0];
    assert_eq!((&reason["place"], &reason["runs_on"]), (&json!("n1"), &json!(["n1"])));
    let other = &reason["nodes"][2];
    assert_eq!((&other["node"], &other["change"]["change"]), (&json!("n3"), &json!("score")));
    // What it names is done, and brings what it promises.
    let command = other["change"]["command"].as_str().expect("a command");
    story.configure(command.strip_prefix("qrm configure ").expect("a statement"));
    story.settle();
    daemon.tell(&story);
    let ran = daemon.qrm("explain vm1 --scores").await;
    assert!(ran.stdout.starts_with("vm1 runs on n3, and stays there"), "{}", ran.stdout);
    assert!(ran.stdout.contains("location vm1-on-n3"), "{}", ran.stdout);
    assert!(ran.stdout.contains("last time, at "), "{}", ran.stdout);
    story.configure("set vm1.target-role Stopped");
    story.settle();
    daemon.tell(&story);
    let ran = daemon.qrm("explain vm1").await;
    assert!(ran.stdout.contains("it would run on n3 after: qrm resource start vm1"), "{}", ran.stdout);
    assert_eq!(daemon.qrm("explain vm7").await.code, 3);
    assert!(daemon.asked().is_empty());
}

#[tokio::test]
async fn a_group_is_shown_and_waited_for_as_all_its_members() {
    let mut story = Story::healthy();
    story.configure("group g vm1 vm2");
    story.settle();
    let daemon = Daemon::of(&story).await;
    let ran = daemon.qrm("resource status g").await;
    assert!(ran.code == 0 && ran.stdout.lines().count() == 2 && ran.stdout.contains("in g"), "{}", ran.stdout);
    let ran = daemon.qrm("resource locate g").await;
    assert!(ran.stdout.contains("vm1 is running on") && ran.stdout.contains("vm2 is running on"), "{}", ran.stdout);
    let ran = daemon.qrm("resource start g --wait").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran = daemon.qrm("resource stop g --wait --timeout 400ms").await;
    assert!(ran.code == 6 && ran.stderr.contains("is not stopped"), "its members run: {}", ran.stderr);
    assert_eq!(daemon.qrm("resource status h").await.code, 3);
}

#[tokio::test]
async fn the_configuration_is_saved_and_edited() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let at = |name: &str| daemon.directory().join(name);
    let ran = daemon.qrm("configure save it.txt vm1").await;
    assert_eq!(
        (ran.code, std::fs::read_to_string(at("it.txt")).expect("saved")),
        (0, "primitive vm1 vm:fake\n".to_owned())
    );
    assert_eq!(daemon.qrm("configure save it.txt").await.code, 1, "it is there");
    assert_eq!(daemon.qrm("configure save it.txt --replace").await.code, 0);
    assert!(std::fs::read_to_string(at("it.txt")).expect("saved").lines().count() > 1);

    std::fs::write(at("idle"), "#!/bin/sh\n").expect("writable");
    std::fs::write(at("busy"), "#!/bin/sh\nsed -i 's/fake/fake meta priority=3/' \"$1\"\n").expect("writable");
    for name in ["idle", "busy"] {
        std::fs::set_permissions(at(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("ours");
    }
    let ran = daemon.qrm_in("EDITOR", &at("idle"), "configure edit vm1").await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "nothing was changed\n"), "{}", ran.stderr);
    assert!(daemon.asked().is_empty());
    let ran = daemon.qrm_in("EDITOR", &at("busy"), "configure edit vm1").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(daemon.asked(), ["configure Update primitive vm1 vm:fake meta priority=3"]);
    let ran = daemon.qrm_in("EDITOR", Path::new("false"), "configure edit").await;
    assert_eq!(ran.code, 3, "{}", ran.stderr);
}

#[tokio::test]
async fn a_pacemaker_configuration_is_printed_without_a_daemon_and_committed_with_one() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let at = |name: &str| daemon.directory().join(name);
    std::fs::write(at("cib.xml"), include_str!("../../../core/tests/pacemaker/household.xml")).expect("writable");
    let domain = |name: &str, digit: u8| {
        format!("<domain><name>{name}</name><uuid>6f1d2c3a-0b4e-4c5d-8e9f-00112233445{digit}</uuid></domain>")
    };
    std::fs::write(at("web.xml"), domain("web", 1)).expect("writable");
    let ran = daemon.qrm("--socket /nowhere import --cib cib.xml").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("xml=\"<domain><name>web</name>"), "{}", ran.stdout);
    assert!(ran.stdout.contains("xml=@db.xml"), "{}", ran.stdout);
    assert!(ran.stderr.contains("left out: mail: <alert>: nobody is alerted here"), "{}", ran.stderr);
    let ran = daemon.qrm("--socket /nowhere import --cib cib.xml --json").await;
    let shown: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(shown["missing_files"], json!(["db.xml"]));
    assert!(
        shown["told"]
            .as_array()
            .is_some_and(|told| told.iter().any(|one| one["id"] == "mail" && one["fate"] == "left-out"))
    );

    let ran = daemon.qrm("import --cib cib.xml --commit").await;
    assert!(ran.code == 3 && ran.stderr.contains("definitions of VMs are missing: db.xml"), "{}", ran.stderr);
    assert!(daemon.asked().is_empty());
    std::fs::write(at("db.xml"), domain("db", 2)).expect("writable");
    let ran = daemon.qrm("import --cib cib.xml --commit").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let asked = daemon.asked();
    let [checked, standby, committed] = &asked[..] else { panic!("{asked:?}") };
    assert!(checked.starts_with("configure Update node n1") && checked == committed, "{asked:?}");
    assert_eq!(standby.trim(), "node Standby n1", "before anything may start on it");
    assert!(ran.stderr.contains("n1 is in standby"), "{}", ran.stderr);
    let ran = daemon.qrm("import --cib cib.xml --commit --dry-run").await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(daemon.asked().len(), 4, "it is said to nobody");
    let ran = daemon.qrm_reading("import --cib -", "<domain/>").await;
    assert!(ran.code == 3 && ran.stderr.contains("line 1, column 1: this is <domain>"), "{}", ran.stderr);
}

#[tokio::test]
async fn a_resource_of_a_cib_is_explained_without_a_daemon() {
    let daemon = Daemon::of(&Story::healthy()).await;
    let ran = daemon.qrm_reading("--socket /nowhere explain vm --cib -", SMALL_CIB).await;
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("it would run on n2 if it needed 512 memory less"), "{}", ran.stdout);
    assert!(ran.stdout.contains("it needs 2048 memory, and 1024 are free"), "{}", ran.stdout);
    assert_eq!(daemon.qrm_reading("explain nobody --cib -", SMALL_CIB).await.code, 3);
}

const SMALL_CIB: &str = r#"<cib have-quorum="1"><configuration><crm_config><cluster_property_set id="o">
<nvpair id="o1" name="placement-strategy" value="utilization"/><nvpair id="o2" name="stonith-enabled" value="false"/>
</cluster_property_set></crm_config><nodes>
<node id="1" uname="n1"><utilization id="u1"><nvpair id="m1" name="memory" value="1024"/></utilization></node>
<node id="2" uname="n2"><utilization id="u2"><nvpair id="m2" name="memory" value="1536"/></utilization></node>
</nodes><resources><primitive id="vm" class="ocf" provider="heartbeat" type="Dummy">
<utilization id="u3"><nvpair id="m3" name="memory" value="2048"/></utilization></primitive></resources>
<constraints/></configuration><status>
<node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
<node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/></status></cib>"#;

#[tokio::test]
async fn booth_speaks_to_the_cluster_as_to_pacemaker() {
    let mut story = Story::healthy();
    let attributes =
        [("owner", "-5"), ("expires", "99")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let held = Ticket { granted: true, standby: false, last_granted: Some(Timestamp(7_000)), attributes };
    story.state.tickets.insert("east".to_owned(), held);
    let daemon = Daemon::of(&story).await;
    // By this it finds out whether it can set all at once.
    assert_eq!(daemon.helper("crm_ticket", "-g -t any-ticket-name").await.code, 4);
    let ran = daemon.helper("crm_ticket", "-t east -q").await;
    let xml = "State XML:\n\n<ticket_state id=\"east\" granted=\"true\" last-granted=\"7\" standby=\"false\" expires=\"99\" owner=\"-5\"/>\n";
    assert_eq!((ran.code, ran.stdout.as_str()), (0, xml), "{}", ran.stderr);
    for (line, code, said) in [
        ("-t east -G owner --quiet", 0, "-5\n"),
        ("-t east -G granted", 0, "true\n"),
        ("-t east -G nothing -d x", 0, "x\n"),
        ("-t east -G nothing --quiet", 105, ""),
        ("-t west -q", 105, ""),
        ("-t west -C", 105, ""),
        ("-t east -C", 4, ""),
        ("-w", 0, "east\n"),
        ("-t east -r", 4, ""),
        ("-t east", 64, ""),
        ("-g --force", 64, ""),
    ] {
        let ran = daemon.helper("crm_ticket", line).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (code, said), "{line}: {}", ran.stderr);
        assert_eq!(ran.stderr.is_empty(), code == 0, "{line}: {}", ran.stderr);
    }
    assert_eq!(daemon.asked(), Vec::<String>::new(), "nothing was changed by that");
    for line in
        ["-t east -r --force", "-t east -g --force -S owner -v5 -S expires -v99", "-t east -D owner", "-t east -s"]
    {
        let ran = daemon.helper("crm_ticket", line).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{line}: {}", ran.stderr);
    }
    let asked = ["ticket Revoke east", "ticket Grant east +expires=99 +owner=5", "ticket Unspecified east -owner"];
    assert_eq!(daemon.asked(), [&asked[..], &["ticket Standby east"]].concat());
}
