//! Changed parameters of a resource that runs, by agents that are small programs: what is handed over, and what is told.

use super::*;
use crate::engine::Tag;
use quorate_agents::process::Processes;
use quorate_agents::systemd::Systemd;
use quorate_core::grammar;
use quorate_core::id::Operation;
use std::path::Path;

const DESCRIBED: &str = r#"<resource-agent name="Web"><version>VERSION</version><parameters>
<parameter name="level" reloadable="1" unique="0"/><parameter name="state" unique="1"/></parameters>
<actions><action name="start"/><action name="stop"/><action name="monitor"/>ACTION</actions></resource-agent>"#;

/// An agent that can reload by `action`, if it can, and does so as `how` says.
fn agents(dir: &Path, version: &str, action: &str, how: &str) -> Ocf {
    use std::os::unix::fs::PermissionsExt;
    let place = dir.join("resource.d/test");
    std::fs::create_dir_all(&place).expect("made");
    let action = if action.is_empty() { String::new() } else { format!(r#"<action name="{action}"/>"#) };
    let described = DESCRIBED.replace("VERSION", version).replace("ACTION", &action);
    let ran = dir.join("ran");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nmeta-data) cat <<'X'\n{described}\nX\n;;\n\
         *) echo \"$1 $OCF_RESKEY_level\" >>{}; case $1 in reload*) {how};; esac;;\nesac\n",
        ran.display()
    );
    std::fs::write(place.join("Web"), script).expect("written");
    std::fs::set_permissions(place.join("Web"), std::fs::Permissions::from_mode(0o755)).expect("executable");
    let systemd = Arc::new(Systemd::new(quorate_agents::systemd::BUS, dir.join("none")));
    Ocf::new(Arc::new(Agents::new(dir, Processes::new(None))), systemd, NodeId::from("n1"), dir.join("migrating"))
}

fn job(kind: ActionKind, level: u32) -> Job {
    let text = format!("primitive web ocf:test:Web params level={level} state=/x\n");
    let config = grammar::read(&text, &mut |_| Err(String::new())).expect("the text is valid");
    let definition = config.primitives[&ResourceId::from("web")].clone();
    Job {
        tag: Tag(7),
        kind,
        resource: "web".into(),
        operation: Operation(1),
        definition,
        timeout: Duration::from_secs(10),
        stop: Duration::from_secs(10),
        target: None,
        interval: Duration::ZERO,
        is_absent: false,
        notice: Attributes::new(),
    }
}

#[tokio::test]
async fn a_start_tells_what_can_be_reloaded_and_a_reload_hands_it_over() {
    for (version, action, wanted) in [
        ("1.1", "reload-agent", Some("reload-agent")),
        ("1.0", "reload", Some("reload")),
        ("1.1", "reload", None),
        ("1.0", "", None),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let ocf = agents(dir.path(), version, action, "exit 0");
        let started = ocf.operate(&job(ActionKind::Start, 1)).await;
        let runs = Executed { seen: Seen::Running, error: None };
        let Some(wanted) = wanted else {
            assert_eq!(started, Event::Executed(Tag(7), runs), "{version} {action}");
            continue;
        };
        let reload = Reload { action: wanted.to_owned(), parameters: ["level".to_owned()].into() };
        assert_eq!(started, Event::Reloads(Tag(7), runs.clone(), reload.clone()), "{version} {action}");
        assert_eq!(ocf.operate(&job(ActionKind::Reload, 2)).await, Event::Reloads(Tag(7), runs, reload));
        let ran = std::fs::read_to_string(dir.path().join("ran")).expect("it ran");
        assert_eq!(ran, format!("start 1\n{wanted} 2\n"));
    }
}

#[tokio::test]
async fn what_fails_to_reload_has_failed() {
    for (how, wanted) in
        [("echo ocf-exit-reason:no >&2; exit 1", "error (1): no"), ("kill -9 $$", "killed by signal 9")]
    {
        let dir = tempfile::tempdir().expect("a directory");
        let ocf = agents(dir.path(), "1.1", "reload-agent", how);
        let Event::Executed(_, told) = ocf.operate(&job(ActionKind::Reload, 2)).await else {
            panic!("it was taken over")
        };
        assert_eq!(told.seen, Seen::Failed(wanted.to_owned()));
        assert_eq!(told.error.map(|error| error.severity), Some(Severity::Soft));
    }
    // An agent of another release that cannot reload any more.
    let dir = tempfile::tempdir().expect("a directory");
    let ocf = agents(dir.path(), "1.1", "", "exit 0");
    let Event::Executed(_, told) = ocf.operate(&job(ActionKind::Reload, 2)).await else { panic!("it was taken over") };
    assert!(matches!(told.seen, Seen::Failed(why) if why.contains("cannot reload here any more")));
}

#[tokio::test]
async fn a_stop_waits_behind_no_looks_and_no_starts_that_hang() {
    let dir = tempfile::tempdir().expect("a directory");
    let ocf = Arc::new(agents(dir.path(), "1.0", "", "exit 0"));
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstop) exit 0;;\nesac\necho >>{}\nexec sleep 60\n",
        dir.path().join("hung").display()
    );
    std::fs::write(dir.path().join("resource.d/test/Web"), script).expect("written");
    let of = |kind, name: &str| Job { resource: name.into(), timeout: Duration::from_secs(60), ..job(kind, 1) };
    let mut hanging = tokio::task::JoinSet::new();
    for number in 0..AT_ONCE {
        let (looking, starting) = (ocf.clone(), ocf.clone());
        let look = of(ActionKind::Probe, &format!("look{number}"));
        hanging.spawn(async move { _ = looking.watch(&look).await });
        let start = of(ActionKind::Start, &format!("start{number}"));
        // What a reload is would be asked of an agent that hangs.
        hanging.spawn(async move { _ = starting.operation(&start, None).await });
    }
    let hung = || std::fs::read_to_string(dir.path().join("hung")).unwrap_or_default().lines().count();
    while hung() < 2 * AT_ONCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stopped = timeout(Duration::from_secs(20), ocf.operation(&of(ActionKind::Stop, "one-more"), None)).await;
    assert_eq!(stopped.expect("it waits for nobody").seen, Seen::Stopped);
    hanging.shutdown().await;
}

/// Whether it heard says nothing of what is there.
#[tokio::test]
async fn an_agent_is_told_what_is_done_to_its_clone() {
    for (how, is_deaf) in [("env | grep CRM_meta_notify >$OCF_RESKEY_level", false), ("exit 1", true)] {
        let dir = tempfile::tempdir().expect("a directory");
        let script = format!("#!/bin/sh\ncase $1 in notify) {how};; esac\n");
        let ocf = agents(dir.path(), "1.1", "reload", "exit 0");
        std::fs::write(ocf.agents.path_of(&Name::new("test", "Web").expect("a name")), script).expect("written");
        let heard = dir.path().join("heard");
        let mut job = job(ActionKind::Notify, 1);
        job.definition.params.insert("level".to_owned(), heard.display().to_string());
        let told = [("notify_type", "post"), ("notify_operation", "promote"), ("notify_promote_uname", "n1 n2")];
        job.notice = told.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let Event::Executed(Tag(7), executed) = ocf.operate(&job).await else { panic!("it is an operation") };
        let error = executed.error.map(|error| error.text);
        assert_eq!(error.is_some(), is_deaf, "{error:?}");
        if !is_deaf {
            let heard = std::fs::read_to_string(heard).expect("it wrote down what it heard");
            let all = told.iter().all(|(name, value)| heard.contains(&format!("OCF_RESKEY_CRM_meta_{name}={value}")));
            assert!(all, "{heard}");
        }
    }
}
