//! Debian's etcd, fetched and unpacked without installing it: three members on loopback with mutual TLS everywhere.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use super::client::Target;
use super::client::etcd_proto::StatusRequest;
use super::client::etcd_proto::maintenance_client::MaintenanceClient;
use crate::fleet::must;
use crate::stage::progress;

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Etcd {
    tls: Tls,
    /// Where clients ask.
    ports: Vec<u16>,
    members: Vec<Child>,
}

struct Tls {
    dir: PathBuf,
    ca: String,
    certificate: String,
    key: String,
}

impl Etcd {
    /// Its data goes beside that of the others, below `dir`.
    pub(super) fn start(dir: &Path) -> Result<Self> {
        let program = program(dir)?;
        let tls = Tls::make(&dir.join("etcd-tls"))?;
        let held: Vec<TcpListener> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let ports = held.iter().map(|port| Ok(port.local_addr()?.port())).collect::<Result<Vec<u16>>>()?;
        drop(held);
        let (clients, peers) = ports.split_at(3);
        let url = |port: &u16| format!("https://127.0.0.1:{port}");
        let cluster: Vec<String> = peers.iter().enumerate().map(|(n, port)| format!("e{n}={}", url(port))).collect();
        let mut etcd = Self { tls, ports: clients.to_vec(), members: Vec::new() };
        for (number, (client, peer)) in clients.iter().zip(peers).enumerate() {
            let log = File::create(dir.join(format!("etcd-{number}.log")))?;
            let mut command = Command::new(&program);
            command.args(["--name", &format!("e{number}"), "--log-level", "error", "--initial-cluster-state", "new"]);
            command.arg("--data-dir").arg(dir.join(format!("etcd-{number}")));
            command.args(["--listen-client-urls", &url(client), "--advertise-client-urls", &url(client)]);
            command.args(["--listen-peer-urls", &url(peer), "--initial-advertise-peer-urls", &url(peer)]);
            command.args(["--initial-cluster", &cluster.join(",")]);
            for who in ["", "peer-"] {
                command.arg(format!("--{who}cert-file")).arg(etcd.tls.dir.join("cert.pem"));
                command.arg(format!("--{who}key-file")).arg(etcd.tls.dir.join("key.pem"));
                command.arg(format!("--{who}trusted-ca-file")).arg(etcd.tls.dir.join("ca.pem"));
                command.arg(format!("--{who}client-cert-auth"));
            }
            command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
            etcd.members.push(command.spawn().context("run etcd")?);
        }
        Ok(etcd)
    }

    /// Its leader, once there is one.
    pub(super) async fn target(&self) -> Result<Target> {
        let end = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < end {
            for port in &self.ports {
                let endpoint = self.endpoint(*port)?;
                let Ok(channel) = endpoint.connect().await else { continue };
                let Ok(answer) = MaintenanceClient::new(channel).status(StatusRequest {}).await else { continue };
                let answer = answer.into_inner();
                if answer.header.as_ref().is_some_and(|header| header.member_id == answer.leader) {
                    progress(format!("etcd {} leads on port {port}", answer.version));
                    return Ok(Target::Etcd(Box::new(endpoint)));
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("etcd has no leader after {PATIENCE:?}: see etcd-*.log beside its data")
    }

    fn endpoint(&self, port: u16) -> Result<Endpoint> {
        let tls = ClientTlsConfig::new()
            .domain_name("localhost")
            .ca_certificate(Certificate::from_pem(&self.tls.ca))
            .identity(Identity::from_pem(&self.tls.certificate, &self.tls.key));
        let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}"))?.tls_config(tls)?;
        Ok(endpoint.tcp_nodelay(true).connect_timeout(Duration::from_secs(5)))
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            // What has ended already is what is wanted.
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

/// The program of Debian's package; only fetched where it is neither installed nor fetched already.
fn program(dir: &Path) -> Result<PathBuf> {
    let installed = PathBuf::from("/usr/bin/etcd");
    if installed.exists() {
        return Ok(installed);
    }
    let kept = dir.parent().context("a directory above")?.join("bench-etcd");
    let program = kept.join("root/usr/bin/etcd");
    if !program.exists() {
        progress("fetching Debian's etcd-server");
        fs::create_dir_all(&kept)?;
        let script = "cd \"$1\" && { apt-get -q download etcd-server || { apt-get -q update && apt-get -q download etcd-server; }; } \
                      && dpkg-deb -x ./etcd-server_*.deb root";
        must("sh", &["-c", script, "sh", &kept.to_string_lossy()]).context("fetch etcd-server")?;
    }
    Ok(program)
}

impl Tls {
    /// A CA and one certificate for everybody: members on loopback, and the clients.
    fn make(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let ca_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(params, ca_key);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &issuer)?.pem();
        let made = Self { dir: dir.to_path_buf(), ca, certificate, key: key.serialize_pem() };
        for (name, text) in [("ca.pem", &made.ca), ("cert.pem", &made.certificate), ("key.pem", &made.key)] {
            fs::write(dir.join(name), text)?;
        }
        Ok(made)
    }
}
