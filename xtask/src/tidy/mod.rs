//! `cargo xtask tidy`: the rules of this tree that no compiler looks after. Each module holds rules of one kind; a rule reads
//! the tree and tells what is wrong where, and changes nothing.

mod crates;
mod documents;
mod rust;
mod text;
mod tree;
mod words;

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;

use self::tree::Tree;
use crate::cargo;

/// Check the rules of this tree: sizes, dependencies, module documents, words, links
///
/// Example: cargo xtask tidy
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Also name what is only longer than it should be
    #[arg(long)]
    long: bool,
}

/// Something to mend.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: String,
    /// 0 is the file as a whole.
    line: usize,
    text: String,
}

impl Problem {
    fn new(path: &str, line: usize, text: impl Into<String>) -> Problem {
        Problem { path: path.to_owned(), line, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let problems = check(&mut std::io::stdout())?;
    if arguments.long {
        rust::long_files(&Tree::read(&cargo::repository()?)?).iter().for_each(|note| println!("{note}"));
    }
    println!("{problems} problems");
    Ok(if problems == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes down the problems of the tree; returns their number.
pub(crate) fn check(out: &mut dyn Write) -> Result<usize> {
    let problems = problems()?;
    for problem in &problems {
        writeln!(out, "{problem}")?;
    }
    Ok(problems.len())
}

fn problems() -> Result<Vec<Problem>> {
    let tree = Tree::read(&cargo::repository()?)?;
    let mut problems = crates::check(&tree)?;
    problems.extend(rust::check(&tree));
    problems.extend(text::check(&tree));
    problems.extend(words::check(&tree));
    problems.extend(documents::check(&tree));
    problems.sort();
    problems.dedup();
    Ok(problems)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let mut told = Vec::new();
        let problems = super::check(&mut told).expect("the tree is readable");
        assert_eq!(problems, 0, "\n{}", String::from_utf8_lossy(&told));
    }
}
