//! Rules of packages: who may depend on whom, what stays out of core, and that every manifest takes the workspace's settings.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Problem;
use super::tree::Tree;
use crate::cargo;

/// Every package with all of ours that it may depend on. Dependencies point one way; product code uses no tests; the bed and
/// xtask build without libvirt, or they could not install it, so they use nothing of the product.
const EDGES: &[(&str, &[&str])] = &[
    ("quorate-core", &[]),
    ("quorate-raft", &["quorate-core"]),
    ("quorate-agents", &["quorate-core"]),
    ("quorate-api", &["quorate-core"]),
    ("quorate-node", &["quorate-core", "quorate-raft", "quorate-agents", "quorate-api"]),
    ("quorate-cli", &["quorate-core", "quorate-api"]),
    ("quorate-feeder", &["quorate-core"]),
    ("quorate-bed", &[]),
    ("quorate-model", &[]),
    ("quorate-sim", &["quorate-core", "quorate-node"]),
    ("quorate-systemd", &["quorate-agents"]),
    ("quorate-e2e", &["quorate-core", "quorate-api", "quorate-bed"]),
    ("quorate-bench", &["quorate-core", "quorate-api", "quorate-bed", "quorate-e2e"]),
    ("quorate-fuzz", &["quorate-core", "quorate-raft", "quorate-agents", "quorate-api", "quorate-node"]),
    ("xtask", &["quorate-core", "quorate-bed", "quorate-e2e"]),
];

/// What would bring a clock, chance, IO or tasks into the pure part.
const NOT_IN_CORE: &[&str] = &[
    "anyhow",
    "chrono",
    "futures",
    "libc",
    "nix",
    "openraft",
    "rand",
    "rand_chacha",
    "sled",
    "tempfile",
    "time",
    "tokio",
    "tonic",
    "uuid",
    "virt",
];

/// A dependency, and the one package that may have it.
const OF_ONE_PACKAGE: &[(&str, &str)] = &[
    ("bincode", "quorate-raft"),
    ("openraft", "quorate-raft"),
    ("sled", "quorate-raft"),
    ("virt", "quorate-agents"),
    ("virt-sys", "quorate-agents"),
];

/// A dependency between packages as cargo sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edge {
    from: String,
    to: String,
    /// Dependencies of tests are those of their package, except that tests may use more of what is not ours.
    for_tests: bool,
}

pub(super) fn check(tree: &Tree) -> Result<Vec<Problem>> {
    let (packages, edges) = metadata()?;
    let mut problems = edge_problems(&packages, &edges);
    problems.extend(manifests(tree));
    Ok(problems)
}

/// The names of our packages, and all they depend on.
fn metadata() -> Result<(Vec<String>, Vec<Edge>)> {
    let output = cargo::command(&["metadata", "--no-deps", "--offline", "--format-version=1"])?
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata fails: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let value: Value = serde_json::from_slice(&output.stdout).context("read what cargo metadata says")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (mut packages, mut edges) = (Vec::new(), Vec::new());
    for package in list(&value["packages"]) {
        let from = text(&package["name"]).context("a package without a name")?;
        for dependency in list(&package["dependencies"]) {
            let to = text(&dependency["name"]).context("a dependency without a name")?;
            edges.push(Edge { from: from.clone(), to, for_tests: dependency["kind"] == "dev" });
        }
        packages.push(from);
    }
    Ok((packages, edges))
}

fn edge_problems(packages: &[String], edges: &[Edge]) -> Vec<Problem> {
    let allowed = |name: &str| EDGES.iter().find(|(from, _)| *from == name).map(|(_, to)| *to);
    let mut problems = Vec::new();
    for package in packages.iter().filter(|package| allowed(package).is_none()) {
        let text = format!("say in xtask/src/tidy/crates.rs what {package} may depend on");
        problems.push(Problem::new("Cargo.toml", 0, text));
    }
    for Edge { from, to, for_tests } in edges {
        let ours = packages.contains(to);
        let against = |why: &str| Problem::new("Cargo.toml", 0, format!("{from} depends on {to}: {why}"));
        if ours && allowed(from).is_some_and(|allowed| !allowed.contains(&to.as_str())) {
            problems.push(against("dependencies point the other way, see docs/ARCHITECTURE.md"));
        }
        if from == "quorate-core" && !for_tests && NOT_IN_CORE.contains(&to.as_str()) {
            problems.push(against("core has no clock, chance, IO or tasks"));
        }
        if let Some((_, owner)) = OF_ONE_PACKAGE.iter().find(|(name, owner)| name == to && owner != from) {
            problems.push(against(&format!("only {owner} may")));
        }
    }
    problems
}

/// Lints, edition and versions are the workspace's.
fn manifests(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    let packages = tree.files.iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    for file in packages {
        if !file.text.contains("[lints]\nworkspace = true") {
            problems.push(Problem::new(&file.path, 0, "does not take the workspace's lints"));
        }
        let mut section = "";
        for (number, line) in file.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") && line.contains('=') && !line.contains("workspace") {
                let text = "a version of its own: declare it in the root's Cargo.toml, and say `workspace = true` here";
                problems.push(Problem::new(&file.path, number, text));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, for_tests: bool) -> Edge {
        Edge { from: from.to_owned(), to: to.to_owned(), for_tests }
    }

    #[test]
    fn only_the_edges_of_the_table_may_be() {
        let names: Vec<String> = EDGES.iter().map(|(name, _)| (*name).to_owned()).collect();
        let table = [
            (edge("quorate-node", "quorate-raft", false), 0),
            (edge("quorate-raft", "quorate-node", false), 1),
            (edge("quorate-cli", "quorate-node", true), 1),
            (edge("quorate-node", "quorate-bed", true), 1),
            (edge("xtask", "quorate-agents", false), 1),
            (edge("quorate-core", "tokio", false), 1),
            (edge("quorate-core", "serde", false), 0),
            (edge("quorate-core", "tempfile", true), 0),
            (edge("quorate-node", "sled", false), 1),
            (edge("quorate-raft", "sled", false), 0),
        ];
        for (edge, count) in table {
            assert_eq!(edge_problems(&names, std::slice::from_ref(&edge)).len(), count, "{edge:?}");
        }
        assert_eq!(edge_problems(&["quorate-new".to_owned()], &[]).len(), 1);
    }

    #[test]
    fn manifests_take_the_settings_of_the_workspace() {
        let good =
            "[package]\nversion.workspace = true\n[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n";
        let own = format!("{good}nix = {{ workspace = true, optional = true }}\nsled = \"0.34\"\n");
        let table = [(good, vec![]), (own.as_str(), vec![8]), ("[package]\n", vec![0])];
        for (text, lines) in table {
            let problems = manifests(&Tree::of(&[("a/Cargo.toml", text)]));
            assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), lines, "{text}");
        }
    }
}
