//! Every installed agent describes itself, those that need nothing go through all their actions, and so do the two that the
//! guide shows and `qrm ra new` writes.

use std::sync::Arc;

use quorate_agents::conformance::{CASES, Case, Round, describe_all, round};
use quorate_agents::ocf::{Agents, Name, ROOT};
use quorate_agents::process::Processes;
use tempfile::TempDir;

/// A person's tool, which has no meta-data.
const NO_AGENT: &str = "stonith:fence_ack_manual";

fn installed() -> Arc<Agents> {
    Arc::new(Agents::new(ROOT, Processes::new(None)))
}

/// Debian's own, where they are installed: the setup of the bed brings them.
#[tokio::test]
async fn every_installed_agent_describes_itself() {
    let described = describe_all(&installed(), 4).await;
    let count = |class: &str| described.iter().filter(|it| it.agent.starts_with(class)).count();
    for it in described.iter().filter(|it| it.agent != NO_AGENT) {
        let read = it.read.as_ref().unwrap_or_else(|why| panic!("{}: {why}", it.agent));
        assert!(!read.actions.is_empty() && !read.short.is_empty(), "{} says nothing", it.agent);
        let begins = read.action("start").or_else(|| read.action("off")).or_else(|| read.action("reboot"));
        assert!(begins.is_some(), "{} does nothing", it.agent);
    }
    let enough = count("ocf:") >= 140 && count("stonith:fence_") >= 80;
    if !enough {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "resource-agents or fence-agents are not installed");
        eprintln!("skipped: resource-agents or fence-agents are not installed");
    }
}

#[tokio::test]
async fn those_that_need_nothing_do_as_ocf_says() {
    let agents = installed();
    let directory = TempDir::new().expect("a directory");
    agents.prepare();
    for case in CASES.iter().filter(|case| !case.confined) {
        let name = Name::new(case.agent.0, case.agent.1).expect("a name");
        if agents.path_of(&name).is_file() {
            let ended = round(&agents, case, directory.path()).await.unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(matches!(ended, Round::Done(10..)), "{name}: {ended:?}");
        }
    }
}

/// The agents of the guide, as they are written by `qrm ra new`.
#[tokio::test]
async fn the_agents_of_the_guide_work() {
    let guide = include_str!("../../docs/agents.md");
    for (kind, text) in
        [("Shell", include_str!("../../cli/agents/agent.sh")), ("Python", include_str!("../../cli/agents/agent.py"))]
    {
        assert!(guide.contains(text), "the guide shows another agent in {kind}");
        assert!(text.lines().count() <= 30, "{kind} has {} lines", text.lines().count());
        let directory = TempDir::new().expect("a directory");
        let place = directory.path().join("resource.d/mine");
        std::fs::create_dir_all(&place).expect("made");
        write_program(&place.join(kind), &text.replace("AGENT", kind));
        let agents = Agents::new(directory.path(), Processes::new(None));
        let name = Name::new("mine", kind).expect("a name");
        let read = agents.metadata(&name).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(read.notes, [""; 0], "{kind}");
        let params = &[("program", "/bin/sleep"), ("options", "1000"), ("pidfile", "@/pid")];
        let case = Case { agent: ("mine", kind), params, promotable: false, confined: false };
        round(&agents, &case, directory.path()).await.unwrap_or_else(|why| panic!("{kind}: {why}"));
        let unconfigured = Case { params: &[], ..case };
        let error = round(&agents, &unconfigured, directory.path()).await.expect_err("it has no program");
        assert!(error.contains("not configured (6): the parameter program is missing"), "{error}");
    }
}

fn write_program(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
}
