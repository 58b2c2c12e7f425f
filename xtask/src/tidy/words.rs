//! One word per concept. docs/glossary.md says which; what its column "do not use" holds between backticks appears nowhere
//! else in sources and documents.

use super::Problem;
use super::tree::Tree;

const GLOSSARY: &str = "docs/glossary.md";
const COLUMN: &str = "do not use";

/// A word that is not to be used, and the one to use instead.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    wrong: String,
    right: String,
}

pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let Some(glossary) = tree.file(GLOSSARY) else {
        return vec![Problem::new(GLOSSARY, 0, "is missing: it says which word is used for what")];
    };
    let words = words(&glossary.text);
    if words.is_empty() {
        let text = format!("has no table with a column \"{COLUMN}\" and words between backticks in it");
        return vec![Problem::new(GLOSSARY, 0, text)];
    }
    let mut problems = Vec::new();
    let read = |path: &str| [".rs", ".md", ".proto", ".scn", ".toml"].iter().any(|end| path.ends_with(end));
    for file in tree.files.iter().filter(|file| read(&file.path) && file.path != GLOSSARY && !file.holds_rules()) {
        for (number, line) in file.lines() {
            for word in words.iter().filter(|word| uses(line, &word.wrong)) {
                let text = format!("\"{}\" is not our word for it: {}", word.wrong, word.right);
                problems.push(Problem::new(&file.path, number, text));
            }
        }
    }
    problems
}

/// The words of all tables that have the column.
fn words(glossary: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut column = None;
    for line in glossary.lines() {
        let Some(row) = line.trim().strip_prefix('|') else {
            column = None;
            continue;
        };
        let cells: Vec<&str> = row.trim_end_matches('|').split('|').map(str::trim).collect();
        if column.is_none() {
            column = cells.iter().position(|cell| cell.to_lowercase() == COLUMN);
            continue;
        }
        let Some(cell) = column.and_then(|column| cells.get(column)) else { continue };
        let right = cells.first().map(|cell| cell.replace(['*', '`'], "")).unwrap_or_default();
        let between_backticks = cell.split('`').skip(1).step_by(2);
        words.extend(between_backticks.map(|wrong| Word { wrong: wrong.to_owned(), right: right.clone() }));
    }
    words
}

/// Whether the line has it as a word of its own. A capital letter in it makes all letters count, as in `DC`.
fn uses(line: &str, wrong: &str) -> bool {
    let exact = wrong.chars().any(char::is_uppercase);
    let line = if exact { line.to_owned() } else { line.to_lowercase() };
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    line.match_indices(wrong).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + wrong.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Glossary\n\n| word | do not use | meaning |\n|---|---|---|\n\
                         | **fence** | `shoot`, `stonith it`, kill | switch off |\n| leader | `DC` | |\n\nText | `other`\n";

    #[test]
    fn only_what_stands_between_backticks_in_the_column_counts() {
        let words: Vec<_> = words(TABLE).into_iter().map(|word| (word.wrong, word.right)).collect();
        let pairs = [("shoot", "fence"), ("stonith it", "fence"), ("DC", "leader")];
        assert_eq!(words, pairs.map(|(wrong, right)| (wrong.to_owned(), right.to_owned())));
    }

    #[test]
    fn words_are_found_as_words() {
        let table = [
            ("// Shoot the node.", vec![1]),
            ("// overshoot, shooter, shoot-out, dc", vec![]),
            ("// the DC, and\n// (DC) again", vec![1, 2]),
        ];
        for (text, lines) in table {
            let problems = check(&Tree::of(&[(GLOSSARY, TABLE), ("node/src/a.rs", text)]));
            assert_eq!(problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), lines, "{text}");
        }
        assert_eq!(check(&Tree::of(&[("a.rs", "")])).len(), 1, "without a glossary nothing is checked");
    }
}
