//! What a quorated answers to qrm and to other programs: the `Quorate` service of the contract.
//!
//! It says who asks, looks, and brings changes into the log. It decides nothing about safety: `apply` does, and what is
//! refused here beforehand is refused so that a person is told why.

mod seat;

pub use seat::{Forming, Seat};

use std::sync::Arc;

/// The service; clones answer for the same daemon.
#[derive(Clone)]
pub struct Service {
    seat: Arc<Seat>,
}

impl Service {
    /// A service for the daemon in this seat.
    pub fn new(seat: Arc<Seat>) -> Self {
        Self { seat }
    }
}
