//! What a child printed: the last bytes, and how many came before them. Binary-safe, bounded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

/// More than this is read slowly: whoever floods us waits, and does not take a CPU of the host along.
const FLOOD: u64 = 1 << 20;
/// Between two looks at a flood.
const FLOOD_PAUSE: Duration = Duration::from_millis(1);

/// The kept end of an output stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The last bytes.
    pub bytes: Vec<u8>,
    /// How many bytes came before them and were dropped.
    pub dropped: u64,
}

impl Captured {
    /// As text, what is not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The last line that is not blank: what most agents put their complaint into.
    pub fn last_line(&self) -> String {
        let text = self.text();
        text.lines().rev().map(str::trim).find(|l| !l.is_empty()).unwrap_or("").to_owned()
    }
}

/// A bounded buffer a reader task fills, readable while the task still runs.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    cap: usize,
    kept: Arc<Mutex<(VecDeque<u8>, u64)>>,
}

impl Tail {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, kept: Arc::default() }
    }

    pub(super) fn push(&self, bytes: &[u8]) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (buffer, dropped) = &mut *kept;
        let skip = bytes.len().saturating_sub(self.cap);
        let over = (buffer.len() + bytes.len() - skip).saturating_sub(self.cap);
        buffer.drain(..over);
        buffer.extend(&bytes[skip..]);
        *dropped += (skip + over) as u64;
    }

    pub(super) fn captured(&self) -> Captured {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Captured { bytes: kept.0.iter().copied().collect(), dropped: kept.1 }
    }

    /// Reads until the writers are gone.
    pub(super) async fn fill(self, mut from: impl AsyncRead + Unpin) {
        let mut chunk = vec![0; 16 * 1024];
        let mut read = 0;
        while let Ok(n) = from.read(&mut chunk).await {
            if n == 0 {
                return;
            }
            self.push(&chunk[..n]);
            read += n as u64;
            if read > FLOOD {
                tokio::time::sleep(FLOOD_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_the_loss_is_counted() {
        type Row<'a> = (&'a [&'a [u8]], &'a [u8], u64);
        let rows: [Row; 5] = [
            (&[], b"", 0),
            (&[b"ab", b"cd"], b"abcd", 0),
            (&[b"abcd", b"ef"], b"cdef", 2),
            (&[b"abcdefgh"], b"efgh", 4),
            (&[b"ab", b"cdefgh\xff"], b"fgh\xff", 5),
        ];
        for (pushes, want, dropped) in rows {
            let tail = Tail::new(4);
            for push in pushes {
                tail.push(push);
            }
            assert_eq!(tail.captured(), Captured { bytes: want.to_vec(), dropped });
        }
    }
}
