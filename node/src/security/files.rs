//! What a member keeps of itself in its data directory: who it is, its key and certificates.
//!
//! Every file is whole or absent, whatever happens meanwhile: written beside, synced, renamed, directory synced.
//! `identity.json` is written last; without it this host is in no cluster. Only one daemon uses a directory at a time.

use super::ca::{CaError, Credentials, new_key};
use super::hardware::Hardware;
use nix::fcntl::{Flock, FlockArg};
use quorate_core::id::{HardwareId, NodeId, RaftId, StoreId};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const IDENTITY: &str = "identity.json";
const CA: &str = "ca.pem";
const CERTIFICATE: &str = "node.pem";
const KEY: &str = "node.key";
const ADMIN_CERTIFICATE: &str = "admin.pem";
const ADMIN_KEY: &str = "admin.key";
const STORE: &str = "store-id";
const LOCK: &str = "lock";
const LOST: &str =
    "it is missing, though this host is a member: the data directory is damaged; empty it and join again";
const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;

/// What is wrong with the data directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Its content makes no sense.
    #[error("{}: {why}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another daemon runs on it.
    #[error("another quorated{} uses {} already; only one may run on a host", holder(*pid), path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// That daemon's process, where it could be read.
        pid: Option<u32>,
    },
    /// The directory belongs to another machine.
    #[error(
        "this data directory was made on hardware {pinned}, and this is hardware {found}: a copied or moved disk; \
         empty the directory and join again, or start it on its own machine"
    )]
    OtherHardware {
        /// Whose it is.
        pinned: HardwareId,
        /// Where it is now.
        found: HardwareId,
    },
    /// A key could not be made.
    #[error(transparent)]
    Ca(#[from] CaError),
}

impl FilesError {
    pub(super) fn read(path: &Path, error: io::Error) -> Self {
        Self::Read { path: path.to_owned(), error }
    }

    pub(super) fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), why: why.into() }
    }
}

/// Who this member is; pinned when it joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster's random id.
    pub cluster_id: String,
    /// The cluster's name.
    pub cluster_name: String,
    /// This node's name.
    pub node: NodeId,
    /// Its id in Raft.
    pub raft_id: RaftId,
    /// Where its peers reach it.
    pub address: String,
    /// This data directory.
    pub store: StoreId,
    /// This hardware.
    pub hardware: HardwareId,
    /// Whether the hardware id is firmware's.
    pub hardware_is_dmi: bool,
}

impl Identity {
    /// Refuses to be this member on other hardware.
    pub fn check_hardware(&self, found: &Hardware) -> Result<(), FilesError> {
        if self.hardware != found.id {
            return Err(FilesError::OtherHardware { pinned: self.hardware.clone(), found: found.id.clone() });
        }
        Ok(())
    }
}

/// A data directory that this process has for itself as long as this value lives.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: Flock<File>,
}

impl DataDir {
    /// Makes the directory where needed and takes it for this process alone.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, FilesError> {
        let path = path.into();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| FilesError::Write { path: path.clone(), error })?;
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory's own id, made when it was first used.
    pub fn store_id(&self) -> Result<StoreId, FilesError> {
        let new = || uuid::Uuid::new_v4().to_string();
        let id = self.kept(STORE, LOST, new, |text| uuid::Uuid::parse_str(text).is_ok())?;
        Ok(StoreId::new(id))
    }

    /// This node's private key, PEM: made once, so that a join that is tried again is the same joiner's.
    pub fn key(&self) -> Result<String, FilesError> {
        let path = self.path.join(KEY);
        if let Some(key) = read(&path)? {
            return Ok(key);
        }
        let key = new_key()?;
        self.write(KEY, &key, SECRET)?;
        Ok(key)
    }

    /// Who this is; `None` when it is in no cluster yet.
    pub fn load(&self) -> Result<Option<(Identity, Credentials)>, FilesError> {
        let path = self.path.join(IDENTITY);
        let Some(text) = read(&path)? else { return Ok(None) };
        let identity: Identity =
            serde_json::from_str(&text).map_err(|error| FilesError::damaged(&path, error.to_string()))?;
        let store = self.must(STORE)?;
        // While it comes back with a new store, its files change one after the other.
        let comes =
            self.loss()?.is_some_and(|loss| loss.store == identity.store || loss.store.as_str() == store.trim());
        if identity.store.as_str() != store.trim() && !comes {
            let why = format!(
                "it speaks of store {}, and this is store {}: files of two members are mixed",
                identity.store,
                store.trim()
            );
            return Err(FilesError::damaged(&path, why));
        }
        let credentials = self.credentials(CERTIFICATE, KEY)?;
        Ok(Some((identity, credentials)))
    }

    /// Keeps who this is, from now on.
    pub fn save(&self, identity: &Identity, credentials: &Credentials) -> Result<(), FilesError> {
        self.write(STORE, identity.store.as_str(), PUBLIC)?;
        self.save_credentials(credentials)?;
        let text = serde_json::to_string_pretty(identity).expect("an identity is plain text fields");
        self.write(IDENTITY, &text, PUBLIC)
    }

    /// Keeps a renewed certificate.
    pub fn save_credentials(&self, credentials: &Credentials) -> Result<(), FilesError> {
        self.write(CA, &credentials.ca_pem, PUBLIC)?;
        self.write(KEY, &credentials.key_pem, SECRET)?;
        self.write(CERTIFICATE, &credentials.certificate_pem, PUBLIC)
    }

    /// Keeps the administrator's certificate, for a person to take to where `qrm` runs.
    pub fn save_admin(&self, admin: &Credentials) -> Result<(), FilesError> {
        self.write(ADMIN_KEY, &admin.key_pem, SECRET)?;
        self.write(ADMIN_CERTIFICATE, &admin.certificate_pem, PUBLIC)
    }

    /// The administrator's certificate, where it is kept.
    pub fn admin(&self) -> Result<Option<Credentials>, FilesError> {
        match read(&self.path.join(ADMIN_CERTIFICATE))? {
            Some(_) => self.credentials(ADMIN_CERTIFICATE, ADMIN_KEY).map(Some),
            None => Ok(None),
        }
    }

    fn credentials(&self, certificate: &str, key: &str) -> Result<Credentials, FilesError> {
        let credentials =
            Credentials { ca_pem: self.must(CA)?, certificate_pem: self.must(certificate)?, key_pem: self.must(key)? };
        credentials.check().map_err(|error| FilesError::damaged(&self.path.join(certificate), error.to_string()))?;
        Ok(credentials)
    }

    /// A line that is made once and stays.
    pub(super) fn kept(
        &self,
        name: &str,
        lost: &str,
        new: impl Fn() -> String,
        good: impl Fn(&str) -> bool,
    ) -> Result<String, FilesError> {
        let path = self.path.join(name);
        if let Some(text) = read(&path)? {
            let text = text.trim();
            if good(text) {
                return Ok(text.to_owned());
            }
            return Err(FilesError::damaged(&path, format!("'{text}' is not what quorated wrote there")));
        }
        if read(&self.path.join(IDENTITY))?.is_some() {
            return Err(FilesError::damaged(&path, lost));
        }
        let text = new();
        self.write(name, &text, PUBLIC)?;
        Ok(text)
    }

    fn must(&self, name: &str) -> Result<String, FilesError> {
        let path = self.path.join(name);
        let missing = || FilesError::read(&path, io::Error::from(io::ErrorKind::NotFound));
        read(&path)?.ok_or_else(missing)
    }

    pub(super) fn write(&self, name: &str, text: &str, mode: u32) -> Result<(), FilesError> {
        let path = self.path.join(name);
        write_whole(&self.path, name, text.as_bytes(), mode).map_err(|error| FilesError::Write { path, error })
    }
}

fn write_whole(dir: &Path, name: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
    let beside = dir.join(format!(".{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    // The file may be left from before, with another mode; nothing secret is in it yet.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, dir.join(name))?;
    File::open(dir)?.sync_all()
}

pub(super) fn read(path: &Path) -> Result<Option<String>, FilesError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FilesError::read(path, error)),
    }
}

fn lock(dir: &Path) -> Result<Flock<File>, FilesError> {
    let path = dir.join(LOCK);
    let failed = |error: io::Error| FilesError::Write { path: path.clone(), error };
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(PUBLIC).open(&path);
    match Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            let noted =
                lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| write!(lock, "{}", std::process::id()));
            noted.map_err(failed)?;
            Ok(lock)
        }
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            Err(FilesError::Locked { path: dir.to_owned(), pid })
        }
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::security::ca::Ca;

    pub(in crate::security) fn founded(dir: &DataDir) -> (Identity, Credentials) {
        let identity = Identity {
            cluster_id: "c".to_owned(),
            cluster_name: "test".to_owned(),
            node: "n1".into(),
            raft_id: RaftId(1),
            address: "127.0.0.1:7400".to_owned(),
            store: dir.store_id().unwrap(),
            hardware: "h1".into(),
            hardware_is_dmi: true,
        };
        let ca = Ca::create("test").unwrap();
        let credentials = ca.member(&dir.key().unwrap(), "n1", RaftId(1)).unwrap();
        dir.save(&identity, &credentials).unwrap();
        dir.save_admin(&ca.admin().unwrap()).unwrap();
        (identity, credentials)
    }

    #[test]
    fn what_was_saved_is_loaded_and_keys_are_secret() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path().join("a/b")).unwrap();
        assert_eq!(dir.load().unwrap(), None);
        let saved = founded(&dir);
        assert!(dir.admin().unwrap().is_some());
        drop(dir);
        let dir = DataDir::open(home.path().join("a/b")).unwrap();
        assert_eq!(dir.load().unwrap(), Some(saved.clone()));
        assert_eq!((dir.store_id().unwrap(), dir.key().unwrap()), (saved.0.store, saved.1.key_pem));
        for name in [KEY, ADMIN_KEY] {
            let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, SECRET, "{name}");
        }
    }

    #[test]
    fn a_second_daemon_is_told_of_the_first() {
        let home = tempfile::tempdir().unwrap();
        let first = DataDir::open(home.path()).unwrap();
        let error = DataDir::open(home.path()).unwrap_err();
        assert!(matches!(error, FilesError::Locked { pid: Some(pid), .. } if pid == std::process::id()), "{error}");
        drop(first);
        assert!(DataDir::open(home.path()).is_ok());
    }

    #[test]
    fn mixed_or_broken_files_are_named() {
        let home = tempfile::tempdir().unwrap();
        let dir = DataDir::open(home.path()).unwrap();
        let (identity, _) = founded(&dir);
        let names = |file: &str| {
            let error = dir.load().unwrap_err().to_string();
            assert!(error.contains(file), "{file}: {error}");
        };
        let at = |name: &str| dir.path().join(name);
        let whole = fs::read(at(IDENTITY)).unwrap();
        fs::write(at(IDENTITY), &whole[..whole.len() / 2]).unwrap();
        names(IDENTITY);
        fs::write(at(IDENTITY), &whole).unwrap();

        fs::write(at(KEY), new_key().unwrap()).unwrap();
        names(CERTIFICATE);
        fs::write(at(STORE), uuid::Uuid::new_v4().to_string()).unwrap();
        names(IDENTITY);
        fs::remove_file(at(STORE)).unwrap();
        names(STORE);
        // A member's lost store id is not made up anew.
        assert!(dir.store_id().is_err());
        let moved = Hardware { id: "h2".into(), is_dmi: true };
        assert!(matches!(identity.check_hardware(&moved), Err(FilesError::OtherHardware { .. })));
    }
}
