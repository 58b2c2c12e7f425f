//! A table for docs/helpers.md: which agent calls which command with which options, read from the agents themselves, and
//! which of them are carried.

use super::options::Known;
use super::{Answer, Failed, attribute, logger, node, resource, ticket};
use quorate_api::HELPERS;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

/// Larger files are no scripts.
const LARGEST: u64 = 4 << 20;

type Calls = BTreeMap<String, BTreeMap<&'static str, BTreeSet<String>>>;

pub(super) fn print(root: Option<&String>) -> Answer {
    let root = root.map_or("/usr/lib/ocf", String::as_str);
    let mut calls = Calls::new();
    for part in ["resource.d/heartbeat", "resource.d/pacemaker", "lib/heartbeat"] {
        let entries = std::fs::read_dir(Path::new(root).join(part))
            .map_err(|error| Failed::NoSuch(format!("{root}/{part}: {error}")))?;
        for entry in entries.flatten() {
            let is_script = entry.metadata().is_ok_and(|file| file.is_file() && file.len() < LARGEST);
            let text = std::fs::read(entry.path()).unwrap_or_default();
            if is_script {
                let name =
                    format!("{}/{}", part.rsplit('/').next().unwrap_or(part), entry.file_name().to_string_lossy());
                scan(&name, &String::from_utf8_lossy(&text), &mut calls);
            }
        }
    }
    Ok(table(&calls))
}

fn known(command: &str) -> Option<&'static [&'static [Known]]> {
    match command {
        "crm_attribute" => Some(attribute::CRM_ATTRIBUTE),
        "crm_master" => Some(attribute::CRM_MASTER),
        "attrd_updater" => Some(attribute::ATTRD_UPDATER),
        "crm_node" => Some(&[node::CRM_NODE]),
        "crm_mon" => Some(&[node::CRM_MON]),
        "crm_resource" => Some(&[resource::CRM_RESOURCE]),
        "crm_ticket" => Some(&[ticket::CRM_TICKET]),
        "ha_logger" => Some(&[logger::HA_LOGGER]),
        _ => None,
    }
}

/// The calls that stand in a script: what follows a command's name in its line, up to the end of the command.
fn scan(agent: &str, text: &str, calls: &mut Calls) {
    let joined = text.replace("\\\n", " ");
    for line in joined.lines().map(str::trim).filter(|line| !line.starts_with('#') && !line.starts_with('<')) {
        for command in HELPERS {
            for (at, _) in line.match_indices(command) {
                let before = line[..at].chars().next_back();
                let rest = &line[at + command.len()..];
                let is_word = !before.is_some_and(|c| c.is_ascii_alphanumeric() || "_-=".contains(c) && c != '=')
                    && !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
                if !is_word {
                    continue;
                }
                let end = rest.find(['|', ';', ')', '`', '&', '#']).unwrap_or(rest.len());
                let options = rest[..end].split(|c: char| c.is_whitespace() || "\"',".contains(c));
                let options = options.filter(|word| is_option(word)).map(|word| word.split('=').next().unwrap_or(word));
                let found = calls.entry(agent.to_owned()).or_default().entry(command).or_default();
                found.extend(options.map(str::to_owned));
            }
        }
    }
}

fn is_option(word: &str) -> bool {
    let plain = word.trim_start_matches('-');
    word.starts_with('-')
        && plain.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !plain.starts_with(|c: char| c.is_ascii_digit() && c != '1')
}

fn table(calls: &Calls) -> String {
    let mut text = String::from("| agent | command | options | not carried |\n|---|---|---|---|\n");
    for (agent, commands) in calls {
        for (command, options) in
            commands.iter().filter(|(command, options)| !options.is_empty() || known(command).is_none())
        {
            let missing: Vec<&str> = match known(command) {
                None => vec!["the command"],
                Some(known) => options.iter().map(String::as_str).filter(|option| !is_carried(known, option)).collect(),
            };
            let all: Vec<&str> = options.iter().map(String::as_str).collect();
            _ = writeln!(text, "| {agent} | `{command}` | {} | {} |", all.join(" "), missing.join(" "));
        }
    }
    text
}

fn is_carried(known: &[&[Known]], option: &str) -> bool {
    let known = || known.iter().copied().flatten();
    match option.strip_prefix("--") {
        Some(long) => known().any(|it| it.long == long),
        None => option.chars().skip(1).take(1).all(|letter| known().any(|it| it.short == letter)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_with_their_options() {
        let script = "# crm_master -x\nX=\"${HA_SBIN_DIR}/crm_attribute -l reboot\" ; other -y\n\
                      attrd_updater -n a \\\n  --update=$v -d 5 | grep -z\nmy_crm_node -n\n  $(crm_node -n) -q\ncibadmin -Q\n";
        let mut calls = Calls::new();
        scan("heartbeat/x", script, &mut calls);
        let text = table(&calls);
        assert_eq!(
            text.lines().skip(2).collect::<Vec<_>>(),
            [
                "| heartbeat/x | `attrd_updater` | --update -d -n |  |",
                "| heartbeat/x | `cibadmin` | -Q | the command |",
                "| heartbeat/x | `crm_attribute` | -l |  |",
                "| heartbeat/x | `crm_node` | -n |  |",
            ]
        );
    }
}
