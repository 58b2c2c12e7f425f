//! `crm_resource`, as far as agents use it: where a resource is, and its own attributes.

use super::options::{Given, Known, flag, value};
use super::{Answer, Cluster, Failed};
use quorate_api::proto::ConfigureMode;
use quorate_api::{Change, Reason};
use quorate_core::config::secret::MASK;
use quorate_core::config::{Attributes, Config};
use quorate_core::grammar;
use quorate_core::id::ResourceId;
use quorate_core::view::Role;

pub(super) const CRM_RESOURCE: &[Known] = &[
    value('r', "resource"),
    flag('W', "locate"),
    flag('z', "utilization"),
    flag('m', "meta"),
    value('g', "get-parameter"),
    value('p', "set-parameter"),
    value('d', "delete-parameter"),
    value('v', "parameter-value"),
    flag('Q', "quiet"),
    flag('q', "quiet"),
    flag('V', "verbose"),
];

pub(super) async fn crm_resource(given: &Given) -> Answer {
    let id = given.get(&["resource"]).ok_or_else(|| Failed::Usage("which resource? -r NAME".to_owned()))?;
    // Instances of a clone share their configuration.
    let id = ResourceId::new(id.split(':').next().unwrap_or(id));
    let cluster = Cluster::reach().await?;
    if given.has("locate") {
        return locate(&cluster, &id).await;
    }
    if let Some(name) = given.get(&["get-parameter"]) {
        let (_, mut config) = cluster.config().await?;
        let value = part(&mut config, given, &id)?.get(name).cloned();
        if value.as_deref() == Some(MASK) && !cluster.is_trusted {
            let why = format!("{name} of {id} is a secret: only an agent that runs as root is told it");
            return Err(Failed::Unimplemented(why));
        }
        let none = || Failed::NoSuch(format!("Error performing operation: {id} has no attribute {name}"));
        return value.map(|value| format!("{value}\n")).ok_or_else(none);
    }
    if let Some(name) = given.get(&["set-parameter"]) {
        let value = given.get(&["parameter-value"]);
        let value = value.ok_or_else(|| Failed::Usage("which value? -v VALUE".to_owned()))?;
        return write(&cluster, given, &id, name, Some(value)).await;
    }
    match given.get(&["delete-parameter"]) {
        Some(name) => write(&cluster, given, &id, name, None).await,
        None => Err(Failed::Usage("one of -W, -g, -p and -d".to_owned())),
    }
}

async fn locate(cluster: &Cluster, id: &ResourceId) -> Answer {
    let status = cluster.status().await?;
    let found = status.resources.iter().find(|resource| resource.id == *id);
    let found = found.ok_or_else(|| Failed::NoSuch(format!("there is no resource {id}")))?;
    if found.role != Role::Started || found.places.is_empty() {
        return Ok(format!("resource {id} is NOT running\n"));
    }
    Ok(found.places.iter().map(|place| format!("resource {id} is running on: {}\n", place.node)).collect())
}

fn part<'c>(config: &'c mut Config, given: &Given, id: &ResourceId) -> Result<&'c mut Attributes, Failed> {
    let primitive =
        config.primitives.get_mut(id).ok_or_else(|| Failed::NoSuch(format!("there is no resource {id}")))?;
    Ok(match (given.has("utilization"), given.has("meta")) {
        (true, _) => &mut primitive.utilization,
        (false, true) => &mut primitive.meta,
        (false, false) => &mut primitive.params,
    })
}

async fn write(cluster: &Cluster, given: &Given, id: &ResourceId, name: &str, value: Option<&str>) -> Answer {
    loop {
        let (revision, mut config) = cluster.config().await?;
        let attributes = part(&mut config, given, id)?;
        let is_so = attributes.get(name).map(String::as_str) == value;
        match value {
            _ if is_so => return Ok(String::new()),
            Some(value) => _ = attributes.insert(name.to_owned(), value.to_owned()),
            None => _ = attributes.remove(name),
        }
        let text = grammar::print_object(&config, id.as_str()).unwrap_or_default();
        let change = Change { text, mode: ConfigureMode::Update, base_revision: Some(revision), ..Change::default() };
        match cluster.client.configure(change).await {
            Ok(_) => return Ok(String::new()),
            // Somebody else was faster: from what is so now.
            Err(fault) if fault.reason == Reason::Stale => {}
            Err(fault) => return Err(fault.into()),
        }
    }
}
