//! recover: what a person decided, noted until it is carried out: that this member goes on alone.
//!
//! It is carried out when the daemon starts, while nobody has the store open. Each step survives a crash after it, and
//! may be done again.

use super::files::{DataDir, FilesError, read};
use quorate_core::state::Recovery;

const RECOVERY: &str = "recover.json";
const SECRET: u32 = 0o600;

impl DataDir {
    /// What is to be carried out.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn recovery(&self) -> Result<Option<Recovery>, FilesError> {
        let path = self.path().join(RECOVERY);
        let Some(text) = read(&path)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|error| FilesError::damaged(&path, error.to_string()))
    }

    /// Notes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_recovery(&self, recovery: &Recovery) -> Result<(), FilesError> {
        let text = serde_json::to_string_pretty(recovery).expect("names and numbers");
        self.write(RECOVERY, &text, SECRET)
    }

    /// It is carried out.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn forget_recovery(&self) -> Result<(), FilesError> {
        self.remove(RECOVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_stays_until_it_is_carried_out() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path()).unwrap();
        assert_eq!(dir.recovery().unwrap(), None);
        let recovery = Recovery {
            actor: "root@n1".to_owned(),
            survivor: "n1".into(),
            dead: ["n2".into(), "n3".into()].into(),
            generation: 2,
            cluster_id: "c.2".to_owned(),
        };
        dir.note_recovery(&recovery).unwrap();
        assert_eq!(dir.recovery().unwrap(), Some(recovery));
        dir.forget_recovery().unwrap();
        dir.forget_recovery().unwrap();
        assert_eq!(dir.recovery().unwrap(), None);
    }
}
