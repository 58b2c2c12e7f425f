//! A web server as people run it today: a group of a file system, an address and apache, by Debian's agents as they are.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::wait_for;
use quorate_core::view::{Role, Status};

use crate::ocf::{free_address, hosts_with};
use crate::stage::Stage;

/// Where the file system is mounted: in a host's own /run, so that nobody else's is meant.
const MOUNT: &str = "/run/web";
const LIMIT: Duration = Duration::from_secs(60);
/// What the server answers while it is the right one.
const PAGE: &str = "served from the shared disk";

/// A disk image on what all hosts see, with the server's configuration and its page on it.
fn make_disk(stage: &Stage, address: &str) -> Result<()> {
    let (content, image) = (stage.bed().layout().dir.join("web"), stage.bed().layout().shared().join("web.img"));
    fs::create_dir_all(&content)?;
    fs::write(content.join("index.html"), PAGE)?;
    let modules = "/usr/lib/apache2/modules";
    let configuration = format!(
        "ServerRoot {MOUNT}\nServerName web\nListen {address}:80\nPidFile /run/web.pid\nErrorLog /run/web.log\n\
         User nobody\nGroup nogroup\nDocumentRoot {MOUNT}\n\
         LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
         LoadModule authz_core_module {modules}/mod_authz_core.so\n\
         LoadModule status_module {modules}/mod_status.so\n\
         <Location \"/server-status\">\nSetHandler server-status\n</Location>\n"
    );
    fs::write(content.join("httpd.conf"), configuration)?;
    let made = Command::new("mkfs.ext4").args(["-q", "-d"]).arg(&content).arg(&image).arg("16M").output()?;
    ensure!(made.status.success(), "mkfs.ext4: {}", String::from_utf8_lossy(&made.stderr));
    Ok(())
}

/// The hosts that have the file system mounted, by their own kernels' word: two of them would ruin it.
fn hosts_with_disk(stage: &Stage) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for host in stage.bed().hosts() {
        if stage.bed().is_on(&host)? && stage.bed().exec(&host, &["mountpoint", "-q", MOUNT])?.success() {
            found.push(host);
        }
    }
    ensure!(found.len() <= 1, "the file system is mounted on {found:?} at once");
    Ok(found)
}

/// What another host is answered, if anything.
fn fetch(stage: &Stage, from: &str, address: &str, file: &str) -> Result<Option<String>> {
    let url = &format!("http://{address}/{file}");
    let answer = stage.bed().exec(from, &["curl", "-sSf", "--noproxy", "*", "--max-time", "1", url])?;
    Ok(answer.success().then(|| answer.stdout.trim().to_owned()))
}

/// Waits until a host other than `not` serves, as one `from` sees it; which.
fn wait_served(stage: &Stage, from: &str, address: &str, not: Option<&str>) -> Result<String> {
    wait_for("the page to be served", LIMIT, || {
        let has_moved = hosts_with_disk(stage)?.first().is_some_and(|host| Some(host.as_str()) != not);
        Ok(has_moved && fetch(stage, from, address, "index.html")?.as_deref() == Some(PAGE))
    })?;
    // What is served already may still be starting by its agent's word, and a crash then would be a start that failed.
    let is_started = |status: &Status| {
        let is = |name: &str| status.resources.iter().any(|it| it.id.as_str() == name && it.role == Role::Started);
        ["disk", "address", "server"].into_iter().all(is)
    };
    stage.cluster.wait_status("the group to be known as running", LIMIT, is_started)?;
    let (disk, addresses) = (hosts_with_disk(stage)?, hosts_with(stage, address)?);
    ensure!(disk == addresses, "the file system is on {disk:?} and the address on {addresses:?}");
    disk.into_iter().next().context("what serves has its file system")
}

pub(crate) fn group(stage: &mut Stage) -> Result<()> {
    let (victim, address) = (stage.cluster.follower()?, free_address(stage)?);
    make_disk(stage, &address)?;
    let image = "/run/quorate-bed/shared/web.img";
    let contact = stage.cluster.contact()?;
    let configuration = [
        format!(
            "primitive disk ocf:heartbeat:Filesystem params device={image} directory={MOUNT} fstype=ext4 options=loop op monitor interval=1s"
        ),
        format!("primitive address ocf:heartbeat:IPaddr2 params ip={address} cidr_netmask=24 op monitor interval=1s"),
        format!("primitive server ocf:heartbeat:apache params configfile={MOUNT}/httpd.conf op monitor interval=1s"),
        "group web disk address server".to_owned(),
        format!("location web-there web 100: {victim}\n"),
    ];
    fs::write(stage.bed().layout().shared().join("web.crm"), configuration.join("\n"))?;
    stage.bed().qrm(&contact, &["configure", "load", "update", "/run/quorate-bed/shared/web.crm"])?.ok()?;
    let other = stage.bed().hosts().into_iter().find(|host| *host != victim).context("there is another host")?;
    ensure!(wait_served(stage, &other, &address, None)? == victim, "the group does not serve where it should");

    // Its processes die: apache's own monitor finds it, and it is started again in its place.
    stage.bed().exec(&victim, &["pkill", "-KILL", "apache2"])?.ok()?;
    let begin = SystemTime::now();
    wait_for("nobody to be answered", LIMIT, || Ok(fetch(stage, &other, &address, "index.html")?.is_none()))?;
    ensure!(wait_served(stage, &other, &address, None)? == victim, "it left its place for a crash");
    stage.note(format!("served again {:.1} s after a crash", begin.elapsed().unwrap_or_default().as_secs_f64()));
    stage.ensure_no_fence()?;

    // What is written there is there when another host serves it.
    stage.bed().exec(&victim, &["sh", "-c", &format!("echo kept >{MOUNT}/note && sync -f {MOUNT}")])?.ok()?;
    let begin = SystemTime::now();
    stage.bed().power_off(&victim)?;
    let from = stage.bed().hosts().into_iter().rfind(|host| *host != victim).context("there is another host")?;
    wait_served(stage, &from, &address, Some(&victim))?;
    let seconds = begin.elapsed().unwrap_or_default().as_secs_f64();
    stage.note(format!("served elsewhere {seconds:.1} s after the power was cut"));
    let kept = fetch(stage, &from, &address, "note")?;
    ensure!(kept.as_deref() == Some("kept"), "what was written is read as {kept:?}");
    stage.fences_of(&victim, 1).map(drop)
}
