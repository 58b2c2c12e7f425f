//! How values become bytes, on disk and between members. The only file that names bincode.
//!
//! Every value travels in an envelope: magic, format, kind, schema, length and a checksum over
//! all of it. bincode is positional, so old code reading a newer type would get silently wrong
//! data: the schema number is what prevents that, and it is looked at before the body is.
//! A body must be consumed to its last byte. What is stored uses the frozen types of `wire`.
//! Nothing here panics, whatever the bytes.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// First four bytes of every envelope.
const MAGIC: [u8; 4] = *b"QUOR";
/// The layout of the header itself.
const FORMAT: u8 = 1;
/// Bytes before the body: magic 4, format 1, kind 1, schema 2, length 4, checksum 4.
pub(crate) const HEADER: usize = 16;
/// Bodies larger than this are refused, both ways; a snapshot has to fit.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// What an envelope holds; a value is never read as one of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Vote = 1,
    Entry = 2,
    LogId = 3,
    Snapshot = 4,
    State = 5,
    Command = 6,
    Outcome = 7,
    Seen = 8,
    Belongs = 9,
    Append = 16,
    AppendReply = 17,
    VoteRequest = 18,
    VoteReply = 19,
    Transfer = 20,
    TransferReply = 21,
    SnapshotHead = 22,
    SnapshotReply = 23,
    Show = 24,
    ShowReply = 25,
    Tell = 26,
    TellReply = 27,
    Roll = 28,
}

/// Bytes that are not the value they were taken for, or a value that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Shorter than an envelope, or than its header says.
    #[error("envelope cut short: {have} bytes of {want}")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes there should be.
        want: usize,
    },
    /// More bytes than the header says.
    #[error("{0} bytes too many behind the envelope")]
    Trailing(usize),
    /// Not one of our envelopes.
    #[error("not an envelope of this program")]
    Magic,
    /// Written by a program with another header layout.
    #[error("envelope format {0} is not known here; this member is older than the writer")]
    Format(u8),
    /// An envelope of something else.
    #[error("an envelope of kind {found} where kind {expected} belongs")]
    Kind {
        /// The kind in the header.
        found: u8,
        /// The kind asked for.
        expected: u8,
    },
    /// Checksum mismatch.
    #[error("checksum does not match: the bytes are damaged")]
    Checksum,
    /// Intact, but of a schema this program does not know.
    #[error("schema {found} is not known here (known: {known}); upgrade this member")]
    Schema {
        /// The schema in the header.
        found: u16,
        /// The one this program reads.
        known: u16,
    },
    /// Intact, but the body does not read as the type.
    #[error("body does not read as its type: {0}")]
    Body(String),
    /// Too large to be written or read.
    #[error("{0} bytes are more than an envelope may hold")]
    TooLarge(usize),
    /// The value cannot be written.
    #[error("value cannot be encoded: {0}")]
    Encode(String),
}

impl CodecError {
    /// Whether the envelope is intact and only this program cannot read what it holds. Such an
    /// entry must stop the member: another version may well read it, and states would differ.
    #[must_use]
    pub fn is_unknown_content(&self) -> bool {
        matches!(self, Self::Schema { .. } | Self::Body(_) | Self::Format(_))
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MAX_BODY>()
}

/// Writes a value into its envelope.
pub(crate) fn encode<T: Serialize>(kind: Kind, schema: u16, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![0; HEADER];
    bincode::serde::encode_into_std_write(value, &mut bytes, config())
        .map_err(|e| CodecError::Encode(e.to_string()))?;
    finish(kind, schema, &mut bytes)?;
    Ok(bytes)
}

/// An envelope around a body that is there already.
pub(crate) fn around(kind: Kind, schema: u16, body: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![0; HEADER];
    bytes.extend_from_slice(body);
    finish(kind, schema, &mut bytes)?;
    Ok(bytes)
}

/// Fills in the header.
fn finish(kind: Kind, schema: u16, bytes: &mut [u8]) -> Result<(), CodecError> {
    let length = bytes.len() - HEADER;
    let written = u32::try_from(length).ok().filter(|_| length <= MAX_BODY);
    let Some(written) = written else {
        return Err(CodecError::TooLarge(length));
    };
    bytes[0..4].copy_from_slice(&MAGIC);
    bytes[4] = FORMAT;
    bytes[5] = kind as u8;
    bytes[6..8].copy_from_slice(&schema.to_le_bytes());
    bytes[8..12].copy_from_slice(&written.to_le_bytes());
    let sum = checksum(bytes);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// The checksum of a whole envelope, its own field left out.
fn checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[HEADER..])
}

/// The length of the whole envelope these bytes begin, from the header alone.
pub(crate) fn envelope_length(bytes: &[u8]) -> Result<usize, CodecError> {
    let header = header_of(bytes)?;
    if header[0..4] != MAGIC {
        return Err(CodecError::Magic);
    }
    let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
    if length > MAX_BODY {
        return Err(CodecError::TooLarge(length));
    }
    Ok(HEADER + length)
}

fn header_of(bytes: &[u8]) -> Result<&[u8], CodecError> {
    bytes.get(..HEADER).ok_or(CodecError::Short { have: bytes.len(), want: HEADER })
}

/// Checks an envelope and hands out its schema and body.
pub(crate) fn open(kind: Kind, bytes: &[u8]) -> Result<(u16, &[u8]), CodecError> {
    let want = envelope_length(bytes)?;
    if bytes.len() < want {
        let have = bytes.len();
        return Err(CodecError::Short { have, want });
    }
    if bytes.len() > want {
        return Err(CodecError::Trailing(bytes.len() - want));
    }
    let sum = u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
    if sum != checksum(bytes) {
        return Err(CodecError::Checksum);
    }
    if bytes[4] != FORMAT {
        return Err(CodecError::Format(bytes[4]));
    }
    if bytes[5] != kind as u8 {
        return Err(CodecError::Kind { found: bytes[5], expected: kind as u8 });
    }
    Ok((u16::from_le_bytes([bytes[6], bytes[7]]), &bytes[HEADER..]))
}

/// Reads a value of one schema back from its envelope.
pub(crate) fn decode<T: DeserializeOwned>(kind: Kind, known: u16, bytes: &[u8]) -> Result<T, CodecError> {
    let (found, body) = open(kind, bytes)?;
    if found != known {
        return Err(CodecError::Schema { found, known });
    }
    let (value, used) =
        bincode::serde::decode_from_slice(body, config()).map_err(|e| CodecError::Body(e.to_string()))?;
    if used != body.len() {
        let rest = body.len() - used;
        return Err(CodecError::Body(format!("{rest} bytes left over")));
    }
    Ok(value)
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
