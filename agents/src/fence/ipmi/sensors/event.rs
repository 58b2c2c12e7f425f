//! An entry of a BMC's event log, and what the young ones come to. Pure and total.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_core::state::SensorSign;

use super::verdict;

/// An event as the specification has it; other entries are a vendor's own.
const SYSTEM_EVENT: u8 = 0x02;
/// The BMC itself, as the one who says so.
const BMC: u8 = 0x20;

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: u16,
    /// What happened, if it says.
    pub(super) event: Option<Event>,
}

/// What happened to a sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    at: u32,
    by: u8,
    kind: u8,
    number: u8,
    reading: u8,
    offset: u8,
    /// It ended.
    is_over: bool,
}

impl Event {
    /// How old it is; what is said to come is new.
    pub(super) fn age(&self, now: u32) -> Duration {
        Duration::from_secs(u64::from(now.saturating_sub(self.at)))
    }
}

/// From the sixteen bytes of an entry.
pub(super) fn entry(bytes: &[u8]) -> Option<Entry> {
    let bytes: &[u8; 16] = bytes.get(..16)?.try_into().ok()?;
    let id = u16::from_le_bytes([bytes[0], bytes[1]]);
    let event = (bytes[2] == SYSTEM_EVENT).then(|| Event {
        at: u32::from_le_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]),
        by: bytes[7],
        kind: bytes[10],
        number: bytes[11],
        reading: bytes[12] & 0x7f,
        offset: bytes[13] & 0x0f,
        is_over: bytes[12] & 0x80 != 0,
    });
    Some(Entry { id, event })
}

/// What is wrong by events, the youngest of which come first: of each the last word counts. A sensor that can be read says
/// itself how it is, unless what it senses is over at once.
pub(super) fn signs(
    events: &[Event],
    names: &BTreeMap<u8, String>,
    is_readable: impl Fn(u8) -> bool,
) -> Vec<SensorSign> {
    let mut heard = BTreeSet::new();
    let mut found = Vec::new();
    for event in events {
        let is_bmcs = event.by == BMC;
        let speaks_itself = is_bmcs && is_readable(event.number) && !verdict::is_momentary(event.kind);
        let is_last = heard.insert((event.by, event.kind, event.number, event.reading, event.offset));
        if speaks_itself || !is_last || event.is_over {
            continue;
        }
        let Some((colour, what)) = verdict::of_event(event.kind, event.reading, event.offset) else { continue };
        let unnamed = || format!("{} {:#04x}", verdict::kind_name(event.kind), event.number);
        let sensor = names.get(&event.number).filter(|_| is_bmcs).cloned().unwrap_or_else(unnamed);
        found.push(SensorSign { colour, sensor, what: format!("{what}, by the event log"), value: None });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(by: u8, kind: u8, number: u8, direction: u8, offset: u8) -> Event {
        let bytes = [9, 0, 2, 100, 0, 0, 0, by, 0, 4, kind, number, direction, offset, 0, 0];
        entry(&bytes).and_then(|entry| entry.event).expect("an event")
    }

    fn words(events: &[Event]) -> Vec<String> {
        let names = BTreeMap::from([(1, "CPU Temp".to_owned()), (3, "DIMM A1".to_owned())]);
        signs(events, &names, |number| number == 1 || number == 3).iter().map(SensorSign::words).collect()
    }

    #[test]
    fn of_each_event_the_last_word_counts() {
        let ecc = event(BMC, 0x0c, 3, 0x6f, 0xa1);
        let over = event(BMC, 0x0c, 3, 0xef, 0xa1);
        let told = ["DIMM A1: uncorrectable ECC error, by the event log"];
        assert_eq!(words(std::slice::from_ref(&ecc)), told);
        assert_eq!(words(&[ecc.clone(), over.clone()]), told);
        assert_eq!(words(&[over, ecc]), [""; 0]);
    }

    #[test]
    fn a_sensor_that_can_be_read_says_itself_how_it_is() {
        assert_eq!(words(&[event(BMC, 0x01, 1, 0x01, 9)]), [""; 0]);
        let silent = event(BMC, 0x01, 2, 0x01, 9);
        assert_eq!(words(&[silent]), ["temperature 0x02: above its upper critical threshold, by the event log"]);
        // What firmware says of its own sensor 3 is not of the BMC's.
        let firmware = event(0x33, 0x0c, 3, 0x6f, 1);
        assert_eq!(words(&[firmware]), ["memory 0x03: uncorrectable ECC error, by the event log"]);
    }

    #[test]
    fn ages_are_by_the_bmcs_own_clock_and_other_entries_are_none() {
        let of = event(BMC, 1, 1, 1, 9);
        assert_eq!((of.age(160), of.age(50)), (Duration::from_secs(60), Duration::ZERO));
        let mut bytes = [9, 1, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(entry(&bytes), Some(Entry { id: 0x109, event: None }));
        bytes[2] = SYSTEM_EVENT;
        assert_eq!(entry(&bytes[..15]), None);
    }
}
