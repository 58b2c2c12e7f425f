//! A cluster on any site, formed and asked through `qrm` alone.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use quorate_bed::{Output, wait_for};
use quorate_core::state::Event;
use quorate_core::view::{Events, Fences, Status};
use serde::de::DeserializeOwned;

/// The cluster's name.
pub const CLUSTER: &str = "house";

/// Hosts with a daemon each, and the way to their `qrm`.
pub trait Site {
    /// The hosts' names.
    fn hosts(&self) -> Vec<String>;
    /// Where the others reach a host.
    ///
    /// # Errors
    /// When there is no such host.
    fn address(&self, host: &str) -> Result<String>;
    /// Runs `qrm` on a host to its end; an exit code is no error here.
    ///
    /// # Errors
    /// When the host is off.
    fn qrm(&self, host: &str, arguments: &[&str]) -> Result<Output>;
    /// The words after `primitive ID` that define the host's fence device.
    ///
    /// # Errors
    /// When there is no such host.
    fn fence_device(&self, host: &str) -> Result<String>;
}

/// A cluster of all hosts of a site.
#[derive(Debug)]
pub struct Cluster<S> {
    /// Where it runs.
    pub site: S,
}

/// The daemon's socket cannot be reached: it has not come up yet.
const UNREACHABLE: i32 = 5;

impl<S: Site> Cluster<S> {
    /// Founds the cluster on the first host, lets the others join, and gives each its fence device. `shown` gets every
    /// command before it is run: the host and what `qrm` is given.
    ///
    /// # Errors
    /// When a command fails, or not all hosts become voters.
    pub fn form(&self, shown: &mut dyn FnMut(&str, &str)) -> Result<()> {
        self.form_with(None, shown)
    }

    /// The same, where one host is only a witness: it gets no fence device.
    ///
    /// # Errors
    /// As there.
    pub fn form_with(&self, witness: Option<&str>, shown: &mut dyn FnMut(&str, &str)) -> Result<()> {
        let hosts = self.site.hosts();
        let (first, others) = hosts.split_first().context("no hosts")?;
        for host in &hosts {
            let reached = || Ok(self.site.qrm(host, &["status"])?.code != Some(UNREACHABLE));
            wait_for(&format!("the daemon of {host}"), Duration::from_secs(20), reached)?;
        }
        let address = self.site.address(first)?;
        shown(first, &format!("cluster init {CLUSTER} --node {first} --address {address}"));
        self.qrm(first, &["cluster", "init", CLUSTER, "--node", first, "--address", &address])?;
        for host in others {
            shown(first, "cluster token");
            let token = self.qrm(first, &["cluster", "token"])?;
            let address = self.site.address(host)?;
            let role: &[&str] = if witness == Some(host.as_str()) { &["--witness"] } else { &[] };
            shown(host, &format!("cluster join TOKEN --node {host} --address {address} {}", role.concat()));
            let join = ["cluster", "join", token.trim(), "--node", host, "--address", &address];
            self.qrm(host, &[&join, role].concat())?;
        }
        self.wait_complete()?;
        for host in hosts.iter().filter(|host| witness != Some(host.as_str())) {
            let words = format!("primitive fence-{host} {}", self.site.fence_device(host)?);
            shown(first, &format!("configure {words}"));
            self.configure(&words)?;
        }
        // Nothing is started on a host whose device was not read yet.
        let armed = |status: &Status| status.nodes.iter().all(|node| node.is_armed || node.witness);
        self.wait_status("all hosts armed", Duration::from_secs(30), armed).map(drop)
    }

    /// Waits until every host is online, and as many vote as should: an odd number, seven at most.
    ///
    /// # Errors
    /// When that does not come about.
    pub fn wait_complete(&self) -> Result<()> {
        let hosts = self.site.hosts();
        let complete = |status: &Status| {
            let online = |host: &String| status.nodes.iter().any(|n| n.id.as_str() == host && n.liveness == "online");
            let voters = status.nodes.iter().filter(|node| node.is_voter).count();
            let wanted = (hosts.len() - usize::from(hosts.len().is_multiple_of(2))).min(7);
            hosts.iter().all(online) && voters == wanted && status.quorum.voters.len() == wanted
        };
        self.wait_status("all hosts online and enough voting", Duration::from_secs(40), complete).map(drop)
    }

    /// Runs `qrm` on a host; what it printed.
    ///
    /// # Errors
    /// When it does not succeed.
    pub fn qrm(&self, host: &str, arguments: &[&str]) -> Result<String> {
        let output = self.site.qrm(host, arguments)?;
        output.ok().with_context(|| format!("on {host}: qrm {}", arguments.join(" ")))
    }

    /// Makes a change, given in the configure grammar, on the first host that answers.
    ///
    /// # Errors
    /// When it is refused.
    pub fn configure(&self, statement: &str) -> Result<String> {
        let words = statement.split(' ');
        let arguments: Vec<&str> = ["configure"].into_iter().chain(words).collect();
        self.qrm(&self.contact()?, &arguments)
    }

    /// A host whose daemon answers with a majority behind it.
    ///
    /// # Errors
    /// When none does.
    pub fn contact(&self) -> Result<String> {
        Ok(self.status()?.quorum.from.to_string())
    }

    /// A document as this host shows it.
    ///
    /// # Errors
    /// When it has none to show.
    pub fn document<T: DeserializeOwned>(&self, host: &str, arguments: &[&str]) -> Result<T> {
        let all: Vec<&str> = ["--json"].into_iter().chain(arguments.iter().copied()).collect();
        let text = self.qrm(host, &all)?;
        serde_json::from_str(&text).with_context(|| format!("read what qrm {} says", all.join(" ")))
    }

    /// The status as a majority confirms it, from any host.
    ///
    /// # Errors
    /// When no host shows a confirmed one.
    pub fn status(&self) -> Result<Status> {
        let mut why = anyhow::anyhow!("there are no hosts");
        for host in self.site.hosts() {
            match self.document::<Status>(&host, &["status"]) {
                Ok(status) if status.quorum.confirmed => return Ok(status),
                Ok(status) => why = anyhow::anyhow!("{}", status.health.text),
                Err(error) => why = error,
            }
        }
        Err(why.context("no host shows a confirmed status"))
    }

    /// Waits for a confirmed status that fits, and returns it.
    ///
    /// # Errors
    /// When there is none in time; the message has the last one's health.
    pub fn wait_status(&self, what: &str, limit: Duration, mut fits: impl FnMut(&Status) -> bool) -> Result<Status> {
        let mut last = None;
        let waited = wait_for(what, limit, || {
            let Ok(status) = self.status() else { return Ok(false) };
            let holds = fits(&status);
            last = Some(status);
            Ok(holds)
        });
        match (waited, last) {
            (Ok(()), Some(status)) => Ok(status),
            (Err(error), Some(status)) => {
                Err(error.context(format!("at last the status said: {}", status.health.text)))
            }
            (Err(error), None) => Err(error),
            (Ok(()), None) => bail!("waited for nothing"),
        }
    }

    /// The leader's name.
    ///
    /// # Errors
    /// When there is none.
    pub fn leader(&self) -> Result<String> {
        Ok(self.status()?.quorum.leader.context("there is no leader")?.to_string())
    }

    /// A member that does not lead, the first one.
    ///
    /// # Errors
    /// When there is no leader.
    pub fn follower(&self) -> Result<String> {
        let leader = self.leader()?;
        self.site.hosts().into_iter().find(|host| *host != leader).context("all hosts lead")
    }

    /// All events that are kept, from any host.
    ///
    /// # Errors
    /// When no host answers.
    pub fn events(&self) -> Result<Vec<Event>> {
        Ok(self.document::<Events>(&self.contact()?, &["events"])?.events)
    }

    /// Fences under way and ended.
    ///
    /// # Errors
    /// When no host answers.
    pub fn fences(&self) -> Result<Fences> {
        self.document(&self.contact()?, &["fence", "history"])
    }
}
