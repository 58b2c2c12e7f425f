//! Clones whose instances differ (`globally-unique=true`): can there be such a one, and can what names it be meant?

use super::Report;
use crate::config::shorthand::{Group, is_part};
use crate::config::{AgentClass, Config, MOST_INSTANCES};
use crate::id::ResourceId;
use crate::score::Score;

pub(super) fn check(config: &Config, report: &mut Report) {
    for (id, clone) in config.shorthand.groups.iter().filter(|(_, group)| group.is_clone()) {
        let number = |name: &str| clone.meta.get(name).and_then(|value| value.trim().parse::<usize>().ok());
        if clone.is_unique() {
            one(config, report, id, clone, number("clone-max"));
        } else if number("clone-node-max").is_some_and(|many| many > 1) {
            let mend =
                format!("`set {id}.globally-unique true`, if its agent tells its instances apart by their number");
            report.error(
                id,
                "clone-node-max says more than 1, and instances that do not differ run once on a node",
                mend,
            );
        }
    }
    let is_one = |id: &ResourceId| {
        let part = config.shorthand.parts(id.as_str()).and_then(<[ResourceId]>::first).unwrap_or(id);
        config.shorthand.unique_clone_of(part).is_some()
    };
    let written = config.colocations.iter().filter(|(id, it)| !is_part(id) && it.score == Score::INFINITY);
    let plain = written.filter(|(_, it)| is_one(&it.with)).map(|(id, it)| (id, it.with.to_string()));
    let wide = config.shorthand.colocations.iter().filter(|(_, it)| it.score == Score::INFINITY);
    let of_sets = wide.filter_map(|(id, it)| {
        let mut names = it.sets.iter().flat_map(|set| &set.members);
        Some((id, names.find(|name| is_one(&ResourceId::from(name.as_str())))?.clone()))
    });
    for (id, name) in plain.chain(of_sets) {
        let what = format!("nothing can be where all instances of '{name}' are, which differ");
        report.error(id, what, "give it a finite score: it is drawn to where most of them are");
    }
}

fn one(config: &Config, report: &mut Report, id: &str, clone: &Group, max: Option<usize>) {
    if clone.is_promotable() {
        let mend = "leave globally-unique or promotable out";
        report.error(id, "instances that differ are not promoted here", mend);
    }
    match max {
        None => {
            let mend = format!("`set {id}.clone-max NUMBER`");
            report.error(
                id,
                "it does not say how many instances there are: each of them is a resource for itself",
                mend,
            );
        }
        Some(max) if max > MOST_INSTANCES => {
            let mend = format!("`set {id}.clone-max {MOST_INSTANCES}`");
            report.error(id, format!("more than {MOST_INSTANCES} instances that differ"), mend);
        }
        Some(_) => {}
    }
    for member in &clone.members {
        if config.shorthand.groups.contains_key(member.as_str()) {
            let what = format!("'{member}' is a group, and instances of a group do not differ here");
            report.error(id, what, "clone its members, or leave globally-unique out");
        }
        let unit = config.written(member).filter(|(_, it)| it.agent.class == AgentClass::Systemd);
        if unit.is_some() {
            report.error(
                id,
                "a unit of systemd is one on a host, and has no instances that differ",
                "leave globally-unique out",
            );
        }
    }
    let after = "what comes after it waits for all instances";
    let own = "each instance is a resource for itself";
    for (name, why) in [("interleave", after), ("ordered", after), ("notify", own)] {
        if clone.meta.get(name).is_some_and(|value| value == "true") {
            report.warning(id, format!("{name} has no effect: {why}"), "leave it out");
        }
    }
}
