//! How the demo looks: 80 columns, colours only on a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

const WIDTH: usize = 80;
const BAR: usize = 24;

/// Where the demo is shown.
pub(super) struct Screen {
    colour: bool,
}

/// How a line of the timeline is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Dim,
    Good,
    Warn,
    Bad,
}

impl Screen {
    pub(super) fn of_process() -> Screen {
        let wants = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Screen { colour: wants && std::io::stdout().is_terminal() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn tone(&self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Dim => self.paint("2", text),
            Tone::Good => self.paint("32", text),
            Tone::Warn => self.paint("33", text),
            Tone::Bad => self.paint("1;31", text),
        }
    }

    fn line(&self, text: &str) {
        println!("{text}");
        // A pipe shows what happens when it happens; nothing depends on it.
        let _ = std::io::stdout().flush();
    }

    pub(super) fn heading(&self, text: &str) {
        self.line(&format!("\n{}", self.paint("1", text)));
    }

    /// A command as it is run on a host; the parameters of a long one stand on a line of their own.
    pub(super) fn command(&self, host: &str, arguments: &str) {
        let prompt = self.paint("36", &format!("{host}$"));
        let columns = WIDTH - host.len() - 4;
        let text = format!("qrm {arguments}");
        match text.split_once(" params ").filter(|_| text.chars().count() > columns) {
            Some((begin, rest)) => {
                self.line(&format!("  {prompt} {begin} \\"));
                self.line(&format!("        {}", cut(&format!("params {rest}"), WIDTH - 8)));
            }
            None => self.line(&format!("  {prompt} {}", cut(&text, columns))),
        }
    }

    pub(super) fn text(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    pub(super) fn warning(&self, text: &str) {
        for line in text.lines() {
            self.line(&self.tone(Tone::Warn, line));
        }
    }

    /// What happens, when it happens.
    pub(super) fn live(&self, after: Duration, tone: Tone, text: &str) {
        let text = cut(text, WIDTH - 13);
        self.line(&format!("  {:>7.2} s  {}", after.as_secs_f64(), self.tone(tone, &text)));
    }

    /// One moment with a bar as long as the time it took of all.
    pub(super) fn moment(&self, after: Duration, all: Duration, tone: Tone, text: &str) {
        let bar = self.tone(tone, &bar(after, all));
        let text = cut(text, WIDTH - BAR - 15);
        self.line(&format!("  {:>7.2} s  {bar}  {text}", after.as_secs_f64()));
    }

    pub(super) fn total(&self, all: Duration, text: &str) {
        let seconds = self.paint("1", &format!("{:>7.2} s", all.as_secs_f64()));
        self.line(&format!("  {seconds}  {}", self.paint("1", text)));
    }

    pub(super) fn promise(&self, is_kept: bool, text: &str) {
        let mark = if is_kept { self.tone(Tone::Good, "kept  ") } else { self.tone(Tone::Bad, "BROKEN") };
        self.line(&format!("  {mark}  {text}"));
    }
}

/// A bar of fixed width, in eighths of a character.
fn bar(after: Duration, all: Duration) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let share = if all.is_zero() { 0.0 } else { (after.as_secs_f64() / all.as_secs_f64()).clamp(0.0, 1.0) };
    // Within 0 and 8 times a small width: neither lost digits nor a sign.
    let eighths = (share * (BAR * 8) as f64).round() as usize;
    let mut text = "█".repeat(eighths / 8);
    if eighths < BAR * 8 {
        text.push(EIGHTHS[eighths % 8]);
    }
    let filled = text.chars().count();
    text.push_str(&" ".repeat(BAR - filled));
    text
}

/// Text that fits into so many columns.
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(columns.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_always_the_same_width_and_grows_with_time() {
        let of = |ms| bar(Duration::from_millis(ms), Duration::from_millis(1000));
        let mut last = 0;
        for ms in 0..=1100 {
            let text = of(ms);
            assert_eq!(text.chars().count(), BAR, "{text:?}");
            let full = text.chars().filter(|c| *c == '█').count();
            assert!(full >= last);
            last = full;
        }
        assert_eq!(last, BAR);
        assert_eq!(of(0).trim(), "");
        assert_eq!(bar(Duration::ZERO, Duration::ZERO).trim(), "");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdefg", 6), "abcde…");
        assert_eq!(cut("äöüäöüä", 6), "äöüäö…");
    }
}
