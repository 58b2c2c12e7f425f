//! A sensor data record: which sensor, what it is called, and how its raw reading becomes a number. Pure and total.

use quorate_core::text::printable;

/// Bytes of a record before what its length counts.
pub(super) const HEADER: usize = 5;
/// The BMC itself, as owner of a sensor.
const BMC: u8 = 0x20;
/// The longest name, in characters.
const NAME_MOST: usize = 32;

/// A record that says something of a sensor of the BMC's own.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    /// One that can be read.
    Sensor(Sensor),
    /// One that only makes events.
    EventOnly(Sensor),
}

/// A sensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sensor {
    pub(super) number: u8,
    pub(super) lun: u8,
    pub(super) name: String,
    /// What it senses.
    pub(super) kind: u8,
    /// What its states are: thresholds, or which set of discrete ones.
    pub(super) reading: u8,
    scale: Option<Scale>,
}

/// How a raw byte becomes a number.
#[derive(Debug, Clone, PartialEq)]
struct Scale {
    format: u8,
    m: i32,
    b: i32,
    b_exponent: i32,
    exponent: i32,
    unit: &'static str,
}

impl Sensor {
    /// What it reads, with its unit, where that is a number.
    pub(super) fn value(&self, raw: u8) -> Option<String> {
        let scale = self.scale.as_ref()?;
        let x = match scale.format {
            0 => f64::from(raw),
            // Ones' complement, and two's.
            1 if raw >= 0x80 => -f64::from(!raw),
            1 => f64::from(raw),
            _ => f64::from(raw.cast_signed()),
        };
        let sum = f64::from(scale.m) * x + f64::from(scale.b) * 10f64.powi(scale.b_exponent);
        let value = sum * 10f64.powi(scale.exponent);
        let places = usize::try_from((-scale.exponent).clamp(0, 3)).unwrap_or(0);
        Some(format!("{value:.places$}{}", scale.unit))
    }
}

/// The sensor of a record, if it is the BMC's own.
pub(super) fn record(bytes: &[u8]) -> Option<Record> {
    let at = |index: usize| bytes.get(index).copied();
    // Of a satellite controller the BMC only knows.
    (at(5)? == BMC).then_some(())?;
    let sensor = |kind: usize, name: usize, scale: Option<Scale>| {
        let number = at(7)?;
        let name = text(at(name)?, bytes.get(name + 1..)?).unwrap_or_else(|| format!("sensor {number:#04x}"));
        Some(Sensor { number, lun: at(6)? & 3, name, kind: at(kind)?, reading: at(kind + 1)?, scale })
    };
    match at(3)? {
        1 => Some(Record::Sensor(sensor(12, 47, scale(bytes))?)),
        2 => Some(Record::Sensor(sensor(12, 31, None)?)),
        3 => Some(Record::EventOnly(sensor(10, 16, None)?)),
        _ => None,
    }
}

/// Linear sensors only: of others the state is told, which the BMC knows itself.
fn scale(bytes: &[u8]) -> Option<Scale> {
    let at = |index: usize| bytes.get(index).copied();
    let (units, format) = (at(20)?, at(20)? >> 6);
    (at(23)? & 0x7f == 0 && format < 3 && at(13)? == 1).then_some(())?;
    let ten_bits = |low: u8, high: u8| sign((i32::from(high & 0xc0) << 2) | i32::from(low), 10);
    let unit = if units & 1 == 1 { " %" } else { unit(at(21)?) };
    let exponents = at(29)?;
    Some(Scale {
        format,
        m: ten_bits(at(24)?, at(25)?),
        b: ten_bits(at(26)?, at(27)?),
        b_exponent: sign(i32::from(exponents & 0x0f), 4),
        exponent: sign(i32::from(exponents >> 4), 4),
        unit,
    })
}

fn sign(value: i32, bits: u32) -> i32 {
    if value >= 1 << (bits - 1) { value - (1 << bits) } else { value }
}

fn unit(code: u8) -> &'static str {
    match code {
        1 => " °C",
        2 => " °F",
        3 => " K",
        4 => " V",
        5 => " A",
        6 => " W",
        7 => " J",
        18 => " RPM",
        19 => " Hz",
        _ => "",
    }
}

/// The text of a type/length byte and what follows: eight bits a character, or six.
fn text(kind: u8, bytes: &[u8]) -> Option<String> {
    let bytes = bytes.get(..usize::from(kind & 0x1f))?;
    let text: String = match kind >> 6 {
        3 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        2 => {
            let bits = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
            let character = |n: usize| (0..6).fold(0u8, |code, bit| code | (u8::from(bits(n * 6 + bit)) << bit));
            (0..bytes.len() * 8 / 6).map(|n| char::from(0x20 + character(n))).collect()
        }
        _ => return None,
    };
    let text = printable(text.trim_end_matches(['\0', ' ']).trim(), NAME_MOST);
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A full record of a threshold sensor with this scale.
    fn full(units: u8, unit: u8, scale: [u8; 6], name: &str) -> Vec<u8> {
        let mut bytes = vec![1, 0, 0x51, 1, 0, BMC, 0, 7, 3, 1, 0x7f, 0x68, 1, 1, 0, 0, 0, 0, 0, 0, units, unit, 0, 0];
        bytes.extend(scale);
        bytes.resize(47, 0);
        bytes.push(0xc0 | u8::try_from(name.len()).expect("short"));
        bytes.extend(name.bytes());
        bytes
    }

    fn sensor(bytes: &[u8]) -> Sensor {
        match record(bytes) {
            Some(Record::Sensor(sensor) | Record::EventOnly(sensor)) => sensor,
            None => panic!("it is none: {bytes:?}"),
        }
    }

    #[test]
    fn a_raw_reading_becomes_a_number_with_its_unit() {
        // M, its high bits, B, its high bits, accuracy, exponents.
        let rows = [
            (0x00, 1, [1, 0, 0, 0, 0, 0x00], 97, "97 °C"),
            (0x80, 1, [1, 0, 0, 0, 0, 0x00], 0xf6, "-10 °C"),
            (0x40, 1, [1, 0, 0, 0, 0, 0x00], 0xfe, "-1 °C"),
            (0x00, 18, [100, 0, 0, 0, 0, 0x00], 45, "4500 RPM"),
            (0x00, 4, [59, 0, 0, 0, 0, 0xd0], 204, "12.036 V"),
            (0x00, 4, [0x20, 0, 0xfb, 0xc0, 0, 0xe1], 100, "31.50 V"),
            (0x01, 0, [1, 0, 0, 0, 0, 0x00], 30, "30 %"),
        ];
        for (units, unit, scale, raw, wanted) in rows {
            assert_eq!(sensor(&full(units, unit, scale, "x")).value(raw).as_deref(), Some(wanted));
        }
        let analog_of_none = full(0xc0, 1, [1, 0, 0, 0, 0, 0], "x");
        assert_eq!(sensor(&analog_of_none).value(1), None);
    }

    #[test]
    fn names_are_of_eight_bits_or_six_and_never_harm_a_terminal() {
        assert_eq!(sensor(&full(0, 1, [0; 6], "CPU Temp ")).name, "CPU Temp");
        assert_eq!(sensor(&full(0, 1, [0; 6], "a\u{1b}b")).name, "a\u{fffd}b");
        let mut packed = full(0, 1, [0; 6], "");
        // "IPMI" in six bits a character.
        packed.truncate(47);
        packed.extend([0x83, 0x29, 0xdc, 0xa6]);
        assert_eq!(sensor(&packed).name, "IPMI");
        let mut none = full(0, 1, [0; 6], "");
        none[47] = 0;
        assert_eq!(sensor(&none).name, "sensor 0x07");
    }

    #[test]
    fn what_is_cut_off_or_anothers_is_no_sensor() {
        let whole = full(0, 1, [1, 0, 0, 0, 0, 0], "CPU");
        for end in 0..48 {
            assert_eq!(record(&whole[..end]), None, "cut at {end}");
        }
        let mut others = whole;
        others[5] = 0x82;
        assert_eq!(record(&others), None);
    }
}
