//! How often what ships does what it does for ever, where the simulation has to do the same in its place.
//!
//! Only times that two of them need are here; what the engine counts by itself stays in the engine.

use std::time::Duration;

/// A leader is heard so often.
pub const HEARTBEAT: Duration = Duration::from_millis(150);
/// Between two surveys of a host; what libvirt's events tell is looked at without waiting for this.
pub const SURVEY_EVERY: Duration = Duration::from_secs(15);
/// Between two surveys while something of ours is there and nobody can say how it is: a copy that came in late, beside a
/// libvirtd that does not answer.
pub const SURVEY_SOON: Duration = Duration::from_secs(3);
