//! A BMC's sensors and its event log: which sensors there are (SDR), what each reads, and which events are young (SEL).
//!
//! Everything here is a reading, with the rights of a user. `record` unpacks what describes a sensor, `event` an entry of the
//! log, `verdict` says what a state means; this module asks.

mod event;
mod record;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_core::state::SensorSign;
use tokio::time::Instant;

use super::session::Session;
use super::wire::Command;
use super::{Ipmi, Problem};
use event::Event;
use record::{Record, Sensor};

/// Network functions.
const SENSOR: u8 = 0x04;
const STORAGE: u8 = 0x0a;
/// More sensors are not read, and no more entries of the event log.
const RECORDS_MOST: usize = 1000;
const EVENTS_MOST: usize = 500;
/// After so many numbers that no entry has, the log is taken to end.
const GAPS_MOST: u32 = 16;
/// A piece of a record, for a BMC that does not give it whole.
const PIECE: u8 = 16;
/// The whole of it.
const WHOLE: u8 = 0xff;
/// Completion codes: a record is given in pieces only.
const PIECES_ONLY: [u8; 4] = [0xc7, 0xc8, 0xca, 0xff];
/// There is no such record, or no records at all.
const NO_RECORDS: [u8; 2] = [0xc1, 0xcb];
/// Somebody else has touched the repository since.
const RESERVATION_LOST: u8 = 0xc5;
/// The last record, or entry.
const LAST: u16 = 0xffff;

/// What is asked of a device's sensors.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Sensors whose word counts for nothing, by name.
    pub ignored: Vec<String>,
    /// For how long an event counts; zero: the log is not read.
    pub events: Duration,
}

/// What a device's sensors say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sensed {
    /// The GUID that the BMC showed.
    pub guid: Option<String>,
    /// What is wrong, the worst first.
    pub signs: Vec<SensorSign>,
    /// So many sensors were read.
    pub sensors: usize,
    /// So many events were young enough to count.
    pub events: usize,
}

/// Where the descriptions of sensors are: in the repository, or with the sensors.
#[derive(Clone, Copy)]
struct Place {
    net_fn: u8,
    get: u8,
}

const REPOSITORY: Place = Place { net_fn: STORAGE, get: 0x23 };
const WITH_SENSORS: Place = Place { net_fn: SENSOR, get: 0x21 };
/// In both places.
const RESERVE: u8 = 0x22;

impl Ipmi {
    pub(in crate::fence) async fn sense(&self, wish: &Wish, deadline: Instant) -> Result<Sensed, Problem> {
        let mut session = self.session(deadline).await?;
        let sensed = sense(&mut session, wish).await;
        let guid = session.shown_guid();
        session.close().await;
        sensed.map(|sensed| Sensed { guid, ..sensed })
    }
}

async fn sense(session: &mut Session<'_>, wish: &Wish) -> Result<Sensed, Problem> {
    let records = records(session).await?;
    let mut sensed = Sensed::default();
    let mut found = Vec::new();
    // Which of the BMC's own sensors say by themselves how they are.
    let mut readable = BTreeSet::new();
    let mut names = BTreeMap::new();
    for record in &records {
        let (Record::Sensor(sensor) | Record::EventOnly(sensor)) = record;
        names.insert(sensor.number, sensor.name.clone());
        if matches!(record, Record::EventOnly(_)) {
            continue;
        }
        if let Some(sign) = read(session, sensor).await? {
            sensed.sensors += 1;
            readable.insert(sensor.number);
            found.extend(sign);
        }
    }
    if !wish.events.is_zero() {
        let events = young_events(session, wish.events).await?;
        sensed.events = events.len();
        let is_readable = |number: u8| readable.contains(&number);
        found.extend(event::signs(&events, &names, is_readable));
    }
    let is_ignored = |sign: &SensorSign| wish.ignored.iter().any(|name| name.eq_ignore_ascii_case(&sign.sensor));
    found.retain(|sign| !is_ignored(sign));
    found.sort_by(|a, b| (b.colour, &a.sensor, &a.what).cmp(&(a.colour, &b.sensor, &b.what)));
    found.dedup_by(|a, b| a.is_same(b));
    sensed.signs = found;
    Ok(sensed)
}

/// What one sensor says: nothing where it is not read now, and of one that is well an empty sign.
async fn read(session: &mut Session<'_>, sensor: &Sensor) -> Result<Option<Option<SensorSign>>, Problem> {
    let command = Command { net_fn: SENSOR, lun: sensor.lun, code: 0x2d, data: &[sensor.number] };
    let (code, data) = session.ask_coded("Get Sensor Reading", command, || Ok(true)).await?;
    let [raw, flags, states @ ..] = data.as_slice() else { return Ok(None) };
    let (is_scanned, is_unavailable) = (flags & 0x40 != 0, flags & 0x20 != 0);
    if code != 0 || !is_scanned || is_unavailable {
        return Ok(None);
    }
    let low = states.first().copied().unwrap_or(0);
    let high = states.get(1).copied().unwrap_or(0) & 0x7f;
    let found = verdict::of_states(sensor.kind, sensor.reading, u16::from_le_bytes([low, high]));
    Ok(Some(found.map(|(colour, what)| SensorSign {
        colour,
        sensor: sensor.name.clone(),
        what: what.to_owned(),
        value: sensor.value(*raw),
    })))
}

/// What describes the BMC's own sensors.
async fn records(session: &mut Session<'_>) -> Result<Vec<Record>, Problem> {
    let info = Command { net_fn: STORAGE, lun: 0, code: 0x20, data: &[] };
    let (code, _) = session.ask_coded("Get SDR Repository Info", info, || Ok(true)).await?;
    let place = if code == 0 { REPOSITORY } else { WITH_SENSORS };
    let (mut all, mut id) = (Vec::new(), 0);
    for _ in 0..RECORDS_MOST {
        let Some((next, bytes)) = described(session, place, id).await? else { break };
        all.extend(record::record(&bytes));
        if next == LAST || next == id {
            break;
        }
        id = next;
    }
    Ok(all)
}

/// One record, and which is next: whole where the BMC gives it so, else in pieces.
async fn described(session: &mut Session<'_>, place: Place, id: u16) -> Result<Option<(u16, Vec<u8>)>, Problem> {
    match part(session, place, 0, id, 0, WHOLE).await? {
        (0, next, bytes) => return Ok(Some((next, bytes))),
        (code, ..) if NO_RECORDS.contains(&code) => return Ok(None),
        (code, ..) if PIECES_ONLY.contains(&code) => {}
        (code, ..) => return Err(session.refusal("Get SDR", code)),
    }
    for _ in 0..3 {
        let reserve = Command { net_fn: place.net_fn, lun: 0, code: RESERVE, data: &[] };
        let reserved = session.ask("Reserve SDR Repository", reserve, || Ok(true)).await?;
        let reservation = u16::from_le_bytes([byte(&reserved, 0), byte(&reserved, 1)]);
        let (mut whole, mut next, mut wanted) = (Vec::new(), LAST, record::HEADER);
        let lost = loop {
            let offset = u8::try_from(whole.len()).unwrap_or(u8::MAX);
            let count = u8::try_from(wanted - whole.len()).unwrap_or(PIECE).min(PIECE);
            match part(session, place, reservation, id, offset, count).await? {
                (0, after, bytes) if !bytes.is_empty() => {
                    (next, whole) = (after, [whole, bytes].concat());
                }
                (RESERVATION_LOST, ..) => break true,
                (code, ..) => return Err(session.refusal("Get SDR", code)),
            }
            if whole.len() >= record::HEADER {
                wanted = record::HEADER + usize::from(whole[record::HEADER - 1]);
            }
            if whole.len() >= wanted {
                break false;
            }
        };
        if !lost {
            return Ok(Some((next, whole)));
        }
    }
    Err(session.refusal("Get SDR", RESERVATION_LOST))
}

/// Completion code, the next record, and this part of one.
async fn part(
    session: &mut Session<'_>,
    place: Place,
    reservation: u16,
    id: u16,
    offset: u8,
    count: u8,
) -> Result<(u8, u16, Vec<u8>), Problem> {
    let ([a, b], [c, d]) = (reservation.to_le_bytes(), id.to_le_bytes());
    let command = Command { net_fn: place.net_fn, lun: 0, code: place.get, data: &[a, b, c, d, offset, count] };
    let (code, data) = session.ask_coded("Get SDR", command, || Ok(true)).await?;
    let next = u16::from_le_bytes([byte(&data, 0), byte(&data, 1)]);
    Ok((code, next, data.get(2..).unwrap_or_default().to_vec()))
}

/// The entries of the event log that are no older than this by the BMC's own clock, the youngest first.
async fn young_events(session: &mut Session<'_>, age: Duration) -> Result<Vec<Event>, Problem> {
    let (code, info) = session.ask_coded("Get SEL Info", storage(0x40, &[]), || Ok(true)).await?;
    // Not every BMC has one.
    if code != 0 || u16::from_le_bytes([byte(&info, 1), byte(&info, 2)]) == 0 {
        return Ok(Vec::new());
    }
    let time = session.ask("Get SEL Time", storage(0x48, &[]), || Ok(true)).await?;
    let now = u32::from_le_bytes([byte(&time, 0), byte(&time, 1), byte(&time, 2), byte(&time, 3)]);
    let (mut found, mut id, mut gaps) = (Vec::new(), LAST, 0);
    while found.len() < EVENTS_MOST && gaps < GAPS_MOST {
        let [low, high] = id.to_le_bytes();
        let wanted = [0, 0, low, high, 0, WHOLE];
        let (code, data) = session.ask_coded("Get SEL Entry", storage(0x43, &wanted), || Ok(true)).await?;
        let entry = data.get(2..).filter(|_| code == 0).and_then(event::entry);
        match entry {
            Some(entry) => {
                gaps = 0;
                id = entry.id;
                match entry.event {
                    Some(event) if event.age(now) > age => break,
                    event => found.extend(event),
                }
            }
            None => gaps += 1,
        }
        // Where the last entry cannot be had, no other will.
        if id == LAST || id <= 1 {
            break;
        }
        id -= 1;
    }
    Ok(found)
}

/// A record, and an entry of the log, as any bytes; what is read of them is bounded.
pub(super) fn door(bytes: &[u8]) {
    if let Some(Record::Sensor(sensor) | Record::EventOnly(sensor)) = record::record(bytes) {
        let value = bytes.last().and_then(|raw| sensor.value(*raw)).unwrap_or_default();
        assert!(sensor.name.chars().count() <= 33 && value.len() <= 64, "{sensor:?}: {value}");
    }
    let events: Vec<Event> = bytes.chunks(16).filter_map(event::entry).filter_map(|entry| entry.event).collect();
    assert!(event::signs(&events, &BTreeMap::new(), |_| false).len() <= events.len());
}

fn storage(code: u8, data: &[u8]) -> Command<'_> {
    Command { net_fn: STORAGE, lun: 0, code, data }
}

fn byte(data: &[u8], at: usize) -> u8 {
    data.get(at).copied().unwrap_or(0)
}
