//! What a sensor's state means for whoever depends on the host: nothing, that somebody should look, or that it is about to
//! fail. States and their numbers are the specification's (tables 42-2 and 42-3); what is in none of these says nothing.

use quorate_core::config::Colour::{self, Red, Yellow};

type Verdict = Option<(Colour, &'static str)>;

/// What a sensor's states mean by which it is analog.
pub(super) const THRESHOLD: u8 = 0x01;
/// Its states are its kind's own.
const SPECIFIC: u8 = 0x6f;
const PROCESSOR: u8 = 0x07;
const MEMORY: u8 = 0x0c;
const INTERRUPT: u8 = 0x13;

/// The worst of the states that a reading shows.
pub(super) fn of_states(kind: u8, reading: u8, states: u16) -> Verdict {
    let of = |bit: u8| match reading {
        THRESHOLD => threshold(bit),
        _ => of_state(kind, reading, bit),
    };
    (0..15).filter(|bit| states >> bit & 1 == 1).filter_map(of).max_by_key(|(colour, _)| *colour)
}

/// What an event of this offset says.
pub(super) fn of_event(kind: u8, reading: u8, offset: u8) -> Verdict {
    match reading {
        // Of each threshold going low and going high; the upper ones follow the lower.
        THRESHOLD => threshold(offset / 2),
        _ => of_state(kind, reading, offset),
    }
}

/// Of what happens and is over at once only the event log knows.
pub(super) fn is_momentary(kind: u8) -> bool {
    matches!(kind, PROCESSOR | MEMORY | INTERRUPT)
}

/// What a sensor without a name is called.
pub(super) fn kind_name(kind: u8) -> &'static str {
    match kind {
        0x01 => "temperature",
        0x02 => "voltage",
        0x03 => "current",
        0x04 => "fan",
        PROCESSOR => "processor",
        0x08 => "power supply",
        0x09 => "power unit",
        0x0a => "cooling device",
        MEMORY => "memory",
        0x0d => "drive",
        INTERRUPT => "critical interrupt",
        0x21 => "slot",
        0x29 => "battery",
        _ => "sensor",
    }
}

fn threshold(bit: u8) -> Verdict {
    Some(match bit {
        0 => (Yellow, "below its lower threshold"),
        1 => (Red, "below its lower critical threshold"),
        2 => (Red, "below its lower non-recoverable threshold"),
        3 => (Yellow, "above its upper threshold"),
        4 => (Red, "above its upper critical threshold"),
        5 => (Red, "above its upper non-recoverable threshold"),
        _ => return None,
    })
}

fn of_state(kind: u8, reading: u8, offset: u8) -> Verdict {
    match (reading, offset) {
        (SPECIFIC, _) => specific(kind, offset),
        (0x04, 1) => Some((Yellow, "predicts its failure")),
        (0x05, 1) => Some((if is_environment(kind) { Red } else { Yellow }, "beyond its limit")),
        (0x07, 1 | 4) => Some((Yellow, "not critical, and not well")),
        (0x07, 2 | 5) => Some((Red, "critical")),
        (0x07, 3 | 6) => Some((Red, "non-recoverable")),
        (0x0a, 6) => Some((Yellow, "degraded")),
        (0x0b, 1..=4 | 6 | 7) => Some((Yellow, "redundancy lost or degraded")),
        (0x0b, 5) => Some((Red, "not redundant, and less than is needed")),
        _ => None,
    }
}

fn is_environment(kind: u8) -> bool {
    matches!(kind, 0x01..=0x04 | 0x0a)
}

fn specific(kind: u8, offset: u8) -> Verdict {
    Some(match (kind, offset) {
        (PROCESSOR, 0) => (Red, "internal error (IERR)"),
        (PROCESSOR, 1) => (Red, "thermal trip"),
        (PROCESSOR, 2) => (Red, "failed its self-test"),
        (PROCESSOR, 5) => (Yellow, "configuration error"),
        (PROCESSOR, 6) => (Red, "uncorrectable error"),
        (PROCESSOR, 8) => (Yellow, "disabled"),
        (PROCESSOR, 10) => (Yellow, "throttled"),
        (PROCESSOR, 11) => (Red, "uncorrectable machine check"),
        (PROCESSOR, 12) => (Yellow, "correctable machine check"),
        // The host runs on what is left of its power supplies; where that is too little, the redundancy says so.
        (0x08, 1) => (Yellow, "failed"),
        (0x08, 2) => (Yellow, "predicts its failure"),
        (0x08, 3) => (Yellow, "input lost"),
        (0x08, 4) => (Yellow, "input lost or out of range"),
        (0x08, 5) => (Yellow, "input out of range"),
        (0x08, 6) => (Yellow, "configuration error"),
        (0x09, 2) => (Red, "shut down for overload (240 VA)"),
        (0x09, 5) => (Yellow, "does not obey soft power control"),
        (0x09, 6) => (Red, "failed"),
        (0x09, 7) => (Yellow, "predicts its failure"),
        (MEMORY, 0) => (Yellow, "correctable ECC error"),
        (MEMORY, 1) => (Red, "uncorrectable ECC error"),
        (MEMORY, 2) => (Red, "parity error"),
        (MEMORY, 3) => (Yellow, "scrubbing failed"),
        (MEMORY, 4) => (Yellow, "disabled"),
        (MEMORY, 5) => (Yellow, "so many correctable ECC errors that they are logged no more"),
        (MEMORY, 7) => (Yellow, "configuration error"),
        (MEMORY, 9) => (Yellow, "throttled"),
        (MEMORY, 10) => (Red, "critical overtemperature"),
        (0x0d, 1) => (Yellow, "failed"),
        (0x0d, 2) => (Yellow, "predicts its failure"),
        (0x0d, 5) => (Yellow, "its array is critical"),
        (0x0d, 6) => (Red, "its array has failed"),
        (INTERRUPT, 2) => (Red, "I/O channel check"),
        (INTERRUPT, 4) => (Red, "PCI parity error"),
        (INTERRUPT, 5) => (Red, "PCI system error"),
        (INTERRUPT, 7) => (Yellow, "correctable bus error"),
        (INTERRUPT, 8) => (Red, "uncorrectable bus error"),
        (INTERRUPT, 9) => (Red, "fatal NMI"),
        (INTERRUPT, 10) => (Red, "fatal bus error"),
        (INTERRUPT, 11) => (Yellow, "bus degraded"),
        (0x21, 0) => (Yellow, "fault"),
        (0x29, 0) => (Yellow, "low"),
        (0x29, 1) => (Yellow, "failed"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_state_counts_and_what_is_usual_says_nothing() {
        let rows: [(u8, u8, u16, Verdict); 10] = [
            (0x01, THRESHOLD, 0, None),
            (0x01, THRESHOLD, 0b00_1000, Some((Yellow, "above its upper threshold"))),
            (0x01, THRESHOLD, 0b01_1000, Some((Red, "above its upper critical threshold"))),
            (0x04, THRESHOLD, 0b00_0011, Some((Red, "below its lower critical threshold"))),
            // Bits that are none.
            (0x01, THRESHOLD, 0b1100_0000, None),
            // A power supply that is there; that failed.
            (0x08, SPECIFIC, 0b01, None),
            (0x08, SPECIFIC, 0b11, Some((Yellow, "failed"))),
            (0x0c, SPECIFIC, 0b10, Some((Red, "uncorrectable ECC error"))),
            (0x09, 0x0b, 0b10_0000, Some((Red, "not redundant, and less than is needed"))),
            (0xc0, SPECIFIC, 0x7fff, None),
        ];
        for (kind, reading, states, wanted) in rows {
            assert_eq!(of_states(kind, reading, states), wanted, "{kind:#x} {reading:#x} {states:#b}");
        }
    }

    #[test]
    fn events_of_thresholds_name_which_and_the_way() {
        let rows = [(0, 0), (2, 1), (4, 2), (7, 3), (9, 4), (11, 5)];
        for (offset, bit) in rows {
            assert_eq!(of_event(0x01, THRESHOLD, offset), threshold(bit));
        }
        assert_eq!(of_event(0x01, THRESHOLD, 12), None);
    }
}
