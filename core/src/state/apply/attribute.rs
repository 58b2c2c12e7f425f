//! Attributes: what people and agents say of a node, for as long as its session lasts. Nothing about safety rests on them.

use crate::id::NodeId;
use crate::state::{ClusterState, Outcome, Refusal};

/// So many are kept of one node.
const ATTRIBUTES_KEPT: usize = 64;
/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;
/// The longest value, in bytes.
const LONGEST_VALUE: usize = 1024;

impl ClusterState {
    pub(super) fn set_attribute(&mut self, node: &NodeId, name: &str, value: Option<&str>) -> Result<Outcome, Refusal> {
        let invalid = |why: String| Err(Refusal::Invalid(why));
        let is_open = |state: &crate::state::NodeState| state.living_session().is_some();
        match self.nodes.get(node) {
            None => return invalid(format!("there is no node {node}")),
            Some(state) if !is_open(state) => {
                return invalid(format!("{node} is not running: what is said of it would last no time"));
            }
            Some(_) => {}
        }
        let Some(value) = value else {
            if let Some(attributes) = self.attributes.get_mut(node) {
                attributes.remove(name);
            }
            return Ok(Outcome::Done);
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || "_-.:#".contains(c);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fits) {
            return invalid(format!(
                "'{name}' is no name of an attribute: use 1 to {LONGEST_NAME} letters, digits and any of _-.:#"
            ));
        }
        if value.len() > LONGEST_VALUE {
            return invalid(format!("a value of {} bytes: at most {LONGEST_VALUE} are kept", value.len()));
        }
        let attributes = self.attributes.entry(node.clone()).or_default();
        if !attributes.contains_key(name) && attributes.len() >= ATTRIBUTES_KEPT {
            return invalid(format!("{node} has {ATTRIBUTES_KEPT} attributes: delete one first"));
        }
        attributes.insert(name.to_owned(), value.to_owned());
        Ok(Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{HardwareId, Incarnation, RaftId, SessionId, StoreId};
    use crate::state::{Command, Entry, Founding, Member, Proof};
    use crate::time::Timestamp;

    fn household() -> ClusterState {
        let member = Member {
            name: "n1".into(),
            raft_id: RaftId(1),
            address: "10.0.0.1:5407".to_owned(),
            hardware: HardwareId::from("hw"),
            hardware_is_dmi: true,
            store: StoreId::from("store"),
            fingerprint: "key".to_owned(),
            joined: Timestamp(0),
            witness: false,
        };
        let mut state = ClusterState::default();
        let (cluster_id, name, ca_certificate, ca_key) = Default::default();
        apply(&mut state, Command::Found(Founding { cluster_id, name, ca_certificate, ca_key, member }));
        state
    }

    fn apply(state: &mut ClusterState, command: Command) -> Outcome {
        let index = state.index + 1;
        state.apply(index, &Entry { at: Timestamp(index), request: None, command })
    }

    fn hello(state: &mut ClusterState) {
        let (session, hardware) = (SessionId::from("boot-1"), HardwareId::from("hw"));
        let inventory = Default::default();
        let (follows, release) = (Incarnation(0), crate::state::Release::this());
        apply(state, Command::Hello { node: "n1".into(), hardware, session, follows, inventory, release });
    }

    fn set(state: &mut ClusterState, name: &str, value: Option<&str>) -> Outcome {
        let (name, value) = (name.to_owned(), value.map(str::to_owned));
        apply(state, Command::SetAttribute { node: "n1".into(), name, value })
    }

    #[test]
    fn an_attribute_lasts_as_long_as_the_session() {
        let mut state = household();
        assert!(matches!(set(&mut state, "rack", Some("r7")), Outcome::Refused(_)), "it never said hello");
        hello(&mut state);
        assert_eq!(set(&mut state, "rack", Some("r7")), Outcome::Done);
        assert_eq!(state.attributes[&NodeId::from("n1")]["rack"], "r7");
        assert_eq!(set(&mut state, "rack", None), Outcome::Done);
        assert!(state.attributes[&NodeId::from("n1")].is_empty());
        set(&mut state, "rack", Some("r8"));
        state.end_session(&"n1".into(), Proof::Confirmed { by: "root".to_owned(), at: Timestamp(9) });
        assert!(!state.attributes.contains_key(&NodeId::from("n1")));
    }

    #[test]
    fn only_what_changes_wakes_the_planner() {
        let mut state = household();
        hello(&mut state);
        let before = state.moved;
        set(&mut state, "pingd", Some("100"));
        let after = state.moved;
        assert!(after > before, "it may decide where something runs");
        set(&mut state, "pingd", Some("100"));
        assert_eq!(state.moved, after, "it is what it was");
        set(&mut state, "pingd", None);
        assert!(state.moved > after);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut state = household();
        hello(&mut state);
        for name in ["", "a b", "ü", &"x".repeat(LONGEST_NAME + 1)] {
            assert!(matches!(set(&mut state, name, Some("v")), Outcome::Refused(_)), "{name}");
        }
        let long = "v".repeat(LONGEST_VALUE);
        assert_eq!(set(&mut state, "long", Some(&long)), Outcome::Done);
        assert!(matches!(set(&mut state, "longer", Some(&format!("{long}v"))), Outcome::Refused(_)));
        for number in 1..ATTRIBUTES_KEPT {
            assert_eq!(set(&mut state, &format!("a{number}"), Some("v")), Outcome::Done);
        }
        assert!(matches!(set(&mut state, "one-more", Some("v")), Outcome::Refused(_)));
        assert_eq!(set(&mut state, "a1", Some("w")), Outcome::Done, "what is there may change");
    }
}
