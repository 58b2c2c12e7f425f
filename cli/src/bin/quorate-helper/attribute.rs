//! `crm_attribute`, `crm_master`, `attrd_updater`: what agents say of nodes. Until it stops (`-l reboot`) it is what
//! `qrm node status-attr` says; for good (`-l forever`, or a capacity) it stands in the configuration.

use super::options::{Given, Known, flag, maybe, value};
use super::{Answer, Cluster, Failed};
use quorate_api::proto::ConfigureMode;
use quorate_api::{Change, Reason};
use quorate_core::config::{Attributes, Config, NodeConfig, PROPERTY_NAMES, is_agents_property};
use quorate_core::grammar;
use quorate_core::id::NodeId;

/// What both commands take that ask and set one attribute of one node.
const ONE: &[Known] = &[
    value('v', "update"),
    value(' ', "attr-value"),
    flag('D', "delete"),
    flag(' ', "delete-attr"),
    flag('G', "query"),
    flag(' ', "get-value"),
    flag('q', "quiet"),
    flag('Q', "quiet"),
    value('N', "node"),
    value('U', "node"),
    value(' ', "uname"),
    value('l', "lifetime"),
    value('d', "default"),
    flag('V', "verbose"),
];

pub(super) const CRM_ATTRIBUTE: &[&[Known]] = &[
    ONE,
    &[
        value('n', "name"),
        value(' ', "attr-name"),
        value('t', "type"),
        maybe('p', "promotion"),
        flag('z', "utilization"),
        value('s', "set-name"),
        flag('!', "inhibit-policy-engine"),
    ],
];

pub(super) const CRM_MASTER: &[&[Known]] = &[ONE, &[value('r', "resource"), value('i', "resource")]];

pub(super) const ATTRD_UPDATER: &[&[Known]] = &[&[
    value('n', "name"),
    value('U', "update"),
    value('v', "update"),
    value('B', "update-both"),
    value('Y', "update-delay"),
    flag('D', "delete"),
    flag('Q', "query"),
    flag('R', "refresh"),
    flag('A', "all"),
    value('N', "node"),
    value('d', "delay"),
    value(' ', "dampen"),
    value('S', "set-name"),
    flag('p', "private"),
    flag('q', "quiet"),
    flag('V', "verbose"),
]];

/// Where an attribute is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// Until the node stops.
    Status,
    /// In the configuration: of the node.
    Node,
    /// There too: what it has room for.
    Utilization,
    /// A property of the cluster.
    Property,
}

pub(super) async fn crm_attribute(given: &Given) -> Answer {
    if let Some(resource) = given.get(&["promotion"]) {
        let name = promotion(resource)?;
        return run(given, &name, kept(given, "reboot")?).await;
    }
    let name = given.get(&["name", "attr-name"]).ok_or_else(|| Failed::Usage("which attribute? -n NAME".to_owned()))?;
    run(given, name, kept(given, "forever")?).await
}

pub(super) async fn crm_master(given: &Given) -> Answer {
    let name = promotion(given.get(&["resource"]).unwrap_or_default())?;
    run(given, &name, kept(given, "reboot")?).await
}

/// The attribute by which a resource says how much it wants to be promoted somewhere.
fn promotion(resource: &str) -> Result<String, Failed> {
    let told = || std::env::var("OCF_RESOURCE_INSTANCE").ok().filter(|name| !name.is_empty());
    let resource = if resource.is_empty() { told() } else { Some(resource.to_owned()) };
    let resource = resource.ok_or_else(|| Failed::Usage("whose? OCF_RESOURCE_INSTANCE is not set".to_owned()))?;
    // Instances of a clone share it: a node has one of them.
    let plain = resource.rsplit_once(':').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    Ok(format!("master-{}", plain.map_or(resource.as_str(), |(plain, _)| plain)))
}

fn kept(given: &Given, usual: &str) -> Result<Kept, Failed> {
    let lifetime = given.get(&["lifetime"]).unwrap_or(usual);
    match (given.get(&["type"]).unwrap_or("nodes"), lifetime) {
        _ if given.has("utilization") => Ok(Kept::Utilization),
        ("crm_config", _) => Ok(Kept::Property),
        ("status", _) | ("nodes" | "node", "reboot") => Ok(Kept::Status),
        ("nodes" | "node", "forever") => Ok(Kept::Node),
        (kind, lifetime) => Err(Failed::Unimplemented(format!("nothing is kept of type {kind} for {lifetime} here"))),
    }
}

pub(super) async fn attrd_updater(given: &Given) -> Answer {
    if given.has("refresh") {
        // Nothing is held back that could be written now.
        return Ok(String::new());
    }
    let name = given.get(&["name"]).ok_or_else(|| Failed::Usage("which attribute? -n NAME".to_owned()))?;
    let cluster = Cluster::reach().await?;
    let node = given.get(&["node"]).filter(|node| !node.is_empty()).unwrap_or(&cluster.here).to_owned();
    if given.has("query") {
        return query_all(&cluster, name, &node, given.has("all")).await;
    }
    if given.has("delete") {
        return set(&cluster, Kept::Status, &node, name, None).await;
    }
    match given.get(&["update", "update-both"]) {
        Some(value) => set(&cluster, Kept::Status, &node, name, Some(value)).await,
        // What says only how long it is dampened says nothing here: nothing is.
        None if given.has("update-delay") => Ok(String::new()),
        None => query_all(&cluster, name, &node, given.has("all")).await,
    }
}

/// As `attrd_updater -Q` prints it: a line for each node that has it.
async fn query_all(cluster: &Cluster, name: &str, node: &str, all: bool) -> Answer {
    let status = cluster.status().await?;
    let nodes = status.nodes.iter().filter(|at| all || at.id.as_str() == node);
    let lines: Vec<String> = nodes
        .filter_map(|at| Some(format!("name=\"{name}\" host=\"{}\" value=\"{}\"\n", at.id, at.attributes.get(name)?)))
        .collect();
    if lines.is_empty() {
        return Err(Failed::NoSuch(format!("Could not query value of {name}: attribute does not exist")));
    }
    Ok(lines.concat())
}

async fn run(given: &Given, name: &str, kept: Kept) -> Answer {
    let cluster = Cluster::reach().await?;
    let node = given.get(&["node", "uname"]).filter(|node| !node.is_empty() && *node != "local");
    let node = node.unwrap_or(&cluster.here).to_owned();
    if given.has("delete") || given.has("delete-attr") {
        return set(&cluster, kept, &node, name, None).await;
    }
    if let Some(value) = given.get(&["update", "attr-value"]) {
        return set(&cluster, kept, &node, name, Some(value)).await;
    }
    let value = get(&cluster, kept, &node, name).await?.or_else(|| given.get(&["default"]).map(str::to_owned));
    match value {
        None => Err(Failed::NoSuch(format!("Error performing operation: {node} has no attribute {name}"))),
        Some(value) if given.has("quiet") => Ok(format!("{value}\n")),
        Some(value) => Ok(format!("scope={}  name={name} value={value}\n", scope(kept))),
    }
}

fn scope(kept: Kept) -> &'static str {
    match kept {
        Kept::Status => "status",
        Kept::Node | Kept::Utilization => "nodes",
        Kept::Property => "crm_config",
    }
}

async fn get(cluster: &Cluster, kept: Kept, node: &str, name: &str) -> Result<Option<String>, Failed> {
    if kept == Kept::Status {
        let status = cluster.status().await?;
        let at = status.nodes.into_iter().find(|at| at.id.as_str() == node);
        let at = at.ok_or_else(|| Failed::NoSuch(format!("there is no node {node}")))?;
        return Ok(at.attributes.get(name).cloned());
    }
    let (_, mut config) = cluster.config().await?;
    Ok(part(&mut config, kept, node).get(name).cloned())
}

fn part<'c>(config: &'c mut Config, kept: Kept, node: &str) -> &'c mut Attributes {
    if kept == Kept::Property {
        return &mut config.properties;
    }
    let node: &mut NodeConfig = config.nodes.entry(NodeId::new(node)).or_default();
    if kept == Kept::Utilization { &mut node.utilization } else { &mut node.attributes }
}

async fn set(cluster: &Cluster, kept: Kept, node: &str, name: &str, value: Option<&str>) -> Answer {
    let value = match value {
        Some(value) => Some(sum(cluster, kept, node, name, value).await?),
        None => None,
    };
    if kept == Kept::Status {
        cluster.client.attribute(node, name, value.as_deref()).await?;
        return Ok(String::new());
    }
    if kept == Kept::Property && !PROPERTY_NAMES.contains(&name) && !is_agents_property(name) {
        let why =
            format!("nothing of a cluster's own is kept under the name {name} here; say it of a node (-l forever)");
        return Err(Failed::Unimplemented(why));
    }
    write(cluster, kept, node, name, value.as_deref()).await
}

/// One attribute in the configuration, as it is by then.
async fn write(cluster: &Cluster, kept: Kept, node: &str, name: &str, value: Option<&str>) -> Answer {
    loop {
        let (revision, mut config) = cluster.config().await?;
        let attributes = part(&mut config, kept, node);
        let is_so = attributes.get(name).map(String::as_str) == value;
        match value {
            _ if is_so => return Ok(String::new()),
            Some(value) => _ = attributes.insert(name.to_owned(), value.to_owned()),
            None => _ = attributes.remove(name),
        }
        let object = if kept == Kept::Property { "property" } else { node };
        let text = match grammar::print_object(&config, object) {
            Some(text) if kept != Kept::Property || value.is_some() => text,
            _ => format!("delete {object}.{name}"),
        };
        let change = Change { text, mode: ConfigureMode::Update, base_revision: Some(revision), ..Change::default() };
        match cluster.client.configure(change).await {
            Ok(_) => return Ok(String::new()),
            // Somebody else was faster: from what is so now.
            Err(fault) if fault.reason == Reason::Stale => {}
            Err(fault) => return Err(fault.into()),
        }
    }
}

/// `value++` and `value+=5` count on from what is there.
async fn sum(cluster: &Cluster, kept: Kept, node: &str, name: &str, value: &str) -> Result<String, Failed> {
    let more = match value.strip_suffix("++") {
        Some(_) => Some(1),
        None => value.split_once("+=").and_then(|(_, more)| more.parse::<i64>().ok()),
    };
    let Some(more) = more else { return Ok(value.to_owned()) };
    let now = get(cluster, kept, node, name).await?.and_then(|now| now.parse::<i64>().ok()).unwrap_or(0);
    Ok(now.saturating_add(more).to_string())
}

#[cfg(test)]
mod tests {
    use super::super::options::read;
    use super::*;

    #[test]
    fn where_an_attribute_is_kept() {
        let of = |line: &str, usual: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            kept(&read(CRM_ATTRIBUTE, &words).expect("it is read"), usual).ok()
        };
        assert_eq!(of("-n a -l reboot", "forever"), Some(Kept::Status));
        assert_eq!(of("-n a", "forever"), Some(Kept::Node));
        assert_eq!(of("-p -v 5", "reboot"), Some(Kept::Status));
        assert_eq!(of("-t status -n a", "forever"), Some(Kept::Status));
        assert_eq!(of("--quiet -t nodes --node n1 -z -n cpu", "forever"), Some(Kept::Utilization));
        assert_eq!(
            of("--type=crm_config --name=stonith-enabled --query --quiet --default=true", "forever"),
            Some(Kept::Property)
        );
        assert_eq!(of("-t tickets -n a", "forever"), None);
    }

    #[test]
    fn instances_share_what_their_resource_is_worth() {
        for (resource, wanted) in
            [("db", "master-db"), ("db:0", "master-db"), ("db:12", "master-db"), ("a:b", "master-a:b")]
        {
            assert_eq!(promotion(resource).expect("a name"), wanted);
        }
    }
}
