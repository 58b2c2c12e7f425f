//! Unit files, as far as the stand-in needs them: systemd's own syntax, drop-ins and templates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What systemd waits by default.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A unit as its files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFile {
    /// `loaded`, `not-found` or `masked`.
    pub load: &'static str,
    /// Where it was found.
    pub path: PathBuf,
    /// By section and key; of what may stand several times all, in order. An empty value forgets those before it.
    values: BTreeMap<(String, String), Vec<String>>,
}

impl UnitFile {
    /// Reads a unit and its drop-ins from these directories; the first that has it counts.
    pub fn load(name: &str, directories: &[PathBuf]) -> Self {
        let template = name.split_once('@').and_then(|(stem, rest)| Some((stem, rest.rsplit_once('.')?)));
        let instance = template.map_or("", |(_, (instance, _))| instance);
        let names: Vec<String> = std::iter::once(name.to_owned())
            .chain(template.map(|(stem, (_, kind))| format!("{stem}@.{kind}")))
            .collect();
        let found = names.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
        let mut unit = Self { load: "not-found", ..Self::default() };
        if let Some(path) = found.into_iter().find(|path| path.symlink_metadata().is_ok()) {
            let is_masked = path.read_link().is_ok_and(|to| to == Path::new("/dev/null"));
            unit.load = if is_masked { "masked" } else { "loaded" };
            unit.read(&std::fs::read_to_string(&path).unwrap_or_default(), instance);
            unit.path = path;
        }
        for directory in directories {
            let drop_ins = std::fs::read_dir(directory.join(format!("{name}.d"))).into_iter().flatten().flatten();
            let mut files: Vec<PathBuf> = drop_ins.map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                unit.read(&std::fs::read_to_string(file).unwrap_or_default(), instance);
            }
        }
        unit
    }

    fn read(&mut self, text: &str, instance: &str) {
        let mut section = String::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some((key, value)) = line.split_once('=') {
                let values = self.values.entry((section.clone(), key.trim().to_owned())).or_default();
                match value.trim() {
                    "" => values.clear(),
                    value => values.push(value.replace("%i", instance)),
                }
            }
        }
    }

    /// All values of a key.
    pub fn all(&self, section: &str, key: &str) -> &[String] {
        self.values.get(&(section.to_owned(), key.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The last value of a key.
    pub fn get(&self, section: &str, key: &str) -> Option<&str> {
        self.all(section, key).last().map(String::as_str)
    }

    /// Whether a key says yes.
    pub fn is(&self, section: &str, key: &str, default: bool) -> bool {
        self.get(section, key).map_or(default, |value| matches!(value, "yes" | "true" | "1" | "on"))
    }

    /// A time of `[Service]`: seconds, `ms`, or `infinity`.
    pub fn time(&self, key: &str) -> Option<Duration> {
        let Some(text) = self.get("Service", key) else { return Some(TIMEOUT) };
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let number: u64 = number.parse().ok()?;
        Some(if unit == "ms" { Duration::from_millis(number) } else { Duration::from_secs(number) })
    }

    /// A command line with its quotes taken off; `$$` stands for one `$`.
    pub fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for c in line.chars() {
            match (c, quote) {
                (c, Some(open)) if c == open => quote = None,
                ('\'' | '"', None) => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (c, None) if c.is_whitespace() => words.extend(word.take()),
                (c, _) => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        words.into_iter().map(|word| word.replace("$$", "$")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_templates_drop_ins_and_masks_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it lies somewhere")).expect("it can be made");
            std::fs::write(path, text).expect("it can be written");
        };
        write("a@.service", "[Unit]\nDescription=a of %i\n[Service]\nExecStart=/bin/sh -c 'sleep 9'\nRestart=always\n");
        write("a@x.service.d/50.conf", "# ours\n[Service]\nRestart=no\nTimeoutStopSec=300ms\n");
        std::os::unix::fs::symlink("/dev/null", dir.path().join("m.service")).expect("it can be made");
        let load = |name: &str| UnitFile::load(name, &[dir.path().to_owned()]);
        let unit = load("a@x.service");
        assert_eq!((unit.load, unit.get("Unit", "Description")), ("loaded", Some("a of x")));
        assert_eq!(unit.get("Service", "Restart"), Some("no"));
        assert_eq!(unit.time("TimeoutStopSec"), Some(Duration::from_millis(300)));
        assert_eq!(unit.time("TimeoutStartSec"), Some(TIMEOUT));
        assert_eq!(UnitFile::words(&unit.all("Service", "ExecStart")[0]), ["/bin/sh", "-c", "sleep 9"]);
        assert_eq!((load("m.service").load, load("b.service").load), ("masked", "not-found"));
    }
}
