//! Texts that come from outside: devices, hypervisors, programs. They enter with a named limit, or one of them could
//! fill the log, which every member keeps.

/// So many bytes of an error from outside are kept.
pub const ERROR_LIMIT: usize = 1000;
/// Stands for what was left out.
const CUT: &str = " […]";

/// The text, or its beginning with a mark where it is longer than [`ERROR_LIMIT`]; never cut within a character.
pub fn limited(text: impl Into<String>) -> String {
    let mut text = text.into();
    if text.len() > ERROR_LIMIT {
        text.truncate(text.floor_char_boundary(ERROR_LIMIT - CUT.len()));
        text.push_str(CUT);
    }
    text
}

/// No more than so many characters, and none that does something to a terminal or turns the text around it.
pub fn printable(text: &str, most: usize) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let plain = |c: char| if c.is_control() && c != '\n' || turns(c) { '\u{fffd}' } else { c };
    let mut kept: String = text.chars().take(most).map(plain).collect();
    if text.chars().nth(most).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{ERROR_LIMIT, limited, printable};

    #[test]
    fn nothing_printed_acts_on_a_terminal() {
        for (text, wanted) in [
            ("as it is, ü\nline", "as it is, ü\nline"),
            ("\u{1b}[31mred\u{7}\r\t\0", "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            ("a\u{202e}b\u{2066}c", "a\u{fffd}b\u{fffd}c"),
        ] {
            assert_eq!(printable(text, 100), wanted);
        }
        assert_eq!(printable("üüü", 3), "üüü");
        assert_eq!(printable("üüüü", 3), "üüü…");
    }

    #[test]
    fn what_is_short_stays_and_what_is_long_is_cut_between_characters() {
        assert_eq!(limited("no answer"), "no answer");
        let fits = "x".repeat(ERROR_LIMIT);
        assert_eq!(limited(fits.clone()), fits);
        for shift in 0..4 {
            let long = limited(format!("{}{}", "x".repeat(shift), "ü€😀".repeat(ERROR_LIMIT)));
            assert!(long.len() <= ERROR_LIMIT && long.len() > ERROR_LIMIT - 12, "{} bytes", long.len());
            assert!(long.ends_with(" […]"), "{long}");
        }
    }
}
