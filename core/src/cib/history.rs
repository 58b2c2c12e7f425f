//! What the recorded operations say of a resource: its role, where it is active, and what follows from failures.

use super::Reader;
use super::node::fence;
use super::status::{History, Op};
use crate::scheduler::{Kind, MultipleActive, NodeIx, NodeKind, OnFail, Role, RscIx};
use crate::score::Score;

/// What is found out while one resource's operations on one node are gone through.
pub(super) struct Finding<'a> {
    pub(super) rsc: RscIx,
    pub(super) node: NodeIx,
    pub(super) role: Role,
    /// The hardest consequence so far.
    pub(super) on_fail: OnFail,
    pub(super) last_failure: Option<Op<'a>>,
    /// Wanted next, because of a failure.
    pub(super) next: Role,
}

impl<'a> Reader<'a> {
    /// Members first, in the file's order; then the nodes that they turn out to be connected to.
    pub(super) fn read_histories(&mut self) {
        let mut left: Vec<NodeIx> = Vec::new();
        for history in self.histories.iter() {
            if left.last() != Some(&history.node) {
                left.push(history.node);
            }
        }
        loop {
            let count = left.len();
            left.retain(|node| !self.read_node(*node, false));
            if left.len() == count {
                break;
            }
        }
        if self.model.options.fences {
            left.retain(|node| !self.read_node(*node, true));
        }
        for node in self.model.remotes.connections.keys().copied().collect::<Vec<_>>() {
            if !self.histories_on.contains_key(&node) || left.contains(&node) {
                self.judge_remote(node);
            }
        }
        for rsc in 0..self.model.resources.len() {
            self.finish(rsc);
        }
        self.leave_remotes();
    }

    /// What is recorded of a node, if that can be read by now; answers whether it was.
    fn read_node(&mut self, node: NodeIx, is_forced: bool) -> bool {
        if !is_forced && !self.is_readable(node) {
            return false;
        }
        if self.model.nodes[node].kind != NodeKind::Member {
            self.judge_remote(node);
        }
        let histories = self.histories.clone();
        for ix in self.histories_on.get(&node).cloned().unwrap_or_default() {
            let history = &histories[ix];
            let Some(rsc) = self.resource_of(history.element, history.node) else { continue };
            self.model.resources[rsc].called = history.element.attribute("id").map(ToOwned::to_owned);
            self.read_history(rsc, history);
        }
        self.link_orphans(node);
        true
    }

    fn read_history(&mut self, rsc: RscIx, history: &History<'a>) {
        let node = history.node;
        let on_fail = OnFail::Ignore;
        let mut found = Finding { rsc, node, role: Role::Unknown, on_fail, last_failure: None, next: Role::Unknown };
        for op in &history.ops {
            self.take(&mut found, op);
        }
        self.conclude(&found);
        self.read_changes(rsc, history);
    }

    fn take(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        if matches!(op.task, "notify" | "meta-data" | "validate-all" | "delete") {
            return;
        }
        let ended = self.result(found, op);
        let is_bad = matches!(ended, Ended::Badly | Ended::HardHere | Ended::HardEverywhere);
        let on_fail = self.consequence(found.rsc, op.task, op.interval, found.role);
        // What cannot be stopped in a container ends with it.
        let ends_with_container = on_fail == OnFail::RestartContainer && op.task == "stop";
        if is_bad && (on_fail == OnFail::Ignore || ends_with_container) {
            // As if it had done what was expected.
            self.model.resources[found.rsc].is_failure_ignored = true;
            let expected = Op { code: op.expected.unwrap_or(0), status: 0, ..*op };
            self.well(found, &expected);
            if ends_with_container {
                found.on_fail = found.on_fail.max(on_fail);
            }
            return;
        }
        match ended {
            Ended::Pending => self.pending(found, op),
            Ended::Well => self.well(found, op),
            Ended::Cancelled => {}
            Ended::Badly if self.is_expired(found.rsc, op) => {}
            Ended::Badly => self.badly(found, op),
            Ended::HardHere => {
                self.badly(found, op);
                let banned = self.ban_target(found.rsc);
                self.score(banned, found.node, Score::NEG_INFINITY);
            }
            Ended::HardEverywhere => {
                self.badly(found, op);
                let banned = self.ban_target(found.rsc);
                for node in 0..self.model.nodes.len() {
                    self.score(banned, node, Score::NEG_INFINITY);
                }
            }
        }
    }

    /// How an operation ended, by its exit code and what had been expected.
    fn result(&self, found: &mut Finding<'a>, op: &Op<'a>) -> Ended {
        let code = match op.code {
            190 => 0,
            191 => 8,
            code => code,
        };
        match op.status {
            Op::PENDING => return Ended::Pending,
            1 => return Ended::Cancelled,
            0 | 4 => {}
            7 => return Ended::HardHere,
            _ => return Ended::Badly,
        }
        let is_managed = self.model.resources[found.rsc].is_managed;
        match code {
            0 => Ended::Well,
            7 if op.is_probe() || op.expected == Some(7) || !is_managed => {
                found.role = Role::Stopped;
                Ended::Well
            }
            8 => {
                found.role = Role::Promoted;
                if op.is_probe() || op.expected.is_none_or(|code| code == 8) { Ended::Well } else { Ended::Badly }
            }
            9 => {
                found.role = Role::Promoted;
                Ended::Badly
            }
            _ if op.expected == Some(code) => Ended::Well,
            6 => Ended::HardEverywhere,
            2..=5 if op.task == "stop" && self.model.options.fences => Ended::Badly,
            3 if op.interval > 0 => Ended::Badly,
            2..=5 => Ended::HardHere,
            _ => Ended::Badly,
        }
    }

    fn pending(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        match op.task {
            "start" => {
                self.model.resources[found.rsc].is_start_pending = true;
                found.role = Role::Started;
            }
            "promote" => found.role = Role::Promoted,
            "migrate_to" => self.migration_pending(found, op),
            _ => {}
        }
    }

    fn well(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        let mut clears = true;
        match op.task {
            "monitor" if op.code == 7 => {}
            "monitor" => {
                let is_same = |last: &Op<'a>| last.task == op.task && last.interval == op.interval;
                clears = found.last_failure.as_ref().is_some_and(is_same);
                if found.role < Role::Started {
                    found.role = self.active_role(found.rsc);
                }
            }
            "start" | "migrate_from" => found.role = self.active_role(found.rsc),
            "stop" => found.role = Role::Stopped,
            "promote" => found.role = Role::Promoted,
            "demote" => {
                clears = found.on_fail == OnFail::Demote;
                found.role = Role::Unpromoted;
            }
            "migrate_to" => {
                clears = false;
                self.migrated_away(found, op);
            }
            _ => {
                clears = false;
                if found.role < Role::Started {
                    found.role = self.active_role(found.rsc);
                }
            }
        }
        let is_clearable = match found.on_fail {
            OnFail::Ignore | OnFail::Demote | OnFail::Restart | OnFail::RestartContainer | OnFail::Block => true,
            OnFail::ResetRemote => !self.reconnects_late(found.rsc),
            OnFail::Ban | OnFail::Stop | OnFail::Standby | OnFail::Fence => false,
        };
        if clears && is_clearable {
            found.on_fail = OnFail::Ignore;
            found.next = Role::Unknown;
        }
    }

    fn badly(&mut self, found: &mut Finding<'a>, op: &Op<'a>) {
        let on_fail = self.consequence(found.rsc, op.task, op.interval, found.role);
        found.last_failure = Some(*op);
        found.on_fail = found.on_fail.max(on_fail);
        match op.task {
            "stop" => self.score(found.rsc, found.node, Score::NEG_INFINITY),
            "migrate_to" => self.migration_failed_at_source(found, op),
            "migrate_from" => self.migration_failed_at_target(found, op),
            "promote" => found.role = Role::Promoted,
            "demote" if on_fail == OnFail::Block => {
                found.role = Role::Promoted;
                found.next = Role::Stopped;
            }
            "demote" if op.code == 7 => found.role = Role::Stopped,
            "demote" => found.role = Role::Unpromoted,
            _ => {}
        }
        let is_absent = op.is_probe() && op.code == 5;
        if !is_absent && found.role < Role::Started {
            found.role = self.active_role(found.rsc);
        }
        if on_fail == OnFail::Stop || (on_fail == OnFail::ResetRemote && self.reconnects_late(found.rsc)) {
            found.next = Role::Stopped;
            let banned = self.ban_target(found.rsc);
            for node in 0..self.model.nodes.len() {
                self.score(banned, node, Score::NEG_INFINITY);
            }
        }
    }

    /// What a running instance is where nobody promoted it.
    pub(super) fn active_role(&self, rsc: RscIx) -> Role {
        let is_promotable = self.model.clone_of(rsc).is_some_and(|(_, spec)| spec.promotion.is_some());
        if is_promotable { Role::Unpromoted } else { Role::Started }
    }

    /// What a ban is for: the clone, where its instances are alike.
    pub(super) fn ban_target(&self, rsc: RscIx) -> RscIx {
        match self.model.clone_of(rsc) {
            Some((clone, spec)) if !spec.is_unique => clone,
            _ => rsc,
        }
    }

    /// Adds to a score, and to those of what is in it.
    pub(super) fn score(&mut self, rsc: RscIx, node: NodeIx, score: Score) {
        if self.model.options.is_symmetric || self.model.resources[rsc].scores.get(node).is_some() {
            self.model.resources[rsc].scores.add(node, score);
        }
        for child in self.model.children(rsc).to_vec() {
            self.score(child, node, score);
        }
    }

    fn is_expired(&self, rsc: RscIx, op: &Op<'a>) -> bool {
        let timeout = self.model.resources[rsc].failure_timeout;
        let is_blocking = || self.consequence(rsc, op.task, op.interval, Role::Started) == OnFail::Block;
        timeout > 0
            && op.changed > 0
            && self.model.options.now >= op.changed + timeout
            && !is_blocking()
            && !self.awaits_fence(rsc)
    }

    /// What all operations together mean for the resource and the node.
    fn conclude(&mut self, found: &Finding<'a>) {
        let (rsc, node) = (found.rsc, found.node);
        let mut on_fail = found.on_fail;
        if found.role != Role::Unknown {
            self.model.resources[rsc].known_on.insert(node);
        }
        let is_active = found.role > Role::Stopped;
        let (is_online, is_maintenance) = (self.model.nodes[node].is_online, self.model.nodes[node].is_maintenance);
        let name = self.model.resources[rsc].id.clone();
        if is_active && !is_online && !is_maintenance && self.model.resources[rsc].is_managed {
            self.lose_node_of(rsc, node);
        }
        if self.model.nodes[node].is_unclean {
            // What failed there does not matter any more: the node is fenced, and then it may start again.
            on_fail = OnFail::Ignore;
        }
        match on_fail {
            OnFail::Fence => fence(&mut self.model, node, format!("{name} failed there")),
            OnFail::Standby => self.model.nodes[node].is_standby = true,
            OnFail::Block => {
                self.model.resources[rsc].is_managed = false;
                self.model.resources[rsc].is_blocked = true;
            }
            OnFail::Ban => {
                let banned = self.ban_target(rsc);
                self.score(banned, node, Score::NEG_INFINITY);
            }
            OnFail::Stop => self.model.resources[rsc].next = Role::Stopped,
            OnFail::RestartContainer => self.restart_container(rsc),
            OnFail::ResetRemote => self.reset_remote(rsc),
            OnFail::Restart | OnFail::Ignore | OnFail::Demote => {}
        }
        self.see_failed_connection(rsc);
        if is_active {
            self.add_active(rsc, node, found.role, on_fail);
        }
        let resource = &mut self.model.resources[rsc];
        if found.next != Role::Unknown && on_fail != OnFail::Ignore {
            resource.next = found.next;
        }
        resource.role = resource.role.max(found.role);
    }

    /// Something is active on a node that is not there: nobody knows what became of it.
    fn lose_node_of(&mut self, rsc: RscIx, node: NodeIx) {
        match self.model.nodes[node].kind {
            NodeKind::Guest => self.model.resources[rsc].is_failed = true,
            _ if !self.model.options.fences => return,
            NodeKind::Remote => {
                let link = self.model.connection(node).map(|link| link.resource);
                // If only the connection's host is lost, another may take it over, and nothing is.
                if link.is_some_and(|link| !self.model.resources[link].is_failed) {
                    self.model.nodes[node].is_unseen = true;
                }
            }
            NodeKind::Member => {}
        }
        let reason = format!("{} is thought to be active there", self.model.resources[rsc].id);
        fence(&mut self.model, node, reason);
    }

    fn add_active(&mut self, rsc: RscIx, node: NodeIx, role: Role, on_fail: OnFail) {
        self.add_running(rsc, node);
        let resource = &mut self.model.resources[rsc];
        resource.role_on.insert(node, role);
        if on_fail != OnFail::Ignore {
            resource.is_failed = true;
            resource.must_stop |= !matches!(on_fail, OnFail::Demote | OnFail::Block);
        }
    }

    /// It is active there too; with more than one such node its `multiple-active` decides.
    pub(super) fn add_running(&mut self, rsc: RscIx, node: NodeIx) {
        let is_maintenance = self.model.nodes[node].is_maintenance;
        let nodes = self.model.nodes.len();
        let resource = &mut self.model.resources[rsc];
        if resource.active_on.contains(&node) {
            return;
        }
        resource.active_on.push(node);
        resource.is_managed &= !is_maintenance;
        if resource.active_on.len() < 2 || !resource.is_managed {
            return;
        }
        match resource.multiple_active {
            MultipleActive::StopOnly => {
                for node in 0..nodes {
                    resource.scores.add(node, Score::NEG_INFINITY);
                }
            }
            MultipleActive::Block => {
                (resource.is_managed, resource.is_blocked) = (false, true);
                let Some(parent) = resource.parent else { return };
                if matches!(self.model.resources[parent].kind, Kind::Group(_)) {
                    for member in self.model.children(parent).to_vec() {
                        let member = &mut self.model.resources[member];
                        (member.is_managed, member.is_blocked) = (false, true);
                    }
                }
            }
            MultipleActive::StopStart | MultipleActive::StopUnexpected => {}
        }
    }

    /// What is left to say when all histories were read.
    pub(super) fn finish(&mut self, rsc: RscIx) {
        let is_promotable = self.model.clone_of(rsc).is_some_and(|(_, spec)| spec.promotion.is_some());
        let resource = &mut self.model.resources[rsc];
        if resource.role == Role::Unknown {
            resource.role = Role::Stopped;
        }
        let wanted = match resource.target {
            Some(Role::Promoted | Role::Started) | None => None,
            Some(Role::Unpromoted) if !is_promotable => None,
            Some(role) => Some(role),
        };
        if let Some(wanted) = wanted
            && (resource.next == Role::Unknown || wanted < resource.next)
        {
            resource.next = wanted;
        }
    }
}

/// How an operation ended.
enum Ended {
    Pending,
    Well,
    Cancelled,
    Badly,
    /// It will not work on this node.
    HardHere,
    /// It will not work anywhere.
    HardEverywhere,
}
