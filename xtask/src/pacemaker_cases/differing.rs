//! Which cases differ from Pacemaker's own outcome, each with its reason: `docs/differing-cases.md` against what the
//! comparator says today. It does not judge; who adds a case there says why.

use std::collections::BTreeMap;
use std::fmt::Write;

/// What differs of a case: all of it, or its actions, or their order only.
pub(super) type Cases = BTreeMap<String, String>;

/// Reasons of what differs: key and words. `open` is for what nobody has explained yet.
const REASONS: &[(&str, &str)] = &[
    (
        "definition",
        "what a bundle's containers are started with is not compared: a bundle that was changed does not restart them",
    ),
    ("theirs", "the case's own state afterwards keeps a connection that its steps stop"),
    ("capacity", "where room is short resources are placed together, not one after another"),
    ("tie", "among nodes that are equally good another one is taken, and others follow"),
    ("open", "not explained yet: taken for a mistake of ours until it is"),
];

/// What differs, from the comparator's `--list`.
pub(super) fn read_list(said: &str) -> Cases {
    let line = |line: &str| {
        let (name, rest) = line.split_once(": ")?;
        let verdict = rest.split_once(" {").map_or(rest, |(verdict, _)| verdict);
        let part = match verdict {
            "different" | "inconsistent" | "unsupported" | "timeout" => verdict,
            "same" | "equally good" if rest.contains(r#""t3": false"#) => "actions",
            "same" | "equally good" if rest.contains(r#""t4": false"#) => "order",
            _ => return None,
        };
        Some((name.to_owned(), part.to_owned()))
    };
    said.lines().filter_map(line).collect()
}

/// The rows of the document: case, what differs, and the reason's key.
pub(super) fn read_document(text: &str) -> BTreeMap<String, (String, String)> {
    let begin = text.find("| case |").unwrap_or(text.len());
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        Some((cells.next()?, (cells.next()?, cells.next()?)))
    };
    text[begin..].lines().skip(2).take_while(|line| line.starts_with('|')).filter_map(row).collect()
}

/// The document for these cases; the reasons that are known are kept.
pub(super) fn document(cases: &Cases, known: &BTreeMap<String, (String, String)>) -> String {
    let mut text = "# Cases that differ from Pacemaker\n\n`cargo xtask pacemaker-cases --update` writes this list, and `--hold` fails \
        where it is not what differs; reasons are\nkept, and are by hand. *different*: fences, places or roles; *inconsistent*: the \
        comparator cannot follow the steps;\n*unsupported*: refused; *actions*, *order*: the outcome is the same, those are not.\n\n\
        | reason | in words | cases |\n|---|---|---|\n"
        .to_owned();
    let reason = |name: &str| known.get(name).map_or("open", |(_, reason)| reason.as_str());
    for (key, words) in REASONS {
        let count = cases.keys().filter(|name| reason(name) == *key).count();
        writeln!(text, "| {key} | {words} | {count} |").expect("to a text");
    }
    text.push_str("\n| case | differs | reason |\n|---|---|---|\n");
    for (name, part) in cases {
        writeln!(text, "| {name} | {part} | {} |", reason(name)).expect("to a text");
    }
    text
}

/// What is wrong with the document.
pub(super) fn wrong(cases: &Cases, text: &str) -> Vec<String> {
    let known = read_document(text);
    let mut wrong = Vec::new();
    for (name, part) in cases {
        match known.get(name) {
            None => wrong.push(format!("{name} differs ({part}) and is not listed")),
            Some((listed, _)) if listed != part => wrong.push(format!("{name}: {part} differs, {listed} is listed")),
            Some((_, reason)) if !REASONS.iter().any(|(key, _)| key == reason) => {
                wrong.push(format!("{name}: no reason is called {reason:?}"));
            }
            Some(_) => {}
        }
    }
    let better = known.keys().filter(|name| !cases.contains_key(*name));
    wrong.extend(better.map(|name| format!("{name} is listed and does not differ any more")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "a: same {\"t3\": true, \"t4\": false}\nb: equally good {\"t3\": true, \"t4\": true}\n\
        c: different {\"t3\": false, \"t4\": false}\nd: same {\"t3\": false, \"t4\": false}\ncore      4     2\n";

    #[test]
    fn what_differs_is_read_from_the_list() {
        let cases = read_list(SAID);
        let found: Vec<(&str, &str)> = cases.iter().map(|(name, part)| (name.as_str(), part.as_str())).collect();
        assert_eq!(found, [("a", "order"), ("c", "different"), ("d", "actions")]);
    }

    #[test]
    fn the_document_is_what_differs_and_keeps_its_reasons() {
        let cases = read_list(SAID);
        let known = BTreeMap::from([("c".to_owned(), ("different".to_owned(), "tie".to_owned()))]);
        let text = document(&cases, &known);
        assert_eq!(read_document(&text)["c"], ("different".to_owned(), "tie".to_owned()));
        assert_eq!(wrong(&cases, &text), Vec::<String>::new());
        let fewer = read_list("c: unsupported {}");
        let wrong = wrong(&fewer, &text);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert!(super::wrong(&cases, "").iter().all(|line| line.contains("is not listed")));
    }

    #[test]
    fn the_list_that_is_kept_has_known_reasons() {
        let text = include_str!("../../../docs/differing-cases.md");
        let known = read_document(text);
        assert!(!known.is_empty(), "the document has no table");
        let cases: Cases = known.iter().map(|(name, (part, _))| (name.clone(), part.clone())).collect();
        assert_eq!(wrong(&cases, text), Vec::<String>::new());
        assert_eq!(
            document(&cases, &known),
            text,
            "its counts or its form differ: cargo xtask pacemaker-cases --update"
        );
    }
}
