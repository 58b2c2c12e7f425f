//! `<rsc_ticket>`, and the tickets that the site holds, which are no configuration here.

use super::constraint::Refusal;
use super::operation::has;
use super::{Element, Import};
use crate::config::{InRole, LossPolicy, TicketConstraint, boolean};
use crate::grammar::is_id;
use crate::id::ResourceId;

impl<'a> Import<'a, '_> {
    pub(super) fn ticket(&mut self, id: &str, element: Element<'a>) -> Result<(), Refusal> {
        let ticket = self.attribute(element, "ticket").filter(|name| is_id(name));
        let ticket = ticket.ok_or(("its ticket has no name that can be one here".to_owned(), ""))?.to_owned();
        let loss = match self.attribute(element, "loss-policy") {
            None => None,
            Some(policy) => match LossPolicy::read(policy) {
                Some(policy) => Some(policy),
                None => return Err((format!("loss-policy={policy} is no policy"), "")),
            },
        };
        // In any other role than Promoted it is needed to run at all.
        let only_promoted = |role: Option<InRole>| role.filter(|role| *role == InRole::Promoted);
        let mut resources: Vec<(ResourceId, Option<InRole>)> = Vec::new();
        if has(element, "resource_set") {
            for set in self.sets(id, element)? {
                let members = set.members.iter().map(|name| ResourceId::from(name.as_str()));
                resources.extend(members.map(|name| (name, only_promoted(set.role))));
            }
        } else {
            let rsc = self.attribute(element, "rsc");
            let resource = self.known(rsc)?;
            resources.push((resource, only_promoted(self.role(element, "rsc-role")?)));
        }
        if resources.is_empty() {
            return Err(("nothing is left of its set".to_owned(), ""));
        }
        self.config.shorthand.tickets.insert(id.to_owned(), TicketConstraint { ticket, resources, loss });
        Ok(())
    }
}

/// The tickets that a CIB's status says are held, and whether each is on standby.
pub(super) fn held(cib: Element<'_>) -> Vec<(String, bool)> {
    let states = cib.descendants().filter(|at| at.has_tag_name("ticket_state"));
    let is_on = |state: &Element<'_>, name: &str| state.attribute(name).and_then(boolean) == Some(true);
    let held = states.filter(|state| is_on(state, "granted"));
    let name = |state: Element<'_>| Some((state.attribute("id")?.to_owned(), is_on(&state, "standby")));
    held.filter_map(name).filter(|(id, _)| is_id(id)).collect()
}
