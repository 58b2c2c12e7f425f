//! The units that are shipped, in a machine that the real systemd has booted: what the cluster runs there outlives its daemon.

use std::path::Path;
use std::time::Duration;

use quorate_bed::binaries;
use quorate_bed::testing::{eventually, machine_or_skip};

const LIMIT: Duration = Duration::from_secs(60);

/// An agent whose resource is a process, and its number.
const AGENT: &str = r#"#!/bin/sh
pid=/run/sleeper.pid
case $1 in
start) [ -e $pid ] && kill -0 $(cat $pid) && exit 0; sleep 3600 & echo $! >$pid;;
stop) [ -e $pid ] && kill $(cat $pid); rm -f $pid;;
monitor) [ -e $pid ] && kill -0 $(cat $pid) 2>/dev/null || exit 7;;
meta-data) echo '<resource-agent name="Sleeper"><actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s" interval="10s"/></actions></resource-agent>';;
esac
"#;

#[test]
fn what_the_cluster_runs_outlives_a_daemon_that_systemd_restarts() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let Some(machine) = machine_or_skip(dir.path()) else { return };
    let programs = binaries::build(false).expect("they build");
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").canonicalize().expect("it is there");
    std::fs::write(dir.path().join("Sleeper"), AGENT).expect("written");
    let run = |line: &str| {
        let said = machine.exec(line, LIMIT).expect("it answers");
        assert!(
            said.success(),
            "{line}: {said}\n{:?}",
            machine.exec("journalctl -u quorated | tail -40; systemctl status quorated", LIMIT)
        );
        said.stdout.trim().to_owned()
    };
    let wait = |what: &str, line: &str| {
        eventually(what, LIMIT, || machine.exec(line, LIMIT).is_ok_and(|said| said.success()));
    };
    for program in ["quorated", "qrm", "quorate-feeder", "quorate-helper"] {
        run(&format!("ln -s {}/{program} /usr/sbin/{program}", programs.display()));
    }
    run(&format!("cp {}/*.service /etc/systemd/system/ && systemctl daemon-reload", units.display()));
    let said = run("cd /etc/systemd/system && systemd-analyze verify quorated.service quorate-feeder.service");
    assert_eq!(said, "", "systemd does not like something");
    run("systemctl start quorate-feeder && systemctl is-active quorate-feeder");
    let agents = "/usr/lib/ocf/resource.d/test";
    run(&format!(
        "mkdir -p {agents} && install {}/Sleeper {agents}/Sleeper && ip link set lo up",
        dir.path().display()
    ));
    run("systemctl start quorated");
    wait("the daemon", "qrm cluster init house --address 127.0.0.1");
    run("qrm configure property stonith-enabled=false");
    run("qrm configure primitive sleeper ocf:test:Sleeper op monitor interval=2s");
    wait("the resource", "test -e /run/sleeper.pid");
    let first = run("cat /run/sleeper.pid");
    let cgroup = run(&format!("cat /proc/{first}/cgroup"));
    assert!(cgroup.ends_with("/quorated.service/actions/services/sleeper"), "{cgroup}");

    for end in ["systemctl restart quorated", "systemctl kill --kill-whom=main --signal=KILL quorated"] {
        let before = run("systemctl show --property=MainPID --value quorated");
        run(end);
        wait(
            "another daemon",
            &format!("p=$(systemctl show --property=MainPID --value quorated); [ $p != 0 -a $p != {before} ]"),
        );
        wait("the daemon to answer", "qrm status --json | tr -d ' \\n' | grep -qi '\"role\":\"started\"'");
        assert_eq!(run("cat /run/sleeper.pid"), first, "{end}: it was started anew");
        run(&format!("kill -0 {first}"));
    }
    run("qrm resource stop sleeper --wait");
    run(&format!("! kill -0 {first} 2>/dev/null"));
}
