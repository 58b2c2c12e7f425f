//! The IPMI client against a real BMC implementation (ipmi_sim), and against wires that lose and delay.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]

mod bmc;
mod common;

use std::time::{Duration, Instant};

use bmc::{Bmc, call, device};
use common::have;
use nix::sys::signal::Signal;
use quorate_agents::fence::{BootTime, PowerReading, Problem, Sent};
use tokio::net::UdpSocket;

#[tokio::test]
async fn power_is_read_cut_and_restored() {
    let Some(bmc) = Bmc::start() else { return };
    let ipmi = device("ipmi", bmc.port, &[]);
    let reading = ipmi.read(&call(5000)).await.expect("a reading");
    assert_eq!(reading.power, PowerReading::On);
    assert_eq!(reading.guid.as_deref(), Some("a123456789abcdefa123456789abcd01"));
    ipmi.off(&call(5000)).await.expect("off");
    assert_eq!((bmc.power().as_str(), bmc.orders()), ("0", 1));
    assert_eq!(ipmi.read(&call(5000)).await.expect("a reading").power, PowerReading::Off);
    ipmi.off(&call(5000)).await.expect("already off is success");
    ipmi.on(&call(5000)).await.expect("on");
    assert_eq!(bmc.power(), "1");
    assert_eq!(ipmi.read(&call(5000)).await.expect("a reading").power, PowerReading::On);
}

#[tokio::test]
async fn what_is_wrong_is_told_exactly() {
    let Some(bmc) = Bmc::start() else { return };
    let name = format!("BMC 127.0.0.1:{}", bmc.port);
    let rows = [
        (("password", "wrong"), format!("{name} refuses the password of user admin (RAKP 2")),
        (("username", "nobody"), format!("{name} knows no user nobody")),
        (("cipher", "17"), format!("{name} does not support cipher suite 17")),
    ];
    for (change, want) in rows {
        let began = Instant::now();
        let error = device("ipmi", bmc.port, &[change]).off(&call(5000)).await.expect_err(&want);
        assert!(error.to_string().starts_with(&want), "{error}\nwant {want}");
        assert_eq!(error.sent, Sent::No);
        assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
    }
    assert_eq!((bmc.power().as_str(), bmc.orders()), ("1", 0));
}

#[tokio::test]
async fn a_closed_port_is_told_at_once() {
    let port = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a port").port();
    let began = Instant::now();
    let error = device("ipmi", port, &[]).read(&call(5000)).await.expect_err("nobody there");
    assert!(matches!(error.problem, Problem::Refused { .. }), "{error}");
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_hung_bmc_costs_the_deadline_and_no_order_left() {
    let Some(bmc) = Bmc::start() else { return };
    let ipmi = device("ipmi", bmc.port, &[]);
    bmc.signal(Signal::SIGSTOP);
    let began = Instant::now();
    let error = ipmi.off(&call(700)).await.expect_err("it hangs");
    assert!(matches!(error.problem, Problem::NoAnswer { step: "Open Session", .. }), "{error}");
    assert_eq!(error.sent, Sent::No);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(700) && took < Duration::from_millis(1500), "{took:?}");
    bmc.signal(Signal::SIGCONT);
    assert_eq!(ipmi.read(&call(5000)).await.expect("it is back").power, PowerReading::On);
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_may_have_been_sent() {
    let Some(bmc) = Bmc::start() else { return };
    // The chassis program holds the whole simulator up: the order arrives, its answer does not.
    bmc.hook("case \"$1\" in set) sleep 2;; esac\n");
    let error = device("ipmi", bmc.port, &[]).off(&call(1000)).await.expect_err("no answer in time");
    assert!(matches!(error.problem, Problem::NoAnswer { step: "Chassis Control", .. }), "{error}");
    assert_eq!(error.sent, Sent::Maybe);
}

#[tokio::test]
async fn an_order_the_bmc_fails_is_an_error() {
    let Some(bmc) = Bmc::start() else { return };
    bmc.hook("case \"$1\" in set) exit 1;; esac\n");
    let error = device("ipmi", bmc.port, &[]).off(&call(5000)).await.expect_err("it fails");
    assert!(error.to_string().contains("refuses Chassis Control"), "{error}");
    assert_eq!((error.sent, bmc.power().as_str()), (Sent::Maybe, "1"));
}

#[tokio::test]
async fn after_its_send_by_an_order_is_never_sent() {
    let Some(bmc) = Bmc::start() else { return };
    let ipmi = device("ipmi", bmc.port, &[]);
    let late = call(5000).send_by(BootTime(BootTime::now().0 - Duration::from_millis(1)));
    let error = ipmi.off(&late).await.expect_err("late");
    assert!(matches!(error.problem, Problem::TooLate { .. }), "{error}");
    assert_eq!((error.sent, bmc.orders()), (Sent::No, 0));
    ipmi.off(&call(5000).send_by(BootTime::now().plus(Duration::from_secs(5)))).await.expect("in time");
    assert_eq!(bmc.orders(), 1);
}

/// Passes datagrams on between one client and the BMC, as `fate` says: how long each is held, or not at all.
async fn wire(bmc: u16, fate: impl Fn(usize) -> Option<Duration> + Send + 'static) -> u16 {
    let front = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("bound"));
    let port = front.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut behind = std::collections::BTreeMap::new();
        let mut buffer = [0u8; 2048];
        for count in 0.. {
            let (n, from) = front.recv_from(&mut buffer).await.expect("received");
            if let std::collections::btree_map::Entry::Vacant(new) = behind.entry(from) {
                let socket = std::sync::Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("bound"));
                socket.connect(("127.0.0.1", bmc)).await.expect("connected");
                let (back, front) = (socket.clone(), front.clone());
                tokio::spawn(async move {
                    let mut buffer = [0u8; 2048];
                    while let Ok(n) = back.recv(&mut buffer).await {
                        let _ = front.send_to(b"\x06\x00\xff\x07garbage from nowhere", from).await;
                        let _ = front.send_to(&buffer[..n], from).await;
                    }
                });
                new.insert(socket);
            }
            let (socket, datagram) = (behind[&from].clone(), buffer[..n].to_vec());
            if let Some(delay) = fate(count) {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    let _ = socket.send(&datagram).await;
                });
            }
        }
    });
    port
}

#[tokio::test]
async fn lost_datagrams_are_sent_again() {
    let Some(bmc) = Bmc::start() else { return };
    let port = wire(bmc.port, |n| (n % 2 == 1).then_some(Duration::ZERO)).await;
    let ipmi = device("ipmi", port, &[]);
    assert_eq!(ipmi.read(&call(8000)).await.expect("a reading").power, PowerReading::On);
    ipmi.off(&call(8000)).await.expect("off");
    assert_eq!(bmc.power(), "0");
}

#[tokio::test]
async fn a_bmc_slower_than_the_first_wait_is_read_all_the_same() {
    let Some(bmc) = Bmc::start() else { return };
    // 600 ms for each answer: every message is sent twice, and RAKP 2 comes twice with another random number.
    let port = wire(bmc.port, |_| Some(Duration::from_millis(600))).await;
    let ipmi = device("ipmi", port, &[]);
    assert_eq!(ipmi.read(&call(20_000)).await.expect("a reading").power, PowerReading::On);
    ipmi.off(&call(20_000)).await.expect("off");
    assert_eq!(bmc.power(), "0");
}

#[tokio::test]
async fn fence_ipmilan_runs_unmodified() {
    let Some(bmc) = Bmc::start() else { return };
    if !have("fence_ipmilan") {
        return;
    }
    let agent = device("fence_ipmilan", bmc.port, &[]);
    assert_eq!(agent.read(&call(20_000)).await.expect("a reading").power, PowerReading::On);
    agent.off(&call(20_000)).await.expect("off");
    assert_eq!(bmc.power(), "0");
    assert_eq!(agent.read(&call(20_000)).await.expect("a reading").power, PowerReading::Off);
    agent.on(&call(20_000)).await.expect("on");
    assert_eq!(bmc.power(), "1");
    let wrong = device("fence_ipmilan", bmc.port, &[("password", "wrong")]);
    let error = wrong.read(&call(20_000)).await.expect_err("wrong password");
    assert!(error.to_string().starts_with("fence_ipmilan status: exit code 1"), "{error}");
    let late = call(20_000).send_by(BootTime(Duration::ZERO));
    assert_eq!(agent.off(&late).await.expect_err("late").sent, Sent::No);
    assert_eq!(bmc.power(), "1");
}

#[tokio::test]
async fn a_reading_is_quicker_than_ipmitools() {
    let Some(bmc) = Bmc::start() else { return };
    if !have("ipmitool") {
        return;
    }
    let port = bmc.port.to_string();
    let args = ["-I", "lanplus", "-H", "127.0.0.1", "-p", &port, "-U", "admin", "-P", "secret", "-C", "3"];
    let ipmi = device("ipmi", bmc.port, &[]);
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for power in ["1", "0", "1", "0", "1"] {
        bmc.set_power(power);
        let reading = ipmi.read(&call(5000)).await.expect("a reading");
        ours = ours.min(reading.took);
        let began = Instant::now();
        let said = std::process::Command::new("ipmitool").args(args).args(["chassis", "power", "status"]).output();
        theirs = theirs.min(began.elapsed());
        let said = String::from_utf8(said.expect("it runs").stdout).expect("text");
        assert_eq!(said.trim(), format!("Chassis Power is {}", reading.power), "they agree");
    }
    eprintln!("one reading: {ours:?}, ipmitool {theirs:?} (best of 5 each)");
    assert!(ours < theirs, "{ours:?} against {theirs:?}");
}
