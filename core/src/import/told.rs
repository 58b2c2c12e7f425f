//! What people are told of an import.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One thing that did not come over as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The id of the object it is about, or the name of what there is one of.
    pub id: String,
    /// Where it stands in the CIB; 0 where it stands nowhere.
    pub line: u32,
    /// What became of it.
    pub fate: Fate,
    /// What, and why.
    pub what: String,
    /// How to mend it; empty where there is nothing to do.
    pub mend: String,
}

/// What became of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It is not in what was printed.
    LeftOut,
    /// It is, in another form or with another meaning.
    Changed,
    /// It is as it was, and there is something to know.
    Note,
}

impl Fate {
    /// The word before a line.
    pub fn word(self) -> &'static str {
        match self {
            Self::LeftOut => "left out",
            Self::Changed => "changed",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.fate.word(), self.id, self.what)?;
        match self.mend.as_str() {
            "" => Ok(()),
            mend => write!(f, "; {mend}"),
        }
    }
}
