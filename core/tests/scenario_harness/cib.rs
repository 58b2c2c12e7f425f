//! A Pacemaker CIB in a scenario's words. It becomes XML, and takes the way of every CIB: reader, then scheduler.
//!
//! ```text
//! cib | cib and            begins anew | says more of the same
//!   nodes n1 n2 n3         all online        node n1 NAME=VALUE…     capacity n1 cpu=4     transient n1 NAME=VALUE…
//!   lost n1 | joining n1 | unseen n1 | remote n1      vanished | in the membership only | nothing is known | a remote one
//!   property NAME=VALUE… (have-quorum, no-quorum-panic and dc-uuid, too)      default NAME=VALUE…   ticket east granted=true   at 2026-02-01T09:00
//!   primitive a|db:a [@TEMPLATE] NAME=VALUE…     template t NAME=VALUE…     (meta attributes)
//!   connection r1 NAME=VALUE…     (the ocf:pacemaker:remote resource of the remote node r1)
//!   params a NAME=VALUE…   uses a cpu=2      op a monitor 10s on-fail=fence
//!   group g a b NAME=VALUE…    clone c a NAME=VALUE…
//!   runs a n1 n2           promoted a n1     clean a n1              (looked at, and not there)
//!   did a n1 monitor@10 1 [due 0] [ago 60] [from n1 to n2] [digest D [reloads D]]   under-way a n1 start    migrating a n1 n2
//!   location a|/PATTERN/ n1 50    <rsc_order …/>    any other element, as XML
//! transition               what would be done, after what, and what is where then       reasons | why each is done
//! ```

use quorate_core::cib;
use std::collections::BTreeMap;
use std::fmt::Write;

/// When every scenario happens that does not say, seconds since 1970.
const NOW: i64 = 1_000_000;

type Pairs = BTreeMap<String, String>;

#[derive(Default)]
pub(super) struct Cib {
    nodes: BTreeMap<String, Node>,
    resources: Vec<Resource>,
    properties: Pairs,
    defaults: Pairs,
    tickets: BTreeMap<String, Pairs>,
    constraints: Vec<String>,
    topology: String,
    op_defaults: String,
    now: Option<i64>,
    calls: u32,
}

#[derive(Default)]
struct Node {
    seen: Option<&'static str>,
    is_remote: bool,
    attributes: Pairs,
    capacity: Pairs,
    transient: Pairs,
    history: Vec<(String, String)>,
}

#[derive(Default)]
struct Resource {
    tag: &'static str,
    id: String,
    template: String,
    members: Vec<String>,
    meta: Pairs,
    params: Pairs,
    uses: Pairs,
    operations: String,
}

impl Cib {
    pub(super) fn now(&self) -> i64 {
        self.now.unwrap_or(NOW)
    }

    /// One line of a body.
    pub(super) fn take(&mut self, line: &str) -> Result<(), String> {
        if line.starts_with('<') {
            return self.take_xml(line);
        }
        let all: Vec<&str> = line.split_whitespace().collect();
        let is_pair = |word: &&str| word.contains('=') && !word.starts_with('=');
        let pairs: Pairs = all.iter().filter(|word| is_pair(word)).filter_map(|word| pair(word)).collect();
        let words: Vec<&str> = all.into_iter().filter(|word| !is_pair(word)).collect();
        match *words {
            ["nodes", ref names @ ..] => names.iter().for_each(|name| _ = self.node(name)),
            ["node", name] => self.node(name).attributes.extend(pairs),
            ["capacity", name] => self.node(name).capacity.extend(pairs),
            ["transient", name] => self.node(name).transient.extend(pairs),
            ["lost", name] => self.node(name).seen = Some(LOST),
            ["joining", name] => self.node(name).seen = Some(JOINING),
            ["remote", name] => self.node(name).is_remote = true,
            ["unseen", name] => self.node(name).seen = Some(""),
            ["property"] => self.properties.extend(pairs),
            ["default"] => self.defaults.extend(pairs),
            ["ticket", name] => self.tickets.entry(name.to_owned()).or_default().extend(pairs),
            ["at", moment] => self.now = Some(cib::moment(moment).ok_or("no moment")?),
            ["primitive", id, ref rest @ ..] => self.resource("primitive", id, rest, pairs),
            ["connection", id] => self.resource("connection", id, &[], pairs),
            ["template", id] => self.resource("template", id, &[], pairs),
            ["group", id, ref members @ ..] => self.resource("group", id, members, pairs),
            ["clone", id, member] => self.resource("clone", id, &[member], pairs),
            ["params", id] => self.known(id)?.params.extend(pairs),
            ["uses", id] => self.known(id)?.uses.extend(pairs),
            ["op", id, name, interval] => {
                let place = self.known(id)?.operations.len();
                let op =
                    format!(r#"<op id="{id}-{name}-{place}" name="{name}" interval="{interval}"{}/>"#, xml(&pairs));
                self.known(id)?.operations += &op;
            }
            ["location", id, node, score] => {
                let n = self.constraints.len();
                let who = match id.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
                    Some(pattern) => format!(r#"rsc-pattern="{pattern}""#),
                    None => format!(r#"rsc="{id}""#),
                };
                let line = format!(r#"<rsc_location id="l{n}" {who} node="{node}" score="{score}"/>"#);
                self.constraints.push(line);
            }
            _ => return self.take_history(&words),
        }
        Ok(())
    }

    fn take_history(&mut self, words: &[&str]) -> Result<(), String> {
        match *words {
            ["runs", id, ref nodes @ ..] => {
                nodes.iter().for_each(|node| self.did(id, node, "start", "0", "0", 100, ""))
            }
            ["promoted", id, node] => {
                self.did(id, node, "start", "0", "0", 100, "");
                self.did(id, node, "promote", "0", "0", 100, "");
            }
            ["clean", id, node] => self.did(id, node, "monitor", "7", "7", 100, ""),
            ["under-way", id, node, task] => self.did(id, node, task, "pending", "0", 100, ""),
            ["migrating", id, from, to] => {
                let ends = format!(r#" migrate_source="{from}" migrate_target="{to}""#);
                self.did(id, from, "migrate_to", "pending", "0", 100, &ends);
            }
            ["did", id, node, task, code, ref rest @ ..] => {
                let after = |name| rest.iter().position(|word| *word == name).and_then(|at| rest.get(at + 1)).copied();
                let ago = after("ago").map_or(Ok(100), str::parse).map_err(|_| "'ago' wants seconds")?;
                let mut ends = match (after("from"), after("to")) {
                    (Some(from), Some(to)) => format!(r#" migrate_source="{from}" migrate_target="{to}""#),
                    _ => String::new(),
                };
                if let Some(digest) = after("digest") {
                    ends += &format!(r#" op-digest="{digest}""#);
                }
                if let Some(digest) = after("reloads") {
                    ends += &format!(r#" op-force-restart=" none " op-restart-digest="{digest}""#);
                }
                self.did(id, node, task, code, after("due").unwrap_or("0"), ago, &ends);
            }
            _ => return Err(format!("'{}' is not understood", words.join(" "))),
        }
        Ok(())
    }

    fn take_xml(&mut self, line: &str) -> Result<(), String> {
        let tag = line.trim_start_matches('<').split([' ', '>', '/']).next().unwrap_or_default();
        match tag {
            "fencing-topology" => line.clone_into(&mut self.topology),
            "op_defaults" => line.clone_into(&mut self.op_defaults),
            "bundle" => self.resources.push(Resource { tag: "raw", id: line.to_owned(), ..Resource::default() }),
            tag if tag.starts_with("rsc_") => self.constraints.push(line.to_owned()),
            tag => return Err(format!("<{tag}> has no place")),
        }
        Ok(())
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.entry(name.to_owned()).or_default()
    }

    fn known(&mut self, id: &str) -> Result<&mut Resource, String> {
        self.resources.iter_mut().find(|known| known.id == id).ok_or_else(|| format!("there is no {id}"))
    }

    fn resource(&mut self, tag: &'static str, id: &str, members: &[&str], meta: Pairs) {
        let template = members.first().and_then(|word| word.strip_prefix('@')).unwrap_or_default().to_owned();
        let members = if template.is_empty() { members } else { &[] };
        if let Ok(known) = self.known(id) {
            known.meta.extend(meta);
            return;
        }
        let members = members.iter().map(|&member| member.to_owned()).collect();
        self.resources.push(Resource { tag, id: id.to_owned(), template, members, meta, ..Resource::default() });
    }

    /// An operation ended there, or has not yet.
    #[allow(clippy::too_many_arguments, reason = "an operation has so many sides")]
    fn did(&mut self, id: &str, node: &str, task: &str, code: &str, due: &str, ago: i64, more: &str) {
        self.calls += 1;
        let (task, interval) = task.split_once('@').unwrap_or((task, "0"));
        let (call, at) = (self.calls, self.now() - ago);
        let (status, code, call_id) = match code {
            "pending" => ("-1", "193", "-1".to_owned()),
            code => ("0", code, call.to_string()),
        };
        let op = format!(
            r#"<lrm_rsc_op id="{id}_{task}_{call}" operation="{task}" interval="{interval}000" rc-code="{code}"
            op-status="{status}" call-id="{call_id}" last-rc-change="{at}" transition-key="1:1:{due}:x"{more}/>"#
        );
        self.node(node).history.push((id.to_owned(), op));
    }

    /// All of it.
    pub(super) fn xml(&self) -> String {
        let root = |name: &str, usual: &str| self.properties.get(name).map_or(usual.to_owned(), ToOwned::to_owned);
        let (quorum, panic) = (root("have-quorum", "true"), root("no-quorum-panic", "false"));
        let leader = root("dc-uuid", "");
        let is_member = |id: &String| self.resources.iter().any(|resource| resource.members.contains(id));
        let top = self.resources.iter().filter(|resource| !is_member(&resource.id));
        let resources: String = top.map(|resource| self.resource_xml(resource)).collect();
        let (mut nodes, mut states) = (String::new(), String::new());
        for (place, (name, node)) in self.nodes.iter().enumerate() {
            node_xml(place + 1, name, node, self.is_reached(name), &mut nodes, &mut states);
        }
        let ticket = |(id, pairs): (&String, &Pairs)| format!(r#"<ticket_state id="{id}"{}/>"#, xml(pairs));
        let tickets: String = self.tickets.iter().map(ticket).collect();
        format!(
            r#"<cib crm_feature_set="3.16.2" have-quorum="{quorum}" no-quorum-panic="{panic}" dc-uuid="{leader}"><configuration><crm_config>{}</crm_config><nodes>{nodes}</nodes>
            <resources>{resources}</resources><constraints>{}</constraints>{}{}<rsc_defaults>{}</rsc_defaults>
            </configuration><status>{states}<tickets>{tickets}</tickets></status></cib>"#,
            set("cluster_property_set", "properties", &self.properties),
            self.constraints.concat(),
            self.topology,
            self.op_defaults,
            set("meta_attributes", "defaults", &self.defaults),
        )
    }

    /// Whether a node is reached through a resource.
    fn is_reached(&self, name: &str) -> bool {
        let is_it = |one: &Resource| one.tag == "connection" && one.id == name;
        let is_guest = |one: &Resource| one.meta.get("remote-node").is_some_and(|node| node == name);
        let bundle = name.rsplit_once('-').map(|(bundle, _)| format!(r#"<bundle id="{bundle}""#));
        let is_container = |one: &Resource| bundle.as_ref().is_some_and(|begin| one.id.starts_with(begin));
        self.resources.iter().any(|one| is_it(one) || is_guest(one) || (one.tag == "raw" && is_container(one)))
    }

    fn resource_xml(&self, resource: &Resource) -> String {
        let Resource { tag, id, template, .. } = resource;
        if *tag == "raw" {
            return id.clone();
        }
        let of = |member: &String| self.resources.iter().find(|known| known.id == *member);
        let members: String = resource.members.iter().filter_map(of).map(|member| self.resource_xml(member)).collect();
        let agent = match *tag {
            "group" | "clone" => String::new(),
            "connection" => r#" class="ocf" provider="pacemaker" type="remote""#.to_owned(),
            _ if !template.is_empty() => format!(r#" template="{template}""#),
            // Only a fence device says it.
            _ if resource.meta.contains_key("provides") => r#" class="stonith" type="y""#.to_owned(),
            _ => r#" class="ocf" provider="x" type="y""#.to_owned(),
        };
        let meta = set("meta_attributes", &format!("{id}-meta"), &resource.meta);
        let params = set("instance_attributes", &format!("{id}-params"), &resource.params);
        let uses = set("utilization", &format!("{id}-uses"), &resource.uses);
        let operations = match resource.operations.as_str() {
            "" => String::new(),
            operations => format!("<operations>{operations}</operations>"),
        };
        let tag = if *tag == "connection" { "primitive" } else { tag };
        format!(r#"<{tag} id="{id}"{agent}>{meta}{params}{uses}{operations}{members}</{tag}>"#)
    }
}

const ONLINE: &str = r#"in_ccm="true" crmd="online" join="member" expected="member""#;
const LOST: &str = r#"in_ccm="false" crmd="offline" join="down" expected="member""#;
const JOINING: &str = r#"in_ccm="true" crmd="offline" join="down" expected="down""#;

fn node_xml(number: usize, name: &str, node: &Node, is_reached: bool, nodes: &mut String, states: &mut String) {
    let attributes = set("instance_attributes", &format!("{name}-attributes"), &node.attributes);
    let capacity = set("utilization", &format!("{name}-capacity"), &node.capacity);
    let kind = if node.is_remote || is_reached { r#" type="remote""# } else { "" };
    _ = write!(nodes, r#"<node id="{number}" uname="{name}"{kind}>{attributes}{capacity}</node>"#);
    let seen = node.seen.unwrap_or(ONLINE);
    if seen.is_empty() {
        return;
    }
    let mut by_resource: Vec<(&String, String)> = Vec::new();
    for (id, op) in &node.history {
        match by_resource.iter_mut().find(|(known, _)| *known == id) {
            Some((_, ops)) => ops.push_str(op),
            None => by_resource.push((id, op.clone())),
        }
    }
    let entry = |(id, ops): (&String, String)| {
        format!(r#"<lrm_resource id="{id}" class="ocf" provider="x" type="y">{ops}</lrm_resource>"#)
    };
    let history: String = by_resource.into_iter().map(entry).collect();
    let transient = set("instance_attributes", &format!("{name}-transient"), &node.transient);
    _ = write!(
        states,
        r#"<node_state id="{number}" uname="{name}" {seen}><transient_attributes id="{number}">{transient}
        </transient_attributes><lrm id="{number}"><lrm_resources>{history}</lrm_resources></lrm></node_state>"#
    );
}

fn pair(word: &str) -> Option<(String, String)> {
    word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// As attributes of an element.
fn xml(pairs: &Pairs) -> String {
    pairs.iter().map(|(name, value)| format!(r#" {name}="{value}""#)).collect()
}

/// As a set of name and value.
fn set(tag: &str, id: &str, pairs: &Pairs) -> String {
    if pairs.is_empty() {
        return String::new();
    }
    let line = |(name, value): (&String, &String)| {
        let own = name.replace('#', "");
        format!(r#"<nvpair id="{id}-{own}" name="{name}" value="{value}"/>"#)
    };
    let lines: String = pairs.iter().map(line).collect();
    format!(r#"<{tag} id="{id}">{lines}</{tag}>"#)
}
