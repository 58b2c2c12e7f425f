//! How long the first off of a fence is held back: `pcmk_delay_base` and `pcmk_delay_max` of its devices.
//!
//! Where two halves would fence each other, the one that is wanted to live waits less. Here a majority decides first, and
//! the delay is for what people know of their devices. At random means: by the session that is fenced, so that every
//! leader waits equally long.

use quorate_core::id::{NodeId, ResourceId, SessionId};
use quorate_core::state::ClusterState;
use std::time::Duration;

/// The longest delay of the devices that are asked together.
pub(super) fn held_back(
    state: &ClusterState,
    target: &NodeId,
    session: &SessionId,
    devices: &[ResourceId],
) -> Duration {
    let definitions = devices.iter().filter_map(|id| Some((id, state.config.primitives.get(id)?)));
    let delays = definitions.map(|(id, device)| {
        let (least, most) = device.fence_delay(target);
        let span = u64::try_from((most - least).as_millis()).unwrap_or(u64::MAX);
        let part = if span == 0 { 0 } else { spread(session.as_str(), id.as_str()) % (span + 1) };
        least + Duration::from_millis(part)
    });
    delays.max().unwrap_or_default()
}

/// FNV-1a over both.
fn spread(session: &str, device: &str) -> u64 {
    let bytes = session.bytes().chain([0]).chain(device.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
