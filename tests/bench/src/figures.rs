//! Numbers with names, and the few sums that are made of samples. It measures nothing.

use std::fmt;

use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use serde_json::{Map, Number, Value};

/// Named numbers in the order they were put in.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Figures(Vec<(String, f64)>);

impl Figures {
    pub(crate) fn put(&mut self, name: impl Into<String>, value: f64) {
        self.0.push((name.into(), value));
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// One flat object; a value that is no number (nothing was measured) is null.
    pub(crate) fn json(&self) -> String {
        let rounded = |value: f64| (value * 1000.0).round() / 1000.0;
        let member = |(name, value): &(String, f64)| {
            (name.clone(), Number::from_f64(rounded(*value)).map_or(Value::Null, Value::Number))
        };
        Value::Object(self.0.iter().map(member).collect::<Map<_, _>>()).to_string()
    }
}

/// What a measurement ends with.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) figures: Figures,
    /// For people.
    pub(crate) table: Option<Table>,
    /// What is to be known of the figures.
    pub(crate) notes: Vec<String>,
    /// Promises that were not kept; the exit code is 1 where there are any.
    pub(crate) missed: Vec<String>,
}

impl Report {
    /// Holds a figure against what is promised of it.
    pub(crate) fn promise(&mut self, name: &str, fits: impl Fn(f64) -> bool, promise: &str) {
        let value = self.figures.get(name).unwrap_or(f64::NAN);
        let verdict = if fits(value) { "kept" } else { "MISSED" };
        let line = format!("{verdict}: {name} = {value:.3}, promised {promise}");
        if fits(value) {
            self.notes.push(line);
        } else {
            self.missed.push(line);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(table) = &self.table {
            writeln!(f, "{table}")?;
        }
        self.notes.iter().chain(&self.missed).try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// An empty table with these columns.
pub(crate) fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns);
    table
}

/// The middle value; of an even number of samples the mean of the two in the middle. Not a number without samples.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let sorted = sorted(samples);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// The smallest sample that is not less than so many percent of all (nearest rank). Not a number without samples.
pub(crate) fn percentile(samples: &[f64], percent: f64) -> f64 {
    let sorted = sorted(samples);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

/// The largest. Not a number without samples.
pub(crate) fn max(samples: &[f64]) -> f64 {
    sorted(samples).last().copied().unwrap_or(f64::NAN)
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_however_the_samples_lie() {
        assert_eq!(median(&[9.0, 1.0, 4.0]), 4.0);
        assert_eq!(median(&[9.0, 1.0, 4.0, 6.0]), 5.0);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_percentile_is_a_sample_by_nearest_rank() {
        let samples: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&samples, 50.0), 100.0);
        assert_eq!(percentile(&samples, 99.0), 198.0);
        assert_eq!(percentile(&samples, 99.9), 200.0);
        assert_eq!(percentile(&samples, 0.0), 1.0);
        assert_eq!(percentile(&[5.0], 99.0), 5.0);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn figures_are_one_flat_object_and_what_was_not_measured_is_null() {
        let mut figures = Figures::default();
        figures.put("a.b_s", 1.234_56);
        figures.put("a.c", f64::NAN);
        assert_eq!(figures.json(), r#"{"a.b_s":1.235,"a.c":null}"#);
    }

    #[test]
    fn what_was_not_measured_keeps_no_promise() {
        let mut report = Report::default();
        report.figures.put("x", 2.0);
        report.promise("x", |x| x <= 2.0, "at most 2");
        assert!(report.missed.is_empty());
        report.promise("x", |x| x <= 1.9, "at most 1.9");
        report.promise("y", |y| y <= 1000.0, "at most 1000");
        assert_eq!(report.missed.len(), 2, "{:?}", report.missed);
    }
}
