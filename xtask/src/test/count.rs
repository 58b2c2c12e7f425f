//! Reads from what test programs print how many tests there were: a step whose tests have vanished must not pass.

/// How many tests did what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) ignored: u32,
}

impl Count {
    /// Takes a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s`,
    /// or of the rows on the bed, `3 rows ok (1.0 s), 0 of them only when played again` and `1 of 3 rows FAILED (1.0 s): vm-killed`.
    pub(super) fn add(&mut self, line: &str) {
        self.add_rows(line);
        let Some(result) = line.strip_prefix("test result: ") else { return };
        let result = result.split_once(". ").map_or(result, |(_, counts)| counts);
        for part in result.split(';') {
            let Some((number, what)) = part.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u32>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    fn add_rows(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |word: &str| word.parse::<u32>().unwrap_or(0);
        match words[..] {
            [passed, "rows", "ok", ..] => self.passed += number(passed),
            [failed, "of", all, "rows", "FAILED", ..] => {
                self.failed += number(failed);
                self.passed += number(all).saturating_sub(number(failed));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_programs_add_up() {
        let mut count = Count::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 9 filtered out; finished in 0.00s\n",
            "test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n",
            "the test result: 5 passed",
            "9 rows ok (1.0 s), 1 of them only when played again",
            "row away was ok when it was played again, and not before: it waited in vain",
            "1 of 3 rows FAILED (1.0 s): vm-killed",
            "7 rows SKIPPED",
        ] {
            count.add(line);
        }
        assert_eq!(count, Count { passed: 16, failed: 5, ignored: 1 });
    }
}
