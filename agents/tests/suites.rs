//! RMCP+ cipher suites 3 and 17 against a BMC from the specification, which ipmitool judges.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]

mod common;
mod responder;

use std::collections::BTreeMap;
use std::time::Duration;

use common::have;
use quorate_agents::fence::{Call, FenceDevice, PowerReading, Problem, Sent};
use quorate_agents::process::Processes;
use responder::{Flaws, GUID, Responder};

fn device(port: u16, changes: &[(&str, &str)]) -> FenceDevice {
    let port = port.to_string();
    let all = [("ip", "127.0.0.1"), ("ipport", &*port), ("username", "admin"), ("password", "secret")];
    let params: BTreeMap<String, String> =
        all.iter().chain(changes).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    FenceDevice::new("ipmi", &params, &Processes::new(None)).expect("a device")
}

fn call(millis: u64) -> Call {
    Call::new("fence-1", Duration::from_millis(millis))
}

#[test]
fn ipmitool_takes_the_responder_for_a_bmc() {
    if !have("ipmitool") {
        return;
    }
    for suite in ["17", "3"] {
        let bmc = Responder::start(&[3, 17], Flaws::default());
        let port = bmc.port.to_string();
        let ask = |words: &[&str], password: &str| {
            let args = ["-I", "lanplus", "-H", "127.0.0.1", "-p", &port, "-U", "admin", "-P", password, "-C", suite];
            let asked =
                std::process::Command::new("ipmitool").args(args).args(["-R", "1", "-N", "1"]).args(words).output();
            String::from_utf8(asked.expect("it runs").stdout).expect("text").trim().to_owned()
        };
        assert_eq!(ask(&["chassis", "power", "status"], "secret"), "Chassis Power is on", "{suite}");
        assert_eq!(ask(&["chassis", "power", "off"], "secret"), "Chassis Power Control: Down/Off");
        assert_eq!(ask(&["chassis", "power", "status"], "secret"), "Chassis Power is off");
        assert_eq!(ask(&["chassis", "power", "status"], "wrong"), "");
        let seen = bmc.seen.lock().expect("not poisoned");
        assert_eq!((seen.orders, seen.suite.map(|it| it.to_string()).as_deref()), (1, Some(suite)));
    }
}

#[tokio::test]
async fn power_is_read_cut_and_restored_by_each_suite() {
    type Row = (&'static [u8], &'static [(&'static str, &'static str)], u8);
    let guid: String = GUID.iter().map(|byte| format!("{byte:02x}")).collect();
    // What is left out is found out: 3 where there is one, 17 where that is refused.
    let rows: [Row; 5] = [
        (&[3, 17], &[("cipher", "17")], 17),
        (&[3, 17], &[("cipher", "3")], 3),
        (&[17], &[], 17),
        (&[3], &[], 3),
        (&[17], &[("cipher", "17"), ("privlvl", "operator")], 17),
    ];
    for (suites, changes, used) in rows {
        let bmc = Responder::start(suites, Flaws::default());
        let ipmi = device(bmc.port, changes);
        let reading = ipmi.read(&call(5000)).await.expect("a reading");
        assert_eq!(
            (reading.power, reading.guid.as_deref()),
            (PowerReading::On, Some(&*guid)),
            "{suites:?} {changes:?}"
        );
        ipmi.off(&call(5000)).await.expect("off");
        assert_eq!(ipmi.read(&call(5000)).await.expect("a reading").power, PowerReading::Off);
        ipmi.on(&call(5000)).await.expect("on");
        let seen = bmc.seen.lock().expect("not poisoned");
        assert_eq!((seen.power, seen.orders, seen.suite), (true, 2, Some(used)));
    }
}

#[tokio::test]
async fn what_a_bmc_with_suite_17_refuses_is_told() {
    let bmc = Responder::start(&[17], Flaws::default());
    let rows: [(&[(&str, &str)], &str); 3] = [
        (&[("cipher", "17"), ("password", "wrong")], "refuses the password of user admin"),
        (&[("password", "wrong")], "refuses the password of user admin"),
        (&[("cipher", "3")], "does not support cipher suite 3"),
    ];
    for (changes, want) in rows {
        let error = device(bmc.port, changes).off(&call(3000)).await.expect_err(want);
        assert!(error.to_string().contains(want) && error.sent == Sent::No, "{error}\nwant {want}");
    }
    let neither = Responder::start(&[], Flaws::default());
    let error = device(neither.port, &[]).off(&call(3000)).await.expect_err("no suite");
    assert!(error.to_string().contains("does not support cipher suite 17"), "{error}");
}

#[tokio::test]
async fn who_does_not_know_the_keys_is_not_believed() {
    for suite in ["3", "17"] {
        let forged = Responder::start(&[3, 17], Flaws { forged: true, ..Flaws::default() });
        let error = device(forged.port, &[("cipher", suite)]).read(&call(3000)).await.expect_err("forged");
        assert!(error.to_string().contains("its last proof is wrong"), "{error}");
        let damaged = Responder::start(&[3, 17], Flaws { damaged: true, ..Flaws::default() });
        let error = device(damaged.port, &[("cipher", suite)]).read(&call(900)).await.expect_err("damaged");
        assert!(matches!(error.problem, Problem::NoAnswer { step: "Get Chassis Status", .. }), "{error}");
    }
}
