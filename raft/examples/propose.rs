//! Measures proposals: `cargo run --release -p quorate-raft --example propose -- MEMBERS COUNT CLIENTS`.
//!
//! All members share this process and this disk; every one of them syncs.
#![allow(clippy::print_stdout)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_raft::{Dial, Importance, Machine, NoCalls, Node, Options, Replica, Service};
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::TcpListenerStream;

#[derive(Default, Serialize, Deserialize)]
struct Sum(u64);

impl Machine for Sum {
    type Command = Vec<u8>;
    type Outcome = u64;

    fn apply(&mut self, _index: u64, command: &Vec<u8>) -> u64 {
        self.0 += command.len() as u64;
        self.0
    }
}

async fn member(dir: &std::path::Path, id: u64) -> Result<(Replica<Sum>, Node), Box<dyn std::error::Error>> {
    let dial: Dial = Arc::new(|node: &Node| {
        tonic::transport::Endpoint::from_shared(format!("http://{}", node.address)).map_err(|e| e.to_string())
    });
    let options = Options::new(dir.join(format!("member-{id}")), id, "bench");
    let replica = Replica::open(options, dial, Arc::new(|_| std::process::abort())).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let server =
        tonic::transport::Server::builder().tcp_nodelay(true).add_service(Service::new(replica.clone(), NoCalls));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok((replica, Node { name: format!("n{id}"), address }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|a| a.parse::<u64>());
    let mut number = |default| numbers.next().unwrap_or(Ok(default));
    let (members, count, clients) = (number(3)?, number(2000)?, number(1)?);
    let dir = std::env::temp_dir().join(format!("quorate-propose-{}", std::process::id()));
    let (first, node) = member(&dir, 1).await?;
    first.initialize(node).await?;
    first.status().wait_for(|s| s.established).await?;
    let mut others = Vec::new();
    for id in 2..=members {
        let (replica, node) = member(&dir, id).await?;
        first.add_learner(id, node, Duration::from_secs(10)).await?;
        others.push(replica);
    }
    first.change_voters((1..=members).collect(), Duration::from_secs(10)).await?;

    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let replica = first.clone();
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            for _ in 0..count / clients {
                let started = Instant::now();
                let done = replica.propose(Importance::Ordinary, &vec![7; 256]).await;
                times.push(started.elapsed());
                if let Err(e) = done {
                    println!("{e}");
                }
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await?);
    }
    let took = started.elapsed();
    times.sort();
    let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or_default();
    let rate = times.len() as f64 / took.as_secs_f64();
    println!("{members} members, {clients} clients: p50 {:?}, p99 {:?}, {rate:.0} a second", at(50), at(99));
    let size = std::fs::metadata(dir.join("member-1/log/db"))?.len();
    println!("log store on disk: {} KiB", size / 1024);
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|l| l.starts_with("VmRSS")).unwrap_or_default());
    others.push(first);
    for replica in others {
        replica.shutdown().await;
    }
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
