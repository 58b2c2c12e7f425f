//! Preferences: integers that saturate at ±INFINITY, the only arithmetic on them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Add;
use std::str::FromStr;

/// A preference; `INFINITY` is a rule, not a large number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Score(i32);

impl Score {
    /// Must.
    pub const INFINITY: Self = Self(1_000_000);
    /// Must not; wins over `INFINITY`.
    pub const NEG_INFINITY: Self = Self(-1_000_000);
    /// No preference.
    pub const ZERO: Self = Self(0);

    /// A finite score, or ±INFINITY where the number reaches it.
    pub fn new(value: i64) -> Self {
        let bounded = value.clamp(-1_000_000, 1_000_000);
        Self(i32::try_from(bounded).expect("clamped to what an i32 holds"))
    }

    /// The number, ±1,000,000 for the infinities.
    pub fn value(self) -> i64 {
        i64::from(self.0)
    }

    /// Whether this forbids.
    pub fn forbids(self) -> bool {
        self == Self::NEG_INFINITY
    }
}

impl Add for Score {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        if self.forbids() || other.forbids() {
            Self::NEG_INFINITY
        } else if self == Self::INFINITY || other == Self::INFINITY {
            Self::INFINITY
        } else {
            Self::new(self.value() + other.value())
        }
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::INFINITY => f.pad("inf"),
            Self::NEG_INFINITY => f.pad("-inf"),
            Self(value) => f.pad(&value.to_string()),
        }
    }
}

/// A score that could not be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no score: write a whole number, inf or -inf")]
pub struct BadScore(pub String);

impl FromStr for Score {
    type Err = BadScore;

    fn from_str(text: &str) -> Result<Self, BadScore> {
        match text.to_ascii_lowercase().as_str() {
            "inf" | "+inf" | "infinity" | "+infinity" => Ok(Self::INFINITY),
            "-inf" | "-infinity" => Ok(Self::NEG_INFINITY),
            number => number.parse::<i64>().map(Self::new).map_err(|_| BadScore(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addition_saturates_and_minus_infinity_wins() {
        let check = |a: &str, b: &str, sum: &str| {
            let parse = |text: &str| text.parse::<Score>().expect("a score of the table");
            assert_eq!(parse(a) + parse(b), parse(sum), "{a} + {b}");
        };
        check("1", "2", "3");
        check("inf", "-5", "inf");
        check("inf", "-inf", "-inf");
        check("999999", "5", "inf");
        check("-999999", "-5", "-inf");
    }
}
