//! A group: its members one after another, drawn to each other by their own colocations.

use super::assign_one;
use crate::scheduler::{Model, NodeIx, RscIx};

pub(super) fn assign(model: &mut Model, rsc: RscIx, prefer: Option<NodeIx>) -> Option<NodeIx> {
    model.resources[rsc].is_assigning = true;
    let members = model.children(rsc).to_vec();
    let mut first = None;
    for member in &members {
        let node = assign_one(model, *member, prefer);
        first = first.or(node);
    }
    let next = members.first().map(|member| model.resources[*member].next).unwrap_or_default();
    let resource = &mut model.resources[rsc];
    (resource.next, resource.assigned) = (next, first);
    (resource.is_assigning, resource.is_assigned) = (false, true);
    first
}
