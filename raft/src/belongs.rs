//! Whose store a directory is: a file in it names the cluster, the store and the program that wrote it last.
//!
//! It is looked at before anything else in the directory is read, so that a store in the wrong place, or of a program that
//! writes it otherwise, is called what it is. A store without the file is of a program that did not write one yet.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Kind};
use crate::error::StoreError;
use crate::wire::V1;

const FILE: &str = "belongs";
/// This program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whose a store is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BelongsV1 {
    cluster: String,
    store: String,
    program: String,
}

/// Refuses a store of another cluster or another member, and notes whose this one is. Answers which program wrote it last,
/// where that was another one.
pub(crate) fn check(dir: &Path, cluster: &str, store: &str) -> Result<Option<String>, StoreError> {
    let path = dir.join(FILE);
    let found: Option<BelongsV1> = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(StoreError::io("read", path, error)),
        Ok(bytes) => Some(codec::decode(Kind::Belongs, V1, &bytes).map_err(|e| StoreError::damaged(&path, e))?),
    };
    let ours = BelongsV1 { cluster: cluster.to_owned(), store: store.to_owned(), program: VERSION.to_owned() };
    if let Some(found) = &found {
        let foreign = |why: String| Err(StoreError::Foreign { path: dir.to_owned(), why });
        if found.cluster != cluster {
            return foreign(format!("it is of another cluster ({}), and this member is of {cluster}", found.cluster));
        }
        if found.store != store {
            return foreign(format!("it is the store {} of another member, and this one's is {store}", found.store));
        }
    }
    if found.as_ref() != Some(&ours) {
        write(dir, &path, &ours).map_err(|error| StoreError::io("write", &path, error))?;
    }
    Ok(found.map(|found| found.program).filter(|program| program != VERSION))
}

/// What is wrong with a store, when another program wrote it.
pub(crate) fn explain(error: StoreError, written_by: Option<&str>) -> StoreError {
    match (error, written_by) {
        (StoreError::Damaged { path, why }, Some(program)) => StoreError::Damaged {
            path,
            why: format!("quorated {program} wrote it, and this is quorated {VERSION}: {why}"),
        },
        (error, _) => error,
    }
}

/// The store is of the next generation of its cluster from here on, which has another id.
pub(crate) fn hand_on(dir: &Path, cluster: &str, store: &str) -> Result<(), StoreError> {
    let path = dir.join(FILE);
    let ours = BelongsV1 { cluster: cluster.to_owned(), store: store.to_owned(), program: VERSION.to_owned() };
    write(dir, &path, &ours).map_err(|error| StoreError::io("write", &path, error))
}

/// The file is whole or the one before, whatever happens.
fn write(dir: &Path, path: &Path, value: &BelongsV1) -> io::Result<()> {
    let bytes = codec::encode(Kind::Belongs, V1, value).map_err(io::Error::other)?;
    let aside = path.with_extension("unfinished");
    fs::create_dir_all(dir)?;
    let mut file = File::create(&aside)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_in_the_wrong_place_is_called_what_it_is() {
        let dir = tempfile::tempdir().expect("tempdir");
        assert_eq!(check(dir.path(), "house", "s1").expect("a new one"), None);
        assert_eq!(check(dir.path(), "house", "s1").expect("the same"), None);
        let refused = |cluster, store| check(dir.path(), cluster, store).expect_err("it is another's").to_string();
        assert!(refused("shed", "s1").contains("it is of another cluster (house), and this member is of shed"));
        assert!(refused("house", "s2").contains("the store s1 of another member"));
        assert_eq!(check(dir.path(), "house", "s1").expect("a refusal changes nothing"), None);
        hand_on(dir.path(), "house.1", "s1").expect("it is of the next generation");
        assert_eq!(check(dir.path(), "house.1", "s1").expect("the same"), None);
        assert!(refused("house", "s1").contains("another cluster"));
    }

    #[test]
    fn what_another_program_wrote_is_said_to_be_its() {
        let dir = tempfile::tempdir().expect("tempdir");
        let old = BelongsV1 { cluster: "house".to_owned(), store: "s1".to_owned(), program: "0.0.7".to_owned() };
        write(dir.path(), &dir.path().join(FILE), &old).expect("writes");
        let program = check(dir.path(), "house", "s1").expect("ours");
        assert_eq!(program.as_deref(), Some("0.0.7"));
        let told = explain(StoreError::damaged(dir.path(), "entry 3: it is odd"), program.as_deref()).to_string();
        assert!(told.contains("quorated 0.0.7 wrote it"), "{told}");
        assert_eq!(check(dir.path(), "house", "s1").expect("ours"), None, "noted as this program's");
    }
}
