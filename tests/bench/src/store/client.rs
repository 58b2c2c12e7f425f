//! The clients of both: one that times each of its writes, and 64 that write as fast as they are answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use quorate_api::{Client, ClientOptions, Remote};
use tonic::transport::{Channel, Endpoint};

use super::CLIENTS;
use crate::fleet::Fleet;

/// Made by the build from the part of etcd's contract that is used.
pub(super) mod etcd_proto {
    #![allow(missing_docs, unreachable_pub, clippy::all, dead_code)]
    tonic::include_proto!("etcdserverpb");
}

use etcd_proto::PutRequest;
use etcd_proto::kv_client::KvClient;

/// What is written, each time.
const VALUE_BYTES: usize = 256;
/// Writes of each client before it counts.
const WARM_UP: usize = 20;

/// Whom clients write to.
pub(super) enum Target {
    Quorate { remote: Box<Remote>, node: String },
    Etcd(Box<Endpoint>),
}

/// What was measured of one of them.
pub(super) struct Measured {
    pub(super) latencies: Vec<Duration>,
    /// Answered writes a second, of 64 clients.
    pub(super) ops: f64,
}

impl Target {
    /// The leader of ours, over the network as an administrator.
    pub(super) fn quorate(fleet: &Fleet) -> Result<Self> {
        let leader = fleet.leader()?;
        let [ca_pem, cert_pem, key_pem] = fleet.admin()?;
        let remote = Remote { address: leader.address.clone(), ca_pem, cert_pem, key_pem };
        Ok(Self::Quorate { remote: Box::new(remote), node: leader.name.clone() })
    }

    async fn connect(&self, number: usize) -> Result<Writer> {
        let name = format!("bench-{number}");
        match self {
            Self::Quorate { remote, node } => {
                let client = Client::connect_tls(remote, ClientOptions::default()).await.map_err(|e| anyhow!("{e}"))?;
                Ok(Writer::Quorate { client, node: node.clone(), name })
            }
            Self::Etcd(endpoint) => {
                let channel = endpoint.connect().await.context("connect to etcd")?;
                Ok(Writer::Etcd { client: KvClient::new(channel), name })
            }
        }
    }
}

enum Writer {
    Quorate { client: Client, node: String, name: String },
    Etcd { client: KvClient<Channel>, name: String },
}

impl Writer {
    /// Writes once; answered when it is durable on a majority and applied.
    async fn write(&mut self, serial: usize) -> Result<()> {
        let value = format!("{serial:0>width$}", width = VALUE_BYTES);
        match self {
            Self::Quorate { client, node, name } => {
                client.attribute(node, name, Some(&value)).await.map_err(|e| anyhow!("{e}"))?;
            }
            Self::Etcd { client, name } => {
                let request = PutRequest { key: name.clone().into_bytes(), value: value.into_bytes() };
                client.put(request).await.context("put")?;
            }
        }
        Ok(())
    }
}

/// One client alone, then 64 at once.
pub(super) async fn measure(target: &Target, writes: usize, seconds: Duration) -> Result<Measured> {
    let mut alone = target.connect(0).await?;
    let mut latencies = Vec::with_capacity(writes);
    for serial in 0..WARM_UP + writes {
        let begin = Instant::now();
        alone.write(serial).await?;
        latencies.push(begin.elapsed());
    }
    latencies.drain(..WARM_UP);
    Ok(Measured { latencies, ops: throughput(target, seconds).await? })
}

async fn throughput(target: &Target, seconds: Duration) -> Result<f64> {
    let mut writers = Vec::new();
    for number in 0..CLIENTS {
        let mut writer = target.connect(number).await?;
        writer.write(0).await?;
        writers.push(writer);
    }
    let (begin, count) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for mut writer in writers {
        let count = count.clone();
        tasks.push(tokio::spawn(async move {
            let mut serial = 1;
            while begin.elapsed() < seconds {
                writer.write(serial).await?;
                serial += 1;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), anyhow::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    Ok(count.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64())
}
