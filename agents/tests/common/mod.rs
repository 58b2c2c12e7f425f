//! What the integration tests share.

use std::path::PathBuf;

/// `false` only outside CI and without the program; says so.
pub(crate) fn have(program: &str) -> bool {
    let there = ["/usr/bin", "/usr/sbin"].iter().any(|d| PathBuf::from(d).join(program).exists());
    if !there {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{program} is not installed");
        eprintln!("skipped: {program} is not installed");
    }
    there
}
