//! Sensors and the event log of a real BMC implementation (ipmi_sim): what is read of them, and what is said of it.
#![allow(clippy::disallowed_methods, reason = "a test starts what it tests against")]
#![allow(dead_code, reason = "other tests use the rest of the BMC")]

mod bmc;
mod common;

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use bmc::{Bmc, call, device};
use quorate_agents::fence::ipmi::sensors::{Sensed, Wish};

/// A full record of an analog sensor in °C.
fn full(id: u8, number: u8, kind: u8, name: &str) -> Vec<u8> {
    let mut body = vec![0x20, 0, number, 3, 1, 0x7f, 0x68, kind, 1, 0, 0x3f, 0, 0, 0x3f, 0x3f, 0, 1, 0, 0, 1];
    body.resize(42, 0);
    record(id, 1, body, name)
}

/// A compact record of a discrete sensor.
fn compact(id: u8, number: u8, kind: u8, name: &str) -> Vec<u8> {
    let mut body = vec![0x20, 0, number, 3, 1, 0x67, 0x40, kind, 0x6f];
    body.resize(26, 0);
    record(id, 2, body, name)
}

fn record(id: u8, kind: u8, mut body: Vec<u8>, name: &str) -> Vec<u8> {
    let length = |n: usize| u8::try_from(n).expect("short");
    body.push(0xc0 | length(name.len()));
    body.extend(name.bytes());
    let mut record = vec![id, 0, 0x51, kind, length(body.len())];
    record.extend(body);
    record
}

/// A temperature with thresholds, a power supply, and memory of which only events tell.
fn emulated(dir: &Path) -> String {
    let mut text = "sel_enable 0x20 100 0x0a\n".to_owned();
    for record in [full(1, 1, 1, "CPU Temp"), compact(2, 2, 8, "PSU1"), compact(3, 3, 0x0c, "DIMM A1")] {
        let bytes: Vec<String> = record.iter().map(|byte| format!("{byte:#04x}")).collect();
        writeln!(text, "main_sdr_add 0x20 {}", bytes.join(" ")).expect("to a string");
    }
    let file = |name: &str| {
        std::fs::write(dir.join(name), "1").expect("written");
        format!("poll 50 file \"{}\"", dir.join(name).display())
    };
    let (all, some) = ("000111111000000", "000000000001111");
    writeln!(
        text,
        "sensor_add 0x20 0 1 1 1 {}\nsensor_set_threshold 0x20 0 1 settable 111000 100 95 85 0 0 0\n\
         sensor_set_event_support 0x20 0 1 enable scanning per-state {all} {all} {all} {all}\n\
         sensor_add 0x20 0 2 8 0x6f {}\n\
         sensor_set_event_support 0x20 0 2 enable scanning per-state {some} {some} {some} {some}\n\
         sensor_add 0x20 0 3 12 0x6f event-only",
        file("temp"),
        file("psu")
    )
    .expect("to a string");
    text
}

async fn sensed(bmc: &Bmc, wish: &Wish) -> Sensed {
    let ipmi = device("ipmi", bmc.port, &[]);
    ipmi.sensors(wish, &call(5000)).await.expect("they are read")
}

fn words(sensed: &Sensed) -> Vec<String> {
    sensed.signs.iter().map(|sign| format!("{} {}", sign.colour, sign.words())).collect()
}

/// What a sensor reads from now on.
fn sense(bmc: &Bmc, sensor: &str, value: u8) {
    std::fs::write(bmc.dir.path().join(sensor), value.to_string()).expect("written");
}

/// Waits until the BMC has polled what was written.
async fn until(bmc: &Bmc, wish: &Wish, wanted: &[&str]) {
    let mut last = Vec::new();
    for _ in 0..100 {
        last = words(&sensed(bmc, wish).await);
        if last == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("wanted {wanted:?}, it says {last:?}");
}

#[tokio::test]
async fn sensors_are_read_with_their_names_and_numbers() {
    let Some(bmc) = Bmc::with(emulated) else { return };
    let wish = Wish { events: Duration::from_secs(3600), ..Wish::default() };
    let well = sensed(&bmc, &wish).await;
    assert_eq!((words(&well), well.sensors), (Vec::new(), 2));
    assert_eq!(well.guid.as_deref(), Some("a123456789abcdefa123456789abcd01"));
    sense(&bmc, "temp", 90);
    until(&bmc, &wish, &["yellow CPU Temp 90 °C: above its upper threshold"]).await;
    sense(&bmc, "temp", 97);
    sense(&bmc, "psu", 0b11);
    until(&bmc, &wish, &["red CPU Temp 97 °C: above its upper critical threshold", "yellow PSU1: failed"]).await;
    let ignoring = Wish { ignored: vec!["cpu temp".to_owned()], ..wish.clone() };
    until(&bmc, &ignoring, &["yellow PSU1: failed"]).await;
    sense(&bmc, "temp", 40);
    sense(&bmc, "psu", 0b01);
    // What was is in the event log, and over: who can be read says so.
    until(&bmc, &wish, &[]).await;
    assert!(sensed(&bmc, &wish).await.events >= 4, "{:?}", sensed(&bmc, &wish).await);
}

#[tokio::test]
async fn an_event_counts_while_it_is_young() {
    // Ten minutes after the BMC began to count its time, by its own clock.
    let ecc = |dir: &Path| format!("{}sel_add 0x20 2 1 0 0 0 0x20 0 4 12 3 0x6f 0xa1 0xff 0xff 0\n", emulated(dir));
    let Some(bmc) = Bmc::with(ecc) else { return };
    let wish = Wish { events: Duration::from_secs(3 * 365 * 24 * 3600), ..Wish::default() };
    let words_of = |sensed: Sensed| words(&sensed);
    let told = ["red DIMM A1: uncorrectable ECC error, by the event log"];
    assert_eq!(words_of(sensed(&bmc, &wish).await), told);
    let young = Wish { events: Duration::from_secs(1), ..wish };
    until(&bmc, &young, &[]).await;
    assert_eq!(words_of(sensed(&bmc, &Wish::default()).await), [""; 0], "the log is not read");
}

#[tokio::test]
async fn a_bmc_without_sensors_or_log_has_nothing_to_say() {
    let Some(bmc) = Bmc::start() else { return };
    let wish = Wish { events: Duration::from_secs(60), ..Wish::default() };
    let sensed = sensed(&bmc, &wish).await;
    assert_eq!((sensed.signs.len(), sensed.sensors, sensed.events), (0, 0, 0));
}
