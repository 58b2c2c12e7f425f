//! Rows with OCF resources, by Debian's agents as they are: an address and a dummy that go where a VM goes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::view::{Role, Status};

use crate::stage::Stage;

const STATE: &str = "/run/resource-agents/Dummy-mark.state";
const LIMIT: Duration = Duration::from_secs(60);

/// An address that no host has, in the network of the hosts.
pub(crate) fn free_address(stage: &Stage) -> Result<String> {
    let address = stage.bed().layout().address("n1")?;
    let (network, _) = address.rsplit_once('.').context("the hosts have IPv4 addresses")?;
    Ok(format!("{network}.200"))
}

/// The hosts that have the address, by their own kernels' word.
pub(crate) fn hosts_with(stage: &Stage, address: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for host in stage.bed().hosts() {
        if stage.bed().is_on(&host)? {
            let shown = stage.bed().exec(&host, &["ip", "-o", "-4", "addr", "show"])?.stdout;
            if shown.contains(&format!(" {address}/")) {
                found.push(host);
            }
        }
    }
    Ok(found)
}

/// The hosts where the dummy's state file is.
pub(crate) fn hosts_with_mark(stage: &Stage) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for host in stage.bed().hosts() {
        if stage.bed().is_on(&host)? && stage.bed().exec(&host, &["test", "-e", STATE])?.success() {
            found.push(host);
        }
    }
    Ok(found)
}

/// A VM on the victim, with an address and a dummy that follow it.
fn set(stage: &mut Stage, victim: &str) -> Result<String> {
    let address = free_address(stage)?;
    stage.cluster.run_vms(&stage.auditor, &["vm1"], victim)?;
    let contact = stage.cluster.contact()?;
    let typo = ["configure", "primitive", "ip", "ocf:heartbeat:IPaddr2", &format!("iip={address}"), "nic=eth0"];
    let refused = stage.bed().qrm(&contact, &typo)?;
    ensure!(!refused.success(), "an address without its parameter was taken");
    for words in ["needs the parameter 'ip'", "did you mean 'ip'?"] {
        ensure!(refused.stderr.contains(words), "the refusal does not say `{words}`: {}", refused.stderr);
    }
    for statement in [
        format!("primitive ip ocf:heartbeat:IPaddr2 params ip={address} cidr_netmask=24 op monitor interval=1s"),
        "colocation ip-with-vm1 inf: ip vm1".to_owned(),
        "order ip-after-vm1 vm1 ip".to_owned(),
        "primitive mark Dummy op monitor interval=1s".to_owned(),
        "colocation mark-with-ip inf: mark ip".to_owned(),
        "order mark-after-ip ip mark".to_owned(),
    ] {
        stage.cluster.configure(&statement)?;
    }
    wait_at(stage, &address, |hosts| hosts == [victim])?;
    Ok(address)
}

/// Waits until address and mark are where they should be, never twice, and the cluster knows it.
fn wait_at(stage: &Stage, address: &str, fits: impl Fn(&[String]) -> bool) -> Result<()> {
    wait_for("address and mark to be where they should", LIMIT, || {
        let (addresses, marks) = (hosts_with(stage, address)?, hosts_with_mark(stage)?);
        ensure!(addresses.len() <= 1, "more than one host has the address: {addresses:?}");
        ensure!(marks.len() <= 1, "more than one host has the mark: {marks:?}");
        Ok(addresses == marks && fits(&addresses))
    })?;
    let started = |status: &Status| {
        let is = |name: &str| status.resources.iter().any(|it| it.id.as_str() == name && it.role == Role::Started);
        ["vm1", "ip", "mark"].into_iter().all(is)
    };
    stage.cluster.wait_status("all three to be known as running", LIMIT, started).map(drop)
}

pub(crate) fn power_cut(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    let address = set(stage, &victim)?;

    // Taken away behind its back, it is there again, in its place.
    let begin = SystemTime::now();
    let device = stage.bed().exec(&victim, &["ip", "-o", "-4", "addr", "show", "to", &address])?.stdout;
    let device = device.split_whitespace().nth(1).context("the address is on no device")?.to_owned();
    stage.bed().exec(&victim, &["ip", "addr", "del", &format!("{address}/24"), "dev", &device])?.ok()?;
    wait_at(stage, &address, |hosts| hosts == [victim.clone()])?;
    let told = stage.cluster.events()?;
    ensure!(
        told.iter().any(|event| event.text.contains("ip") && event.text.contains("not running (7)")),
        "no event tells that the address was gone"
    );
    stage.note(format!("the address was back after {:.1} s", begin.elapsed().unwrap_or_default().as_secs_f64()));
    stage.ensure_no_fence()?;

    // A daemon that comes back finds them and touches nothing.
    let index = stage.cluster.contact()?;
    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    wait_at(stage, &address, |hosts| !hosts.is_empty() && hosts != [victim.clone()])?;
    stage.note(format!("all three ran elsewhere after {:.1} s", begin.elapsed().unwrap_or_default().as_secs_f64()));
    let host = hosts_with(stage, &address)?.remove(0);
    stage.cluster.wait_running(&["vm1"], LIMIT, |process| process.host == host)?;
    stage.fences_of(&victim, 1)?;
    // It answers to others: from a host that does not have it, where there is one, else from the one that formed.
    let other = stage.bed().hosts().into_iter().find(|other| *other != host && *other != victim).unwrap_or(index);
    let heard = stage.bed().exec(&other, &["sh", "-c", &format!("ip neigh flush to {address}; timeout 3 bash -c 'echo >/dev/tcp/{address}/9' 2>&1; ip neigh show {address}")])?;
    ensure!(heard.stdout.contains("lladdr"), "nobody answers for {address}: {}", heard.stdout);
    Ok(())
}

/// The agent breaks: its monitor fails, and so does the stop that follows. Then only a fence helps.
pub(crate) fn stop_fails(stage: &mut Stage) -> Result<()> {
    let victim = stage.cluster.follower()?;
    let address = set(stage, &victim)?;
    let agent = "/usr/lib/ocf/resource.d/heartbeat/Dummy";
    let broken = format!(
        "printf '#!/bin/sh\\necho ocf-exit-reason:the storage is gone >&2\\nexit 1\\n' >/run/broken && chmod 755 /run/broken && mount --bind /run/broken {agent}"
    );
    stage.bed().exec(&victim, &["sh", "-c", &broken])?.ok()?;
    wait_for("the node to be fenced", LIMIT, || Ok(!stage.bed().is_on(&victim)?))?;
    wait_at(stage, &address, |hosts| !hosts.is_empty() && hosts != [victim.clone()])?;
    let fence = stage.fences_of(&victim, 1)?.remove(0);
    for words in ["mark could not be stopped", "the storage is gone"] {
        ensure!(fence.cause.contains(words), "the cause is {:?}", fence.cause);
    }
    Ok(())
}

/// Debian's own commands that agents call: whoever called one of these would be seen.
const MASKED: &[&str] = &["attrd_updater", "crm_attribute", "crm_master", "crm_node", "crm_resource", "crm_mon"];

/// Debian's `anything`, whose monitor says something as nobody, by `su -`, which drops the environment. More than that it
/// may not, nor may nobody where no action runs.
fn other_users(stage: &Stage, contact: &str, place: &str) -> Result<()> {
    let hook = "monitor_hook=su -s /bin/sh - nobody -c \"$HA_SBIN_DIR/attrd_updater -n hooked -U yes; \
                $HA_SBIN_DIR/crm_attribute -n lasting -v 1 -l forever; $HA_SBIN_DIR/attrd_updater -n '#health' -U red; \
                $HA_SBIN_DIR/attrd_updater -n done -U yes\"";
    let words = ["configure", "primitive", "hooked", "ocf:heartbeat:anything", "params", "binfile=/bin/sleep"];
    let words = [&words[..], &["cmdline_options=1000", hook, "op", "monitor", "interval=1s"]].concat();
    stage.bed().qrm(contact, &words)?.ok()?;
    stage.cluster.configure(&format!("location hooked-there hooked inf: {place}"))?;
    let of = |status: &Status| {
        let node = status.nodes.iter().find(|node| node.id.as_str() == place);
        node.map(|node| node.attributes.clone()).unwrap_or_default()
    };
    let mut last = BTreeMap::new();
    stage.cluster.wait_status("what nobody says in a monitor", LIMIT, |status| {
        last = of(status);
        last.contains_key("done")
    })?;
    ensure!(last.get("hooked").is_some_and(|value| value == "yes"), "it was not heard: {last:?}");
    ensure!(!last.contains_key("#health"), "nobody said how well the node is: {last:?}");
    let lasting = stage.bed().qrm(contact, &["configure", "show"])?.ok()?;
    ensure!(!lasting.contains("lasting="), "nobody changed the configuration: {lasting}");
    let outside = "exec /run/quorate/helpers/attrd_updater -n outside -U 1";
    let outside = stage.bed().exec(place, &["su", "-s", "/bin/sh", "-", "nobody", "-c", outside])?;
    ensure!(!outside.success(), "nobody was heard outside any action");
    ensure!(!of(&stage.cluster.status()?).contains_key("outside"), "it is there all the same");
    stage.bed().qrm(contact, &["resource", "stop", "hooked"])?.ok().map(drop)
}

/// Agents of Debian's that call crm_attribute and attrd_updater, as they are. Pacemaker's own commands are masked; what the
/// agents say is an attribute of their node.
pub(crate) fn helpers(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    for host in &hosts {
        let mut mask =
            "printf '#!/bin/sh\necho $0 $* >>/run/called\nexit 1\n' >/run/masked && chmod 755 /run/masked".to_owned();
        for name in MASKED {
            mask.push_str(&format!(
                " && if [ -e /usr/sbin/{name} ]; then mount --bind /run/masked /usr/sbin/{name}; fi"
            ));
        }
        stage.bed().exec(host, &["sh", "-c", &mask])?.ok()?;
    }
    let (contact, place) = (stage.cluster.contact()?, stage.cluster.follower()?);
    for statement in [
        "primitive link ocf:pacemaker:attribute params name=connected active_value=1 inactive_value=0 op monitor interval=1s".to_owned(),
        "primitive scored ocf:pacemaker:Stateful op monitor interval=1s".to_owned(),
        format!("location link-there link inf: {place}"),
        format!("location scored-there scored inf: {place}"),
    ] {
        let words: Vec<&str> = std::iter::once("configure").chain(statement.split(' ')).collect();
        stage.bed().qrm(&contact, &words)?.ok()?;
    }
    let has = |status: &Status, name: &str, value: &str| {
        let node = status.nodes.iter().find(|node| node.id.as_str() == place);
        node.is_some_and(|node| node.attributes.get(name).is_some_and(|it| it == value))
    };
    stage.cluster.wait_status("what the agents say of their node", LIMIT, |status| {
        has(status, "connected", "1") && status.nodes.iter().any(|node| node.attributes.contains_key("master-scored"))
    })?;
    let shown = stage.bed().qrm(&contact, &["node", "status-attr", &place, "show", "connected"])?;
    ensure!(shown.stdout.trim() == "1", "it is shown as {:?}", shown.stdout);
    stage.bed().qrm(&contact, &["resource", "stop", "link"])?.ok()?;
    stage
        .cluster
        .wait_status("the attribute to say that it is stopped", LIMIT, |status| has(status, "connected", "0"))?;
    other_users(stage, &contact, &place)?;
    for host in &hosts {
        let called = stage.bed().exec(host, &["sh", "-c", "cat /run/called 2>/dev/null || true"])?.stdout;
        ensure!(called.is_empty(), "{host} called Pacemaker's own: {called}");
    }
    stage.note("attrd_updater and crm_attribute were the cluster's own, and nobody called another");
    stage.ensure_no_fence()
}
