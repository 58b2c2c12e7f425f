//! What people change: the configuration in the real grammar, a node's intent, failures that are to be forgotten.

use super::world::{World, number};
use quorate_core::config::{ConfigPatch, validate::validate};
use quorate_core::grammar::{self, Mode};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{Breath, Command, Intent, Matter, TicketChange, Wish};
use std::collections::BTreeMap;
use std::time::Duration;

impl World {
    pub(super) fn configure(&mut self, rest: &[&str], body: &str) -> Result<(), String> {
        let base = number(rest, "from")?.unwrap_or(self.state.revision);
        let mut no_files = |name: &str| Err(format!("{name}: scenarios have no files"));
        let statements = grammar::parse(body, &mut no_files).map_err(|errors| errors[0].to_string())?;
        let mut new = self.state.config.clone();
        grammar::apply_statements(&mut new, statements, Mode::Update).map_err(|errors| errors[0].to_string())?;
        let is_checked = !rest.contains(&"unchecked");
        if let Some(problem) = validate(&new).errors.first().filter(|_| is_checked) {
            return Err(problem.to_string());
        }
        let strangers: Vec<NodeId> =
            new.nodes.keys().filter(|node| !self.state.members.contains_key(*node)).cloned().collect();
        // The request is the change's, not the joining's.
        let request = self.request.take();
        self.admit_new(&strangers)?;
        self.request = request;
        let diff = grammar::diff(&self.state.config, &new);
        let patch = Box::new(ConfigPatch::between(&self.state.config, &new));
        let outcome = self.tell(Command::Configure { actor: "root".to_owned(), base, patch, diff });
        if Self::is_done(&outcome) {
            self.greet_new(&strangers)?;
            self.last = Some(outcome);
        }
        Ok(())
    }

    pub(super) fn intent(&mut self, node: &NodeId, intent: Intent) -> Result<(), String> {
        self.tell(Command::SetIntent { actor: "root".to_owned(), node: node.clone(), intent });
        Ok(())
    }

    /// What an agent says of a node, or takes back.
    pub(super) fn attribute(&mut self, node: &NodeId, name: &str, value: Option<&str>) -> Result<(), String> {
        let (name, value) = (name.to_owned(), value.map(str::to_owned));
        self.tell(Command::SetAttribute { node: node.clone(), name, value });
        Ok(())
    }

    pub(super) fn prefer(
        &mut self,
        resource: &ResourceId,
        node: &NodeId,
        wish: Wish,
        lasts: Option<u64>,
    ) -> Result<(), String> {
        let (resource, node, lasts) = (resource.clone(), node.clone(), lasts.map(Duration::from_millis));
        self.tell(Command::Prefer { actor: "root".to_owned(), resource, node, wish, lasts });
        Ok(())
    }

    pub(super) fn clear(&mut self, resource: &ResourceId, node: Option<NodeId>) -> Result<(), String> {
        self.tell(Command::Clear { actor: "root".to_owned(), resource: resource.clone(), node });
        Ok(())
    }

    pub(super) fn cleanup(&mut self, resource: &ResourceId, node: Option<NodeId>) -> Result<(), String> {
        self.tell(Command::Cleanup { actor: "root".to_owned(), resource: resource.clone(), node });
        Ok(())
    }

    /// Its session, or the one that is named, is heard after a proof.
    pub(super) fn breathes(&mut self, node: &NodeId, rest: &[&str]) -> Result<(), String> {
        let session = super::world::option(rest, "in").map_or_else(|| self.session(node), |word| Ok(word.into()))?;
        self.tell(Command::Breathes(Breath { node: node.clone(), session, heard_by: "n9".into() }));
        Ok(())
    }

    pub(super) fn ticket(&mut self, change: &str, ticket: &str) -> Result<(), String> {
        let change = match change {
            "grant" => TicketChange::Grant,
            "revoke" => TicketChange::Revoke,
            "standby" => TicketChange::Standby,
            "activate" => TicketChange::Activate,
            "delete" => TicketChange::Delete,
            other => return Err(format!("'{other}' is nothing that becomes of a ticket")),
        };
        let (actor, ticket) = ("root".to_owned(), ticket.to_owned());
        self.tell(Command::SetTicket { actor, ticket, change: Some(change), attributes: BTreeMap::new() });
        Ok(())
    }

    pub(super) fn ask(&mut self, node: &NodeId, matter: &str) -> Result<(), String> {
        let matter = if matter == "away" { Matter::AwayTooLong } else { Matter::LostInMaintenance };
        let session = self.session(node)?;
        self.tell(Command::Ask { node: node.clone(), session, matter });
        Ok(())
    }

    pub(super) fn release(&mut self, node: &NodeId, by_person: bool) -> Result<(), String> {
        self.tell(Command::Release { actor: by_person.then(|| "root".to_owned()), node: node.clone() });
        Ok(())
    }

    pub(super) fn trust(&mut self, device: &str, trusted: bool) -> Result<(), String> {
        self.tell(Command::Trust { actor: "root".to_owned(), device: device.into(), trusted });
        Ok(())
    }
}
