//! The commands that resource agents call under Pacemaker's names: a directory of links to one program of ours, made anew
//! at each start, for the `PATH` of agents only.

use quorate_agents::ocf::Helpers;
use quorate_api::{HELPER_PROGRAM, HELPERS};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Makes the links beside the socket. Without them agents find what the host has, and most of them can do without.
pub fn install(socket: &Path) -> Option<Helpers> {
    let program = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(HELPER_PROGRAM)));
    let program = program.filter(|program| program.is_file());
    let Some(program) = program else {
        tracing::warn!("{HELPER_PROGRAM} is not beside quorated: agents that say something of a node will fail");
        return None;
    };
    let directory = socket.parent()?.join("helpers");
    match link(&directory, &program) {
        Ok(()) => Some(Helpers { directory, socket: socket.to_owned() }),
        Err(error) => {
            tracing::warn!(%error, directory = %directory.display(), "the agents' helper commands cannot be put there");
            None
        }
    }
}

fn link(directory: &PathBuf, program: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    for name in HELPERS {
        let path = directory.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => symlink(program, path)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_are_made_anew() {
        let dir = tempfile::TempDir::new().expect("a directory");
        let helpers = dir.path().join("helpers");
        for program in ["/one", "/two"] {
            link(&helpers, Path::new(program)).expect("made");
            for name in HELPERS {
                assert_eq!(std::fs::read_link(helpers.join(name)).expect("a link"), Path::new(program));
            }
        }
    }
}
