//! Who is not let in: each is told why in a clear sentence, by `qrm` and by a server that is asked without it, and
//! nothing changes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use quorate_api::proto::quorate_client::QuorateClient;
use quorate_api::proto::{ConfigureRequest, RequestId};
use quorate_api::{Change, Client, ClientOptions, Fault, Reason, Remote};
use quorate_bed::{DaemonFault, wait_for};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::stage::Stage;

const KEPT: &str = "/run/kept";
/// It is good for so long.
const SHORT: &str = "2s";

struct Row<'a> {
    stage: &'a mut Stage,
    /// Who asks, and is no member.
    outsider: String,
    /// A member that is asked.
    member: String,
    /// Where that is.
    address: String,
}

pub(crate) fn all(stage: &mut Stage) -> Result<()> {
    let outsider = stage.cluster.follower()?;
    let member = stage.cluster.leader()?;
    let address = stage.bed().layout().address(&member)?;
    let mut row = Row { stage, outsider, member, address };
    let (token, join) = row.prepare()?;
    let before = row.truth()?;
    row.used_token(&token, &join)?;
    row.no_certificate()?;
    row.refused("expired", ["ca.pem", "admin.pem", "admin.key"], &["has expired"], &["has expired"])?;
    let own = ["ca.pem", "node.pem", "node.key"];
    row.refused("removed", own, &["revoked", "join again"], &["revoked"])?;
    row.foreign()?;
    ensure!(row.truth()? == before, "something changed: {:?} was {before:?}", row.truth()?);
    row.stage.ensure_no_fence()
}

impl Row<'_> {
    /// Has one member removed, and its certificate kept; has it join once more and removed again, and its token kept;
    /// has a certificate made that ends.
    fn prepare(&mut self) -> Result<(String, Vec<String>)> {
        let (outsider, member) = (self.outsider.clone(), self.member.clone());
        let own = "ca.pem node.pem node.key";
        self.shell(&format!("mkdir -p {KEPT}/removed && cd /var/lib/quorate && cp {own} {KEPT}/removed/"))?;
        self.remove()?;
        let token = self.stage.cluster.qrm(&member, &["cluster", "token"])?.trim().to_owned();
        let address = self.stage.bed().layout().address(&outsider)?;
        let join = ["cluster", "join", &token, "--node", &outsider, "--address", &address].map(str::to_owned).to_vec();
        self.stage.cluster.qrm(&outsider, &words(&join))?;
        self.stage.cluster.wait_complete()?;
        // Made by a member that has joined: each has the CA.
        let dir = format!("{KEPT}/expired");
        self.stage.cluster.qrm(&outsider, &["cluster", "certificate", &dir, "--valid", SHORT])?;
        let until = std::time::Instant::now() + Duration::from_secs(4);
        let [ca, cert, key] = ["ca.pem", "admin.pem", "admin.key"].map(|file| format!("{dir}/{file}"));
        let asked = self.qrm(&["--ca", &ca, "--cert", &cert, "--key", &key, "status"])?;
        ensure!(asked.success(), "while it is good it must do: {}", asked.stderr);
        self.remove()?;
        self.quiet()?;
        std::thread::sleep(until.saturating_duration_since(std::time::Instant::now()));
        Ok((token, join))
    }

    /// The outsider is removed, and empties itself.
    fn remove(&mut self) -> Result<()> {
        let (outsider, member) = (self.outsider.clone(), self.member.clone());
        self.stage.cluster.qrm(&member, &["cluster", "remove", &outsider])?;
        let told = || Ok(self.stage.cluster.site.qrm(&outsider, &["status"])?.stderr.contains("was removed"));
        wait_for("the removed node to say so", Duration::from_secs(10), told)?;
        self.emptied()
    }

    fn emptied(&self) -> Result<()> {
        self.stage.bed().daemon(&self.outsider, DaemonFault::Stop)?;
        self.shell("rm -rf /var/lib/quorate/*")?;
        self.stage.bed().daemon_start(&self.outsider)?;
        let reached = || Ok(self.stage.cluster.site.qrm(&self.outsider, &["status"])?.stderr.contains("in no cluster"));
        wait_for("the emptied daemon", Duration::from_secs(20), reached)
    }

    /// The members' work of removing is done: the log stands still.
    fn quiet(&self) -> Result<()> {
        let mut last = None;
        wait_for("the log to stand still", Duration::from_secs(30), || {
            let now = self.truth()?;
            std::thread::sleep(Duration::from_secs(2));
            let still = last.as_ref() == Some(&now);
            last = Some(now);
            Ok(still)
        })
    }

    /// Whatever enters the log moves this.
    fn truth(&self) -> Result<(u64, u64, Vec<String>)> {
        let status = self.stage.cluster.status()?;
        let members = status.nodes.iter().map(|node| format!("{} {}", node.id, node.raft_id)).collect();
        Ok((status.cluster.index, status.cluster.revision, members))
    }

    fn used_token(&mut self, token: &str, join: &[String]) -> Result<()> {
        let asked = self.stage.cluster.site.qrm(&self.outsider, &words(join))?;
        self.says("a token used twice", &asked.stderr.replace(token, "TOKEN"), &["used already", "qrm cluster token"])?;
        ensure!(!asked.success(), "a token was good twice");
        Ok(())
    }

    fn no_certificate(&mut self) -> Result<()> {
        let ca = format!("{KEPT}/removed/ca.pem");
        let asked = self.qrm(&["--ca", &ca, "status"])?;
        ensure!(!asked.success(), "it was let in without a certificate");
        self.says("qrm without a certificate", &asked.stderr, &["needs --cert"])?;
        let answer = self.knocks(&[&ca])?;
        self.says("a caller without one", &answer, &["denied", "takes a certificate of this cluster", "--cert"])
    }

    /// A cluster of its own gives it an administrator's certificate that is worth nothing elsewhere.
    fn foreign(&mut self) -> Result<()> {
        let here = self.stage.bed().layout().address(&self.outsider)?;
        self.stage.cluster.qrm(&self.outsider, &["cluster", "init", "other", "--address", &here])?;
        let dir = format!("{KEPT}/foreign");
        self.stage.cluster.qrm(&self.outsider, &["cluster", "certificate", &dir])?;
        self.shell(&format!("cp {KEPT}/removed/ca.pem {dir}/"))?;
        let files = ["ca.pem", "admin.pem", "admin.key"];
        self.refused("foreign", files, &["is foreign", "one and the same cluster"], &["another CA has signed it"])?;
        self.emptied()
    }

    /// Neither `qrm` gets in with the files in this directory, nor who asks without it.
    fn refused(&mut self, dir: &str, files: [&str; 3], qrm: &[&str], knocking: &[&str]) -> Result<()> {
        let [ca, cert, key] = files.map(|file| format!("{KEPT}/{dir}/{file}"));
        let change = ["configure", "property", "fence-limit=9"];
        let asked = self.qrm(&[&["--ca", &ca, "--cert", &cert, "--key", &key][..], &change[..]].concat())?;
        ensure!(!asked.success(), "it was let in with what is {dir}");
        self.says(&format!("qrm with a certificate that is {dir}"), &asked.stderr, qrm)?;
        let answer = self.knocks(&[&ca, &cert, &key])?;
        self.says(&format!("a caller with a certificate that is {dir}"), &answer, &[&["denied"], knocking].concat())
    }

    /// Over the network, not by the host's own socket, which the bed would name.
    fn qrm(&self, arguments: &[&str]) -> Result<quorate_bed::Output> {
        let program = self.stage.bed().qrm_argv(&self.outsider, &[])?.swap_remove(0);
        let host = [program.as_str(), "--host", &self.address, "--patience", "3s"];
        self.stage.bed().exec(&self.outsider, &[&host[..], arguments].concat())
    }

    fn knocks(&self, files: &[&str]) -> Result<String> {
        let program = std::env::current_exe()?.display().to_string();
        let address = format!("{}:{}", self.address, quorate_api::DEFAULT_PORT);
        let argv = [&[program.as_str(), "--knock", &address][..], files].concat();
        let output = self.stage.bed().exec(&self.outsider, &argv)?;
        ensure!(!output.success(), "the server took it with {files:?}: {}", output.stdout);
        Ok(output.stderr)
    }

    fn says(&mut self, who: &str, text: &str, words: &[&str]) -> Result<()> {
        for word in words {
            ensure!(text.contains(word), "{who}: '{word}' is not in: {text}");
        }
        self.stage.note(format!("{who}: {}", text.trim()));
        Ok(())
    }

    fn shell(&self, text: &str) -> Result<()> {
        self.stage.bed().exec(&self.outsider, &["sh", "-c", text])?.ok().map(drop)
    }
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Asks the server at an address for a change, with what it was given and no word about it beforehand.
pub(crate) fn knock(arguments: &[String]) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.context("start a runtime").and_then(|runtime| runtime.block_on(ask(arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn ask(arguments: &[String]) -> Result<()> {
    let (address, files) = arguments.split_first().context("an address")?;
    let read = |path: &String| std::fs::read_to_string(path).with_context(|| format!("read {path}"));
    let pems = files.iter().map(read).collect::<Result<Vec<_>>>()?;
    let fault = match pems.as_slice() {
        [ca] => without_certificate(address, ca).await,
        [ca, cert, key] => {
            let [ca_pem, cert_pem, key_pem] = [ca, cert, key].map(Clone::clone);
            with_certificate(Remote { address: address.clone(), ca_pem, cert_pem, key_pem }).await
        }
        _ => bail!("a CA, and a certificate with its key or none"),
    };
    let Err(fault) = fault else { return Ok(()) };
    bail!("{}: {}\n{}", fault.reason, fault.message, fault.hint.unwrap_or_default())
}

const CHANGE: &str = "property fence-limit=9";

async fn with_certificate(remote: Remote) -> Result<(), Fault> {
    // A server that hangs up while it is written to is not always heard to say why: it is asked again.
    let options = ClientOptions { patience: Duration::from_secs(10), ..ClientOptions::default() };
    let client = Client::connect_tls(&remote, options).await?;
    client.configure(Change { text: CHANGE.to_owned(), ..Change::default() }).await.map(drop)
}

async fn without_certificate(address: &str, ca: &str) -> Result<(), Fault> {
    let invalid = |error: tonic::transport::Error| Fault::new(Reason::Invalid, error.to_string());
    let tls = ClientTlsConfig::new().domain_name(quorate_api::SERVER_NAME).ca_certificate(Certificate::from_pem(ca));
    let endpoint = Endpoint::from_shared(format!("https://{address}")).map_err(invalid)?;
    let channel = endpoint.tls_config(tls).map_err(invalid)?.connect_lazy();
    let request = ConfigureRequest {
        request_id: Some(RequestId { client: "knock".to_owned(), serial: 1 }),
        text: CHANGE.to_owned(),
        ..ConfigureRequest::default()
    };
    let limit = Duration::from_secs(10);
    let answer = tokio::time::timeout(limit, QuorateClient::new(channel).configure(request)).await;
    let answer = answer.map_err(|_| Fault::new(Reason::Timeout, "no answer"))?;
    answer.map(drop).map_err(Fault::from)
}
