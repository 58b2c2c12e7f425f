//! The whole state for support, without what must not leave the cluster: keys, passwords and VMs' definitions.

use super::Document;
use crate::config::{Attributes, Primitive};
use crate::state::ClusterState;
use serde::{Deserialize, Serialize};

/// The state as it is, secrets taken out. Its shape follows the code and may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateView(ClusterState);

impl Document for StateView {
    const SCHEMA: &'static str = "state/1";
}

/// The state without its secrets.
pub fn state(state: &ClusterState) -> StateView {
    let mut state = state.clone();
    if let Some(identity) = &mut state.identity {
        identity.ca_key = HIDDEN.to_owned();
    }
    let tokens = std::mem::take(&mut state.tokens).into_values().enumerate();
    state.tokens = tokens.map(|(place, token)| (format!("token {}", place + 1), token)).collect();
    state.config.primitives.values_mut().for_each(hide);
    for places in state.resources.values_mut() {
        places.change_each(|_, activity| activity.definition.iter_mut().for_each(hide));
    }
    // Their words hold parameters too.
    state.revisions.iter_mut().for_each(|revision| revision.diff = HIDDEN.to_owned());
    StateView(state)
}

const HIDDEN: &str = "(not shown)";

/// What is found in the names of parameters that hold secrets, of ours and of ClusterLabs' fence agents.
const SECRETS: &[&str] = &["passw", "secret", "token", "key", "_kg"];

fn hide(primitive: &mut Primitive) {
    let params: &mut Attributes = &mut primitive.params;
    for (name, value) in params.iter_mut() {
        let name = name.to_ascii_lowercase();
        if name == "xml" {
            // A display's password may stand in it.
            *value = format!("({} bytes)", value.len());
        } else if SECRETS.iter().any(|secret| name.contains(secret)) {
            *value = HIDDEN.to_owned();
        }
    }
}
