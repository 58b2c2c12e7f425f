//! The Redfish client against the bed's service, well and odd; and Debian's fence_redfish against the same.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]

mod common;
mod service;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::have;
use nix::sys::signal::Signal;
use quorate_agents::fence::{BootTime, FenceDevice, PowerReading, Problem, Sent};
use quorate_agents::process::Processes;
use service::{Service, call};

#[tokio::test]
async fn power_is_read_cut_and_restored() {
    let Some(service) = Service::start() else { return };
    let pinned = service.fingerprint.clone();
    let ways = [
        service.device(&[]),
        service.device(&[("auth", "session")]),
        service.device(&[("systems_uri", "/redfish/v1/Systems/1/")]),
        service.opened(&[("ssl_fingerprint", &pinned)]).expect("a device"),
        service.opened(&[("ssl_insecure", "1")]).expect("a device"),
    ];
    for (number, redfish) in ways.iter().enumerate() {
        let reading = redfish.read(&call(5000)).await.expect("a reading");
        assert_eq!(reading.power, PowerReading::On, "{number}");
        assert_eq!(reading.guid.as_deref(), Some("33221100554477668899aabbccddeeff"));
        redfish.off(&call(5000)).await.expect("off");
        assert_eq!((service.read("power").as_str(), service.orders()), ("0", 3 * number + 1));
        assert_eq!(redfish.read(&call(5000)).await.expect("a reading").power, PowerReading::Off);
        // The off is explicit though it is off already.
        redfish.off(&call(5000)).await.expect("off again");
        redfish.on(&call(5000)).await.expect("on");
        assert_eq!((service.read("power").as_str(), service.orders()), ("1", 3 * number + 3));
    }
    // Every session was given back: the log ends each line with how many there are.
    let log = service.read("service.log");
    assert!(log.lines().any(|line| line.contains("DELETE") && line.ends_with(" 0")), "{log}");
    let last = log.lines().rfind(|line| line.contains("Sessions")).expect("a session was used");
    assert!(last.contains("DELETE"), "a session was left open: {last}");
}

#[tokio::test]
async fn what_is_wrong_is_told_exactly() {
    let Some(service) = Service::start() else { return };
    let name = format!("Redfish service 127.0.0.1:{}", service.port);
    let refused =
        format!("{name} refuses the password of user admin (HTTP 401: The user name or the password is wrong.)");
    let missing = format!("{name} refuses its system: HTTP 404: There is no resource /redfish/v1/Systems/7.");
    let rows: [(&[(&str, &str)], &str); 4] = [
        (&[("password", "wrong")], &refused),
        (&[("password", "wrong"), ("auth", "session")], &refused),
        (&[("systems_uri", "/redfish/v1/Systems/7")], &missing),
        (&[("ssl_ca_file", "/nowhere.pem")], "ssl_ca_file /nowhere.pem"),
    ];
    for (changes, want) in rows {
        let error = service.device(changes).off(&call(5000)).await.expect_err(want);
        assert!(error.to_string().contains(want), "{error}\nwant {want}");
        assert_eq!(error.sent, Sent::No);
    }
    // A certificate that nobody vouched for is shown, so that it can be pinned.
    let other = "00".repeat(32);
    for trust in [&[][..], &[("ssl_fingerprint", &*other)]] {
        let error = service.opened(trust).expect("a device").read(&call(5000)).await.expect_err("not trusted");
        let shown = service.fingerprint.replace(':', "").to_ascii_lowercase();
        assert!(matches!(error.problem, Problem::Certificate { .. }), "{error}");
        assert!(error.to_string().contains(&format!("ssl_fingerprint={shown}")), "{error}");
    }
    assert_eq!((service.read("power").as_str(), service.orders()), ("1", 0));
}

#[tokio::test]
async fn parameters_that_cannot_be_meant_are_refused() {
    let Some(service) = Service::start() else { return };
    let rows: [(&[(&str, &str)], &str); 6] = [
        (&[("ssl", "0")], "`ssl` is off"),
        (&[("ssl_fingerprint", "12")], "64 hexadecimal digits"),
        (&[("ssl_insecure", "1"), ("ssl_ca_file", "/x")], "contradicts"),
        (&[("systems_uri", "https://elsewhere/1")], "no path of this service"),
        (&[("username", "a:b")], "auth=session"),
        (&[("pasword", "x")], "`pasword` is not known"),
    ];
    for (changes, want) in rows {
        let error = service.opened(changes).expect_err(want).to_string();
        assert!(error.contains(want), "{error}\nwant {want}");
    }
}

#[tokio::test]
async fn an_odd_service_is_no_power_reading() {
    let Some(service) = Service::start() else { return };
    let redfish = service.device(&[]);
    service.write("power", "0");
    for (quirk, want) in [
        ("html", "something that is not Redfish: no JSON"),
        ("two", "it lists 2 systems: name the node's own with systems_uri=/redfish/v1/Systems/1|/redfish/v1/Systems/2"),
        ("flood", "length limit exceeded"),
    ] {
        service.write("quirk", quirk);
        let began = Instant::now();
        let error = redfish.read(&call(5000)).await.expect_err(quirk);
        assert!(error.to_string().contains(want), "{error}\nwant {want}");
        assert!(began.elapsed() < Duration::from_secs(4), "{quirk} took {:?}", began.elapsed());
    }
    // A service that ends the connection after each answer is none the worse for it.
    service.write("quirk", "close");
    assert_eq!(redfish.read(&call(5000)).await.expect("a reading").power, PowerReading::Off);
    redfish.on(&call(5000)).await.expect("on");
    service.write("quirk", "graceful");
    let error = redfish.off(&call(5000)).await.expect_err("not by asking the operating system");
    assert!(error.to_string().contains("no reset type ForceOff; it lists On, GracefulShutdown"), "{error}");
    assert_eq!((error.sent, service.read("power").as_str(), service.orders()), (Sent::No, "1", 1));
}

#[tokio::test]
async fn silence_costs_the_deadline_and_tells_whether_an_order_left() {
    let Some(service) = Service::start() else { return };
    let redfish = service.device(&[]);
    // The power switch hangs: the order has arrived, its answer has not.
    service.write("hook", "case \"$1\" in set) sleep 2;; esac\n");
    let error = redfish.off(&call(1000)).await.expect_err("no answer in time");
    assert!(matches!(error.problem, Problem::NoAnswer { step: "ComputerSystem.Reset", .. }), "{error}");
    assert_eq!(error.sent, Sent::Maybe);
    // Its answer is waited for no longer than until its send-by: nothing may be sent again after that.
    let began = Instant::now();
    let error =
        redfish.off(&call(9000).send_by(BootTime::now().plus(Duration::from_millis(800)))).await.expect_err("late");
    assert_eq!(error.sent, Sent::Maybe, "{error}");
    assert!(began.elapsed() < Duration::from_millis(1600), "{:?}", began.elapsed());

    service.write("hook", "case \"$1\" in set) exit 1;; esac\n");
    let error = redfish.off(&call(5000)).await.expect_err("it fails");
    assert!(error.to_string().contains("refuses ComputerSystem.Reset: HTTP 500: set power 0 failed"), "{error}");
    assert_eq!(error.sent, Sent::Maybe);

    service.signal(Signal::SIGSTOP);
    let began = Instant::now();
    let error = redfish.off(&call(700)).await.expect_err("it hangs");
    assert!(matches!(error.problem, Problem::NoAnswer { step: "TLS handshake", .. }), "{error}");
    assert_eq!(error.sent, Sent::No);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(700) && took < Duration::from_millis(1500), "{took:?}");
    service.signal(Signal::SIGCONT);

    let port = service.port;
    drop(service);
    let params = [("ip", "127.0.0.1"), ("ipport", &*port.to_string()), ("username", "a"), ("password", "b")];
    let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let params = BTreeMap::from([("ssl_insecure".to_owned(), "1".to_owned())]).into_iter().chain(params).collect();
    let closed = FenceDevice::new("redfish", &params, &Processes::new(None)).expect("a device");
    let error = closed.read(&call(5000)).await.expect_err("nobody there");
    assert!(matches!(error.problem, Problem::Closed { .. }), "{error}");
}

#[tokio::test]
async fn after_its_send_by_an_order_is_never_sent() {
    let Some(service) = Service::start() else { return };
    let late = call(5000).send_by(BootTime(BootTime::now().0 - Duration::from_millis(1)));
    let error = service.device(&[]).off(&late).await.expect_err("late");
    assert!(matches!(error.problem, Problem::TooLate { .. }), "{error}");
    assert_eq!((error.sent, service.orders()), (Sent::No, 0));
    service.device(&[]).off(&call(5000).send_by(BootTime::now().plus(Duration::from_secs(5)))).await.expect("in time");
    assert_eq!(service.orders(), 1);
}

#[tokio::test]
async fn fence_redfish_runs_unmodified() {
    let Some(service) = Service::start() else { return };
    if !have("fence_redfish") {
        return;
    }
    let port = service.port.to_string();
    let agent = |password: &str| {
        let params = [("ip", "127.0.0.1"), ("ipport", &*port), ("username", "admin"), ("password", password)];
        let own = [("ssl_insecure", "1"), ("power_wait", "0")];
        let params = params.iter().chain(&own).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        FenceDevice::new("fence_redfish", &params, &Processes::new(None)).expect("a device")
    };
    assert_eq!(agent("secret").read(&call(20_000)).await.expect("a reading").power, PowerReading::On);
    agent("secret").off(&call(20_000)).await.expect("off");
    assert_eq!(service.read("power"), "0");
    assert_eq!(agent("secret").read(&call(20_000)).await.expect("a reading").power, PowerReading::Off);
    agent("secret").on(&call(20_000)).await.expect("on");
    assert_eq!(service.read("power"), "1");
    let error = agent("wrong").read(&call(20_000)).await.expect_err("wrong password");
    assert!(error.to_string().starts_with("fence_redfish status: exit code 1"), "{error}");
}
