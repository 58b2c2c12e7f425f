//! A promotable pair of Debian's Redis by its agent as it is, which hears of promotions by notices alone: an address goes with
//! the promoted one, and what was written to it outlives its host.

use std::fs;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;

use crate::ocf::{free_address, hosts_with};
use crate::stage::Stage;

const LIMIT: Duration = Duration::from_secs(60);
/// In a host's own /run, so that nobody else's is meant.
const HOME: &str = "/run/redis-pair";

fn redis(stage: &Stage, host: &str, words: &[&str]) -> Result<Option<String>> {
    let socket = format!("{HOME}/redis.sock");
    let command = [&["timeout", "3", "redis-cli", "-s", &socket], words].concat();
    let answer = stage.bed().exec(host, &command)?;
    Ok(answer.success().then(|| answer.stdout.trim().to_owned()))
}

/// What a client elsewhere is answered at the address.
fn ask(stage: &Stage, from: &str, address: &str, words: &[&str]) -> Result<Option<String>> {
    let command = [&["timeout", "3", "redis-cli", "-h", address], words].concat();
    let answer = stage.bed().exec(from, &command)?;
    Ok(answer.success().then(|| answer.stdout.trim().to_owned()))
}

/// What an instance says of itself: `role:master`, or `role:slave` and from whom.
fn says(stage: &Stage, host: &str, line: &str) -> Result<bool> {
    let told = redis(stage, host, &["info", "replication"])?.unwrap_or_default();
    Ok(told.lines().any(|it| it.trim() == line))
}

/// Waits until this one is the master, by its own word, and the address is on its host.
fn wait_served(stage: &Stage, pair: &[String], address: &str) -> Result<String> {
    let mut master = None;
    wait_for("one Redis to be the master, with the address", LIMIT, || {
        let mut masters = Vec::new();
        for host in pair {
            if stage.bed().is_on(host)? && says(stage, host, "role:master")? {
                masters.push(host.clone());
            }
        }
        let addresses = hosts_with(stage, address)?;
        master = masters.first().cloned();
        Ok(masters.len() == 1 && masters == addresses)
    })?;
    master.context("one is the master")
}

fn wait_follows(stage: &Stage, host: &str, master: &str) -> Result<()> {
    wait_for(&format!("the Redis on {host} to follow {master}"), LIMIT, || {
        let is_up = says(stage, host, "master_link_status:up")?;
        Ok(is_up && says(stage, host, &format!("master_host:{master}"))?)
    })
}

pub(crate) fn pair(stage: &mut Stage) -> Result<()> {
    let (contact, address) = (stage.cluster.contact()?, free_address(stage)?);
    let shared = stage.bed().layout().shared();
    let text = format!("bind 0.0.0.0\nprotected-mode no\nport 6379\ndir {HOME}\nlogfile {HOME}/log\nsave \"\"\n");
    fs::write(shared.join("redis.conf"), text)?;
    let mut hosts = stage.bed().hosts();
    hosts.sort();
    let [first, second, third] = &hosts[..] else { anyhow::bail!("this is for three hosts") };
    let pair = [first.clone(), second.clone()];
    let configuration = [
        format!(
            "primitive redis ocf:heartbeat:redis params config=/run/quorate-bed/shared/redis.conf rundir={HOME} \
             op monitor interval=2s role=Promoted timeout=60s op monitor interval=3s role=Unpromoted timeout=60s \
             op start timeout=120s op stop timeout=120s op promote timeout=120s op demote timeout=120s op notify timeout=90s"
        ),
        "clone redises redis meta promotable=true notify=true clone-max=2 interleave=true".to_owned(),
        format!("location not-there redis -inf: {third}"),
        format!("primitive ip ocf:heartbeat:IPaddr2 params ip={address} cidr_netmask=24 op monitor interval=1s"),
        "colocation ip-with-promoted inf: ip redises:Promoted".to_owned(),
        "order promote-then-ip Mandatory: redises:promote ip:start\n".to_owned(),
    ];
    fs::write(shared.join("redis.crm"), configuration.join("\n"))?;
    stage.bed().qrm(&contact, &["configure", "load", "update", "/run/quorate-bed/shared/redis.crm"])?.ok()?;
    let victim = wait_served(stage, &pair, &address)?;
    let other = pair.iter().find(|host| **host != victim).context("a pair has two")?.clone();
    // Nobody but the notice after the promotion told it whom to follow.
    wait_follows(stage, &other, &victim)?;
    let written = ask(stage, third, &address, &["set", "kept", "by the pair"])?;
    ensure!(written.as_deref() == Some("OK"), "it cannot be written: {written:?}");
    wait_for("the other one to have what was written", LIMIT, || {
        Ok(redis(stage, &other, &["get", "kept"])?.as_deref() == Some("by the pair"))
    })?;
    stage.ensure_no_fence()?;

    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    ensure!(wait_served(stage, std::slice::from_ref(&other), &address)? == other, "another one was promoted");
    let seconds = begin.elapsed().unwrap_or_default().as_secs_f64();
    let read = ask(stage, third, &address, &["get", "kept"])?;
    ensure!(read.as_deref() == Some("by the pair"), "what was written is read as {read:?}");
    let written = ask(stage, third, &address, &["set", "kept", "by the other one"])?;
    ensure!(written.as_deref() == Some("OK"), "the promoted one cannot be written: {written:?}");
    let contact = stage.cluster.contact()?;
    let told = stage.bed().qrm(&contact, &["events", "--from", "1"])?.ok()?;
    for words in [format!("that it was stopped on {victim}"), format!("that it was promoted on {other}")] {
        ensure!(told.contains(&words), "the timeline does not say `{words}`: {told}");
    }

    stage.bed().power_on(&victim)?;
    stage.cluster.wait_complete()?;
    wait_follows(stage, &victim, &other)?;
    let read = redis(stage, &victim, &["get", "kept"])?;
    ensure!(read.as_deref() == Some("by the other one"), "the one that came back has {read:?}");
    stage.note(format!("the other Redis served what was written {seconds:.1} s after the power was cut"));
    stage.fences_of(&victim, 1).map(drop)
}
