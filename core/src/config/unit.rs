//! Names of units as systemd writes them: what can be one, and what it is in full.

/// The longest that systemd takes.
const NAME_MOST: usize = 255;
/// The kinds of units that can be resources; of anything else nobody could say that it runs.
const KINDS: &[&str] = &["service", "socket", "mount", "timer", "path", "target", "slice", "swap", "automount"];

/// Whether this can be the name of a unit, with its kind or without: `nginx`, `getty@tty1`, `srv-data.mount`. A template
/// (`getty@`) is none: it runs as its instances only.
pub fn is_unit_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let full = full_unit_name(text);
    let Some((stem, _)) = full.rsplit_once('.') else { return false };
    let is_template = stem.ends_with('@') || stem.starts_with('@');
    !stem.is_empty() && full.len() <= NAME_MOST && full.chars().all(fits) && !stem.starts_with('.') && !is_template
}

/// The name with its kind: what has none is a service, as everywhere with systemd.
pub fn full_unit_name(text: &str) -> String {
    match text.rsplit_once('.') {
        Some((_, kind)) if KINDS.contains(&kind) => text.to_owned(),
        _ => format!("{text}.service"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_named_as_systemd_names_it() {
        for (text, wanted) in [
            ("nginx", Some("nginx.service")),
            ("nginx.service", Some("nginx.service")),
            ("-.mount", Some("-.mount")),
            ("srv-my\\x2ddata.mount", Some("srv-my\\x2ddata.mount")),
            ("postgresql@15-main", Some("postgresql@15-main.service")),
            ("my.app", Some("my.app.service")),
            ("a:b@c.socket", Some("a:b@c.socket")),
            ("getty@", None),
            ("getty@.service", None),
            ("@x", None),
            ("", None),
            (".service", None),
            ("../etc/passwd", None),
            ("a b", None),
            ("größe", None),
            ("..", None),
        ] {
            assert_eq!(is_unit_name(text).then(|| full_unit_name(text)).as_deref(), wanted, "{text}");
        }
        assert!(!is_unit_name(&"x".repeat(250)) && is_unit_name(&"x".repeat(240)));
    }
}
