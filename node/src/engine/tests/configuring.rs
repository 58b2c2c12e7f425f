//! What is configured for the leader, and that its devices have passed their drills.

use super::*;
use quorate_core::state::DrillWord;

impl Leader {
    /// All devices pass their first drill at once.
    pub(super) fn configure(&mut self, text: &str) {
        self.configure_untested(text);
        let all = self.state.nodes.iter();
        let all: Vec<(NodeId, ResourceId)> =
            all.flat_map(|(node, at)| at.drilled.keys().map(|device| (node.clone(), device.clone()))).collect();
        for (node, device) in all {
            let (by, revision) = ("n1".into(), self.state.revision);
            self.apply(Command::Drilled(DrillWord { by, node, device, revision, outcome: Ok(()) }));
        }
    }

    pub(super) fn configure_untested(&mut self, text: &str) {
        let config = grammar::read(text, &mut |_| Err(String::new())).expect("the text is valid");
        let patch = Box::new(ConfigPatch::between(&self.state.config, &config));
        let base = self.state.revision;
        let configured = self.apply(Command::Configure { actor: String::new(), base, patch, diff: String::new() });
        assert!(matches!(configured, Outcome::Revision(_)), "{configured:?}");
    }
}
