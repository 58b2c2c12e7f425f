//! Agents, asked through the whole service: what they say of themselves, and what that means for a configuration.

use super::{Daemon, change, member};
use crate::service::Seat;
use quorate_api::proto::ViewKind;
use quorate_api::{Change, Reason};
use quorate_core::view::{AgentCheck, AgentInfo, AgentList, AgentQuestion, FenceTest};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

fn write_agent(place: &Path, name: &str) {
    std::fs::create_dir_all(place).unwrap();
    let text = format!(
        r#"#!/bin/sh
[ "$1" = meta-data ] && cat <<'XML'
<resource-agent name="{name}"><shortdesc>a test</shortdesc><parameters>
<parameter name="ip" required="1" unique-group="place"><content type="string"/></parameter>
<parameter name="port" unique-group="place"><content type="integer" default="80"/></parameter>
<parameter name="label" unique="1"/>
</parameters><actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/>
<action name="monitor" timeout="20s"/><action name="meta-data"/><action name="validate-all"/></actions></resource-agent>
XML
exit 0
"#
    );
    let path = place.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_listed_described_and_asked() {
    let dir = TempDir::new().unwrap();
    write_agent(&dir.path().join("ocf/resource.d/mine"), "Web");
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let ask =
        async |question: &AgentQuestion| client.view(ViewKind::Agents, &serde_json::to_string(question).unwrap()).await;
    let list = |class: &str| AgentQuestion::List { class: class.to_owned(), provider: None };
    let all: AgentList = serde_json::from_str(&ask(&list("")).await.unwrap().json).unwrap();
    for name in ["ocf:mine:Web", "stonith:ipmi", "stonith:redfish", "vm:libvirt"] {
        assert!(all.agents.iter().any(|agent| agent == name), "{name}: {:?}", all.agents);
    }
    let info = async |agent: &str| -> AgentInfo {
        let answer = ask(&AgentQuestion::Info { agent: agent.to_owned() }).await.unwrap();
        serde_json::from_str(&answer.json).unwrap()
    };
    let web = info("mine:Web").await;
    assert_eq!((web.agent.as_str(), web.short.as_str()), ("ocf:mine:Web", "a test"));
    assert_eq!((web.parameters[1].default.as_deref(), web.actions[0].timeout.as_deref()), (Some("80"), Some("20s")));
    assert!(info("vm:libvirt").await.parameters.iter().any(|it| it.name == "xml" && it.required));
    let ipmi = info("stonith:ipmi").await;
    assert!(["ip", "pcmk_host_map"].iter().all(|name| ipmi.parameters.iter().any(|it| it.name == *name)), "{ipmi:?}");
    let missing = ask(&AgentQuestion::Info { agent: "stonith:fence_not_there".to_owned() }).await.unwrap_err();
    assert!(missing.reason == Reason::NotFound && missing.message.contains("fence_not_there"), "{missing:?}");
    let params = [("ipp".to_owned(), "a".to_owned())].into();
    let check = ask(&AgentQuestion::Validate { agent: "stonith:ipmi".to_owned(), params }).await.unwrap();
    let check: AgentCheck = serde_json::from_str(&check.json).unwrap();
    assert!(!check.ok && check.complaints.iter().any(|it| it.contains("did you mean 'ip'?")), "{check:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_is_held_against_what_its_agents_say() {
    let dir = TempDir::new().unwrap();
    write_agent(&dir.path().join("ocf/resource.d/mine"), "Web");
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let refused = async |text: &str| client.configure(change(text)).await.unwrap_err().message;
    let wrong = refused("primitive w1 ocf:mine:Web params prot=80 port=many").await;
    for told in ["needs the parameter 'ip'", "did you mean 'port'?", "port=many is not understood: a whole number"] {
        assert!(wrong.contains(told), "{told}: {wrong}");
    }
    let first = "primitive w1 ocf:mine:Web params ip=a label=x op monitor interval=10s";
    let warnings = client.configure(change(first)).await.unwrap().warnings;
    assert!(matches!(&warnings[..], [only] if only.starts_with("n1: no fence device")), "{warnings:?}");
    // Another place, by the port, and the same label.
    let second = "primitive w2 ocf:mine:Web params ip=a port=81 label=x op monitor interval=10s op promote timeout=20s";
    let warnings = client.configure(change(second)).await.unwrap().warnings.join("\n");
    assert!(warnings.contains("its label is that of 'w1' too"), "{warnings}");
    assert!(!warnings.contains("port is that of") && !warnings.contains("ip with"), "{warnings}");
    assert!(warnings.contains("does not describe an action promote"), "{warnings}");
    // The same place: what is not said of the port is its default.
    let third = "primitive w3 ocf:mine:Web params ip=a port=80 op monitor interval=10s";
    let warnings = client.configure(change(third)).await.unwrap().warnings.join("\n");
    assert!(warnings.contains("its ip with port is that of 'w1' too"), "{warnings}");
    // A fence agent may be on another host only.
    let elsewhere = "primitive f1 stonith:fence_not_there params target=n1 whatever=1";
    let warnings = client.configure(change(elsewhere)).await.unwrap().warnings.join("\n");
    assert!(warnings.contains("there is no fence agent `fence_not_there`"), "{warnings}");
    let wrong = refused("primitive f2 stonith:fake params target=n1 state=/x pcmk_host_check=maybe").await;
    assert!(wrong.contains("static-list, dynamic-list, status or none"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unit_is_two_resources_only_where_that_is_forced() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let force = |text| Change { force: true, ..change(text) };
    let first = "primitive web systemd:no-such-unit op monitor interval=10s";
    client.configure(force(first)).await.unwrap();
    let second = "primitive again systemd:no-such-unit.service op monitor interval=10s";
    let refused = client.configure(change(second)).await.unwrap_err();
    assert!(refused.message.contains("again: web is the same unit"), "{refused:?}");
    let warnings = client.configure(force(second)).await.unwrap().warnings.join("\n");
    assert!(warnings.contains("'again' is the same unit"), "{warnings}");
    // What was forced once is not asked about again.
    let other = client.configure(change("primitive w1 vm:fake")).await.unwrap();
    assert!(other.diff.contains("w1"), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_reads_every_device_and_switches_nothing() {
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(Seat::running(member(&dir).await));
    let client = daemon.client().await;
    let none = client.view(ViewKind::FenceTest, "n1").await.unwrap_err();
    assert!(none.reason == Reason::Refused && none.message.contains("no fence device is for n1"), "{none:?}");
    let power = dir.path().join("power");
    std::fs::write(&power, "on\n").unwrap();
    let devices = format!(
        "primitive f1 stonith:fake params target=n1 state={}\nprimitive f2 stonith:fake params target=n1 state=/nowhere/at/all\n\
         fencing_topology n1: f1 f2",
        power.display()
    );
    client.configure(change(&devices)).await.unwrap();
    let test: FenceTest = serde_json::from_str(&client.view(ViewKind::FenceTest, "n1").await.unwrap().json).unwrap();
    let [f1, f2] = &test.devices[..] else { panic!("{test:?}") };
    assert_eq!((f1.level, f1.power.as_deref(), f1.own, f1.proves), (1, Some("on"), None, true));
    assert!(
        f2.level == 2 && f2.power.is_none() && f2.error.as_ref().is_some_and(|it| it.contains("/nowhere")),
        "{f2:?}"
    );
    assert!(!test.is_good());
    assert_eq!(std::fs::read_to_string(&power).unwrap(), "on\n", "nothing was switched");
    assert!(client.view(ViewKind::FenceTest, "n7").await.unwrap_err().message.contains("n7"));
}
