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

#[cfg(test)]
mod tests {
    use super::{ERROR_LIMIT, limited};

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
