//! The IPMI client against the BMC of PyPI's pyghmi, which is another implementation than ipmi_sim; cipher suite 3.
//! `cargo xtask setup` brings it.

#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use quorate_agents::fence::{Call, FenceDevice, PowerReading};
use quorate_agents::process::Processes;

/// Ended with the test.
struct Fake(Child);

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn call() -> Call {
    Call::new("pyghmi", Duration::from_secs(5))
}

#[tokio::test]
async fn power_of_pyghmis_bmc_is_read_and_switched() {
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let mut program = Command::new("fakebmc");
    program.args(["--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let child = program.spawn().expect("fakebmc runs; `cargo xtask setup` brings it");
    let _bmc = Fake(child);
    let device = |password: &str| {
        let params = [("ip", "127.0.0.1"), ("ipport", &port.to_string()), ("username", "admin"), ("cipher", "3")];
        let mut params: BTreeMap<String, String> =
            params.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        params.insert("password".to_owned(), password.to_owned());
        FenceDevice::new("ipmi", &params, &Processes::new(None)).expect("a device")
    };
    let ipmi = device("password");
    let begun = Instant::now();
    let first = loop {
        match ipmi.read(&call()).await {
            Ok(reading) => break reading.power,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(20), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(first, PowerReading::Off, "it begins so");
    for (on, wanted) in [(true, PowerReading::On), (false, PowerReading::Off)] {
        let ordered = if on { ipmi.on(&call()).await } else { ipmi.off(&call()).await };
        ordered.expect("the order is taken");
        assert_eq!(ipmi.read(&call()).await.expect("a reading").power, wanted);
    }
    let error = device("wrong").read(&call()).await.expect_err("the password is wrong");
    assert!(error.to_string().contains("password"), "{error}");
}
