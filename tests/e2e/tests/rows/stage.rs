//! A fresh cluster on a fresh bed with the auditor watching, and what every row ends with: the verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use quorate_bed::{Auditor, Bed, LibvirtFault, Options, VmProcess};
use quorate_core::state::{Event, EventKind};
use quorate_core::view::FenceView;
use quorate_e2e::{Cluster, timeline};

/// Why a row failed.
pub(crate) enum Fault {
    /// By the truth that the auditor saw a promise was broken.
    Verdict(anyhow::Error),
    /// What the row waited for did not come, or was not as it should be.
    Missed(anyhow::Error),
}

pub(crate) struct Stage {
    pub(crate) cluster: Cluster<Bed>,
    pub(crate) auditor: Auditor,
    notes: String,
}

impl Stage {
    pub(crate) fn set(binaries: &Path, hosts: u32, has_witness: bool) -> Result<Stage> {
        let bed = Bed::up(Options::for_test(hosts).with_quorate(binaries))?;
        let auditor = bed.auditor();
        let cluster = Cluster { site: bed };
        let witness = cluster.site.hosts().pop().filter(|_| has_witness);
        if let Some(witness) = &witness {
            // It needs no hypervisor.
            cluster.site.libvirtd(witness, LibvirtFault::Kill)?;
        }
        if let Err(error) = cluster.form_with(witness.as_deref(), &mut |_, _| {}) {
            report(&cluster);
            let dir = cluster.site.down_keeping_files()?;
            return Err(error.context(format!("the cluster is not formed; the logs are in {}", dir.display())));
        }
        Ok(Stage { cluster, auditor, notes: String::new() })
    }

    pub(crate) fn bed(&self) -> &Bed {
        &self.cluster.site
    }

    /// A line for whoever reads the results.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        for line in text.as_ref().lines() {
            self.notes.push_str("    ");
            self.notes.push_str(line);
            self.notes.push('\n');
        }
    }

    /// Notes what happened since `begin`.
    pub(crate) fn note_timeline(&mut self, victim: &str, begin: SystemTime) -> Result<()> {
        let timeline = timeline(&self.cluster, &self.auditor, victim, begin)?;
        self.note(timeline.to_string());
        Ok(())
    }

    /// Judges, and takes everything away, and answers with what was noted. Of a row that failed the files stay, and the notes
    /// have its timeline: the files may be where nobody gets at them.
    pub(crate) fn strike(mut self, played: Result<()>) -> (Result<(), Fault>, String) {
        let verdict = self.auditor.verdict().and_then(|verdict| verdict.require_clean());
        let result = verdict.map_err(Fault::Verdict).and(played.map_err(Fault::Missed));
        let Err(fault) = result else {
            return (self.cluster.site.down().map_err(Fault::Missed), self.notes);
        };
        let timeline = report(&self.cluster);
        self.note(timeline);
        drop(self.auditor);
        let files = match self.cluster.site.down_keeping_files() {
            Ok(dir) => format!("its logs and report are in {}", dir.display()),
            Err(left) => format!("it is not taken down: {left:#}"),
        };
        self.notes = format!("    {files}\n{}", self.notes);
        (Err(fault), self.notes)
    }

    /// The fences that ended, which must be exactly this many and all of this node; the last first.
    pub(crate) fn fences_of(&self, victim: &str, count: usize) -> Result<Vec<FenceView>> {
        let fences = self.cluster.fences()?;
        let targets: Vec<&str> = fences.ended.iter().map(|fence| fence.target.as_str()).collect();
        ensure!(targets == vec![victim; count], "fenced were {targets:?}, not {count} times {victim}");
        ensure!(fences.open.is_empty(), "fences are still under way: {:?}", fences.open);
        Ok(fences.ended)
    }

    /// The process of every VM.
    pub(crate) fn pids(&self) -> Result<BTreeMap<String, i32>> {
        Ok(self.cluster.processes()?.into_iter().map(|(vm, process)| (vm, process.pid)).collect())
    }

    /// Nothing was fenced, and nobody thought of it.
    pub(crate) fn ensure_no_fence(&self) -> Result<()> {
        let fences = self.cluster.fences()?;
        ensure!(fences.open.is_empty() && fences.ended.is_empty(), "there was a fence: {fences:?}");
        let told: Vec<Event> =
            self.cluster.events()?.into_iter().filter(|event| event.kind == EventKind::FenceIntent).collect();
        ensure!(told.is_empty(), "a fence was asked for: {told:?}");
        Ok(())
    }

    /// Every guest's process is one of the new ones, was started after `begin`, and within `limit` of it.
    pub(crate) fn ensure_restarted(
        &mut self,
        vms: &[&str],
        victim: &str,
        begin: SystemTime,
        limit: Duration,
    ) -> Result<()> {
        let processes = self.cluster.processes()?;
        let mut last = Duration::ZERO;
        for vm in vms {
            let process: &VmProcess = processes.get(*vm).with_context(|| format!("{vm} runs nowhere"))?;
            ensure!(process.host != victim, "{vm} runs on {victim}");
            last = last.max(process.started.duration_since(begin).unwrap_or_default());
        }
        self.note(format!("the last QEMU was started {:.2} s after", last.as_secs_f64()));
        ensure!(last <= limit, "the last VM was started only after {last:?}");
        Ok(())
    }
}

/// What the cluster says of itself, from every host that answers, beside the logs; returns the end of its longest timeline.
fn report(cluster: &Cluster<Bed>) -> String {
    const LINES: usize = 60;
    let mut timeline = Vec::new();
    let dir = cluster.site.layout().dir.join("report");
    if fs::create_dir_all(&dir).is_err() {
        return String::new();
    }
    for host in cluster.site.hosts() {
        // What is asked inside a host that stands still stands still with it. The verdict is spoken already.
        if cluster.site.is_frozen(&host).is_ok_and(|frozen| frozen) && cluster.site.thaw(&host).is_err() {
            continue;
        }
        for (name, arguments) in [
            ("status", &["status"][..]),
            ("events", &["events", "--from", "0"]),
            ("fences", &["fence", "history"]),
            ("config", &["configure", "show"]),
        ] {
            let text = match cluster.site.qrm(&host, arguments) {
                Ok(output) => format!("{}{}", output.stdout, output.stderr),
                Err(error) => format!("{error:#}\n"),
            };
            // A report that cannot be written must not hide what it is about.
            let _ = fs::write(dir.join(format!("{host}-{name}.txt")), &text);
            if name == "events" && text.lines().count() > timeline.len() {
                timeline = text.lines().map(str::to_owned).collect();
            }
        }
    }
    timeline.split_off(timeline.len().saturating_sub(LINES)).join("\n")
}
