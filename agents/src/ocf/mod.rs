//! OCF resource agents, run as they are: found by convention, told everything by their environment, contained.
//!
//! An agent is `ROOT/resource.d/PROVIDER/TYPE`, an executable in any language. It is run once for each action and
//! answers with an exit code. What it leaves running after a successful start lives on in a cgroup of the resource's
//! own, which is killed after the stop. Nothing here knows why a resource should run.

mod call;
mod exit;
mod metadata;
mod notes;
mod params;
mod verdict;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::process::{Exit, ProcessError, Processes, Spec};

pub use call::{Call, End, Report, Verb, exit_reason};
pub use exit::OcfExit;
pub use metadata::{ActionAdvice, MetaData, MetaDataError, Parameter, parse as parse_metadata};
pub use params::{Complaint, check as check_params};
pub use verdict::{Found, Purpose, Reach, Verdict, verdict};

/// Where the agents are, unless a daemon is told otherwise.
pub const ROOT: &str = "/usr/lib/ocf";
/// Where agents keep what must not outlive a boot.
const TEMPORARY: &str = "/run/resource-agents";
/// An agent may take so long to describe itself. Who asked for it still waits then, and hears what is wrong.
pub(crate) const DESCRIBE_TIME: Duration = Duration::from_secs(8);
/// A longer description is none.
const DESCRIBE_MOST: usize = 1 << 20;
/// So many names of one directory are looked at.
const NAMES_MOST: usize = 4096;

/// Which agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    provider: String,
    kind: String,
}

impl Name {
    /// `None` where one of them could not be a directory entry of its own.
    pub fn new(provider: &str, kind: &str) -> Option<Self> {
        (is_entry(provider) && is_entry(kind)).then(|| Self { provider: provider.to_owned(), kind: kind.to_owned() })
    }

    /// Whose agent it is.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Its own name.
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ocf:{}:{}", self.provider, self.kind)
    }
}

fn is_entry(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !text.is_empty() && text.len() <= 100 && !text.starts_with(['.', '-']) && text.chars().all(fits)
}

/// Why nothing can be said by an agent.
#[derive(Debug, thiserror::Error)]
pub enum OcfError {
    /// It is not there.
    #[error("there is no agent {name} on this node: {} is not there; install the package that brings it", path.display())]
    Missing {
        /// Which.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A name or value that no environment can hold.
    #[error("{name} cannot be handed to an agent: neither its name nor its value may hold a NUL character")]
    Unfit {
        /// The variable.
        name: String,
    },
    /// `meta-data` failed.
    #[error("{name} does not describe itself: its action meta-data ended with {how}")]
    NoMetaData {
        /// Which.
        name: String,
        /// How it ended.
        how: String,
    },
    /// What it printed is no meta-data.
    #[error("{name} does not describe itself as OCF wants it: {source}")]
    BadMetaData {
        /// Which.
        name: String,
        /// What is wrong.
        source: MetaDataError,
    },
}

/// The commands that agents find on their `PATH` before all others.
#[derive(Debug, Clone)]
pub struct Helpers {
    /// Where they are.
    pub directory: PathBuf,
    /// The daemon's socket, which they speak to.
    pub socket: PathBuf,
}

/// The agents of this host.
#[derive(Debug)]
pub struct Agents {
    helpers: Option<Helpers>,
    root: PathBuf,
    processes: Processes,
    /// What agents said of themselves, as long as their files stay the same.
    known: Mutex<BTreeMap<Name, (SystemTime, Arc<MetaData>)>>,
    calls: AtomicU64,
}

impl Agents {
    /// The agents below `root`, run below `processes`.
    pub fn new(root: impl Into<PathBuf>, processes: Processes) -> Self {
        Self { helpers: None, root: root.into(), processes, known: Mutex::default(), calls: AtomicU64::new(0) }
    }

    /// With these commands for whatever they have to say to the cluster.
    #[must_use]
    pub fn with_helpers(self, helpers: Option<Helpers>) -> Self {
        Self { helpers, ..self }
    }

    /// Where they are.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What runs them.
    pub fn processes(&self) -> &Processes {
        &self.processes
    }

    /// Where an agent is, or would be.
    pub fn path_of(&self, name: &Name) -> PathBuf {
        self.root.join("resource.d").join(&name.provider).join(&name.kind)
    }

    /// Makes the directory that agents expect to be there in every boot.
    pub fn prepare(&self) {
        if let Err(error) = std::fs::create_dir_all(TEMPORARY) {
            tracing::warn!(%error, "{TEMPORARY} cannot be made: agents that keep their state there will fail");
        }
    }

    /// A cgroup's name for one run of an agent: never the same twice in one daemon's life.
    pub fn action_id(&self, instance: &str, word: &str) -> String {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        format!("ocf-{}-{word}-{number}", file_name(instance))
    }

    fn service_of(&self, instance: &str) -> String {
        file_name(instance)
    }

    /// Who brought agents.
    pub fn providers(&self) -> Vec<String> {
        entries(&self.root.join("resource.d"), |path| path.is_dir())
    }

    /// The agents of a provider.
    pub fn kinds(&self, provider: &str) -> Vec<String> {
        if !is_entry(provider) {
            return Vec::new();
        }
        entries(&self.root.join("resource.d").join(provider), is_program)
    }

    /// What an agent says of itself.
    ///
    /// # Errors
    /// When it is not there or says nothing sensible.
    pub async fn metadata(&self, name: &Name) -> Result<Arc<MetaData>, OcfError> {
        let program = self.path_of(name);
        let missing = || OcfError::Missing { name: name.to_string(), path: program.clone() };
        let changed = std::fs::metadata(&program).and_then(|file| file.modified()).map_err(|_| missing())?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some((_, known)) = known.filter(|(at, _)| *at == changed) {
            return Ok(known);
        }
        let mut spec = Spec::new(self.action_id(&name.kind, "meta-data"), &program, DESCRIBE_TIME).args(["meta-data"]);
        spec.env.push(("OCF_ROOT".to_owned(), self.root.to_string_lossy().into_owned()));
        let mut parsed = describe(&self.processes, spec, &name.to_string()).await?;
        if parsed.name != name.kind {
            parsed.notes.push(format!("it calls itself '{}'", parsed.name));
        }
        let parsed = Arc::new(parsed);
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), (changed, parsed.clone()));
        Ok(parsed)
    }
}

/// Runs a program that prints its meta-data, within bounded time and output.
pub(crate) async fn describe(processes: &Processes, mut spec: Spec, name: &str) -> Result<MetaData, OcfError> {
    spec.output_cap = DESCRIBE_MOST;
    let outcome = processes.run(spec).await?;
    let failed = |how: String| Err(OcfError::NoMetaData { name: name.to_owned(), how });
    match outcome.exit {
        Exit::Code(0) if outcome.stdout.dropped > 0 => return failed(format!("more than {DESCRIBE_MOST} bytes")),
        Exit::Code(0) => {}
        Exit::Code(code) => return failed(OcfExit::from(code).to_string()),
        Exit::Signal(signal) => return failed(format!("signal {signal}")),
        Exit::Deadline => return failed(format!("no answer within {} s", DESCRIBE_TIME.as_secs())),
        Exit::Limited(bound) => return failed(format!("its {bound}")),
    }
    metadata::parse(&outcome.stdout.text()).map_err(|source| OcfError::BadMetaData { name: name.to_owned(), source })
}

fn entries(directory: &Path, fits: impl Fn(&Path) -> bool) -> Vec<String> {
    let all = std::fs::read_dir(directory).into_iter().flatten().flatten().take(NAMES_MOST);
    let named = all.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let mut names: Vec<String> =
        named.filter(|(name, path)| is_entry(name) && fits(path)).map(|(name, _)| name).collect();
    names.sort_unstable();
    names
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// A resource's name as part of a cgroup's or a file's: another name for another resource.
pub fn file_name(instance: &str) -> String {
    use sha2::{Digest, Sha256};
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !instance.is_empty() && instance.len() <= 60 && instance.chars().all(fits) {
        return instance.to_owned();
    }
    let plain: String = instance.chars().take(40).map(|c| if fits(c) { c } else { '_' }).collect();
    let hash = Sha256::digest(instance.as_bytes());
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // The dot keeps it apart from every name that is taken as it is.
    format!("{plain}.{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agents_name_leads_nowhere_else() {
        for (provider, kind, wanted) in [
            ("heartbeat", "IPaddr2", true),
            ("a.b-c_d", "mysql-proxy", true),
            ("..", "x", false),
            ("heartbeat", "../../../../bin/sh", false),
            ("heartbeat", ".hidden", false),
            ("", "x", false),
            ("a", "", false),
            ("a/b", "c", false),
            ("a", "b\0", false),
        ] {
            assert_eq!(Name::new(provider, kind).is_some(), wanted, "{provider} {kind}");
        }
    }

    #[test]
    fn every_resource_has_a_cgroup_name_of_its_own() {
        let names = ["vm1", "vm.1", "vm_1", "größe", "gr__e", &"x".repeat(200), &"x".repeat(201)].map(file_name);
        let mut different = names.to_vec();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), names.len(), "{names:?}");
        assert!(names.iter().all(|name| name.len() <= 60 && name.is_ascii()), "{names:?}");
    }
}
