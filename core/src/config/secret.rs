//! Passwords in the configuration: what is shown of them, and what is meant where that comes back.
//!
//! What is shown is still valid input: a value that reads as it was shown keeps the secret behind it.

use super::validate::Problem;
use super::{Config, Primitive};

/// Stands for a secret.
pub const MASK: &str = "********";

/// What is found in the names of parameters that hold secrets, of ours and of ClusterLabs' agents.
const NAMES: &[&str] = &["passw", "secret", "token", "_kg"];
/// Names that end so are of files and programs, whatever else they say.
const NO_SECRETS: &[&str] = &["_script", "_file", "_path"];
/// The attribute of a domain's graphics that is a password.
const GRAPHICS: &str = " passwd=";

/// The configuration with a mask in the place of each secret.
pub fn masked(config: &Config) -> Config {
    let mut shown = config.clone();
    let own = shown.shorthand.own.values_mut().map(|own| &mut own.primitive);
    let templates = shown.shorthand.templates.values_mut();
    for primitive in shown.primitives.values_mut().chain(own).chain(templates) {
        mask(primitive, MASK);
    }
    shown
}

/// Both sides of a change, with the secrets that change told apart from those that stay.
pub fn masked_change(old: &Config, new: &Config) -> (Config, Config) {
    let shown = masked(old);
    let mut changed = new.clone();
    for (id, primitive) in &mut changed.primitives {
        mark_changed(primitive, old.primitives.get(id));
    }
    for (id, own) in &mut changed.shorthand.own {
        mark_changed(&mut own.primitive, old.written(id).map(|(_, primitive)| primitive));
    }
    for (id, template) in &mut changed.shorthand.templates {
        mark_changed(template, old.shorthand.templates.get(id));
    }
    (shown, changed)
}

/// Masks, and tells a secret that is another than before.
fn mark_changed(primitive: &mut Primitive, before: Option<&Primitive>) {
    for (name, value) in &mut primitive.params {
        let Some(masked) = shown(name, value, MASK) else { continue };
        let was = before.and_then(|before| before.params.get(name));
        let is_other = was.is_some_and(|was| was != value && shown(name, was, MASK).as_ref() == Some(&masked));
        *value = if is_other { format!("{masked} (changed)") } else { masked };
    }
}

/// Puts the secrets back that came as they were shown.
///
/// # Errors
/// Names what has no secret behind it.
pub fn unmask(old: &Config, new: &mut Config) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for (id, own) in &mut new.shorthand.own {
        reveal(id.as_str(), &mut own.primitive, old.written(id).map(|(_, primitive)| primitive), &mut problems);
    }
    for (id, template) in &mut new.shorthand.templates {
        reveal(id, template, old.shorthand.templates.get(id), &mut problems);
    }
    for (id, primitive) in new.primitives.iter_mut().filter(|(id, _)| !new.shorthand.own.contains_key(*id)) {
        reveal(id.as_str(), primitive, old.written(id).map(|(_, primitive)| primitive), &mut problems);
    }
    new.expand();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn reveal(id: &str, primitive: &mut Primitive, known: Option<&Primitive>, problems: &mut Vec<Problem>) {
    for (name, value) in &mut primitive.params {
        if !value.contains(MASK) {
            continue;
        }
        let behind = known.and_then(|known| known.params.get(name));
        match behind.filter(|behind| shown(name, behind, MASK).as_deref() == Some(value.as_str())) {
            Some(behind) => value.clone_from(behind),
            None if is_secret(name) || value.contains(GRAPHICS) => problems.push(Problem {
                object: id.to_owned(),
                what: format!("its {name} is masked, and there is nothing behind the mask"),
                mend: "write the secret itself; `qrm configure show --secrets` shows those that are configured"
                    .to_owned(),
            }),
            None => {}
        }
    }
}

fn mask(primitive: &mut Primitive, with: &str) {
    for (name, value) in &mut primitive.params {
        if let Some(masked) = shown(name, value, with) {
            *value = masked;
        }
    }
}

/// What is shown in the place of a value; `None` where it is no secret.
fn shown(name: &str, value: &str, with: &str) -> Option<String> {
    if is_secret(name) {
        return Some(with.to_owned());
    }
    (name == "xml" && value.contains(GRAPHICS)).then(|| without_graphics_passwords(value, with))
}

pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|part| name.contains(part)) && !NO_SECRETS.iter().any(|end| name.ends_with(end))
}

/// A domain's definition with its displays' passwords masked; the rest stays as it is, byte for byte.
fn without_graphics_passwords(xml: &str, with: &str) -> String {
    let mut out = String::new();
    let mut rest = xml;
    while let Some(at) = rest.find(GRAPHICS) {
        let (before, value) = rest.split_at(at + GRAPHICS.len());
        out.push_str(before);
        let quote = value.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
        let end = quote.and_then(|quote| Some((quote, value[1..].find(quote)? + 2)));
        rest = match end {
            Some((quote, end)) => {
                out.push(quote);
                out.push_str(with);
                out.push(quote);
                &value[end..]
            }
            None => value,
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar;

    fn config(text: &str) -> Config {
        grammar::read(text, &mut |name| Err(name.to_owned())).expect("it is valid")
    }

    const XML: &str = "<domain><graphics type='vnc' passwd='tiger'/></domain>";

    fn household(password: &str) -> Config {
        config(&format!(
            "primitive f stonith:ipmi params ip=10.0.0.1 username=admin password={password} passwd_script=/bin/p\n\
             primitive a vm:libvirt params xml=\"{XML}\"\n"
        ))
    }

    #[test]
    fn no_secret_is_shown_and_what_is_shown_reads_back_as_what_is_there() {
        let real = household("hunter2");
        let text = grammar::print(&masked(&real));
        assert!(!text.contains("hunter2") && !text.contains("tiger"), "{text}");
        assert!(text.contains("username=admin") && text.contains("/bin/p") && text.contains("type='vnc'"), "{text}");
        let mut back = config(&text);
        unmask(&real, &mut back).expect("each has a secret behind it");
        assert_eq!(back, real);
    }

    #[test]
    fn a_mask_with_nothing_behind_it_is_refused() {
        let mut stranger = masked(&household("x"));
        let problems = unmask(&Config::default(), &mut stranger).expect_err("nothing is behind it");
        assert_eq!(problems.len(), 2, "{problems:?}");
        let mut moved =
            config("primitive a vm:libvirt params xml=\"<domain><graphics passwd='********' port='1'/></domain>\"\n");
        assert!(unmask(&household("x"), &mut moved).is_err(), "it is another definition");
    }

    #[test]
    fn a_changed_secret_shows_as_changed_and_not_what_it_is() {
        let (old, new) = masked_change(&household("one"), &household("two"));
        let text = grammar::diff(&old, &new);
        assert!(text.contains("(changed)") && !text.contains("one") && !text.contains("two"), "{text}");
        let (old, new) = masked_change(&household("one"), &household("one"));
        assert_eq!(grammar::diff(&old, &new), "");
        let (old, new) = masked_change(&Config::default(), &household("one"));
        assert!(!grammar::diff(&old, &new).contains("one "), "a new one is masked too");
    }
}
