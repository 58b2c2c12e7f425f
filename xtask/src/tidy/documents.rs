//! Links of Markdown files lead somewhere: the file is there, and so is the heading. Links out of the tree are not tried.

use super::Problem;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.with_extension("md") {
        for (number, line) in prose(file) {
            for target in targets(line).filter(|target| !leads_out(target)) {
                if let Some(text) = broken(tree, file, target) {
                    problems.push(Problem::new(&file.path, number, text));
                }
            }
        }
    }
    problems
}

/// Lines outside of code blocks.
fn prose(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let mut code = false;
    file.lines().filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// What stands in the round brackets of `[text](target)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("](").filter_map(|(at, open)| {
        let rest = &line[at + open.len()..];
        // A title may follow.
        rest.find(')').and_then(|end| rest[..end].split_whitespace().next())
    })
}

fn leads_out(target: &str) -> bool {
    ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

fn broken(tree: &Tree, file: &File, target: &str) -> Option<String> {
    let (path, heading) = target.split_once('#').map_or((target, None), |(path, heading)| (path, Some(heading)));
    let Some(path) = resolve(&file.path, path) else {
        return Some(format!("the link {target} leads out of the tree"));
    };
    if !tree.holds(&path) {
        return Some(format!("the link {target} leads nowhere: there is no {path}"));
    }
    let (heading, document) = (heading?, tree.file(&path)?);
    let there = prose(document).any(|(_, line)| line.starts_with('#') && anchor(line) == heading);
    (!there).then(|| format!("the link {target} leads nowhere: {path} has no such heading"))
}

/// The path from the root that a link in this file means.
fn resolve(from: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// How a heading is named in links.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_files_and_headings() {
        let text = "# A page\n[b](sub/b.md) [up](../README.md \"title\") [web](https://example.org)\n[c](c.md)\n\
                    [h](sub/b.md#one-two) [i](#a-page)\n[j](sub/b.md#three)\n```\n[k](k.md)\n```\n[out](../../x)\n";
        let tree = Tree::of(&[("docs/a.md", text), ("docs/sub/b.md", "## One: `two`\n"), ("README.md", "")]);
        let lines: Vec<usize> = check(&tree).iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [3, 5, 9]);
    }
}
