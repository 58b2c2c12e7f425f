//! What is configured for the leader.

use super::*;

impl Leader {
    pub(super) fn configure(&mut self, text: &str) {
        let config = grammar::read(text, &mut |_| Err(String::new())).expect("the text is valid");
        let patch = Box::new(ConfigPatch::between(&self.state.config, &config));
        let base = self.state.revision;
        let configured = self.apply(Command::Configure { actor: String::new(), base, patch, diff: String::new() });
        assert!(matches!(configured, Outcome::Revision(_)), "{configured:?}");
    }
}
