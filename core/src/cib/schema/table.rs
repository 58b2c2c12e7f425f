//! The elements of a configuration: what each may say, and what may be in it. Every release's names together, as
//! Pacemaker takes a file of an older one, too.

use Kind::{Flag, Id, IdRef, Positive, Score, Span, Switch, Text, Whole, Word};

/// What an attribute may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// A name that nothing else in the configuration has.
    Id,
    /// The id of what is meant instead.
    IdRef,
    Flag,
    /// As in `meta_attributes`, where more words are known.
    Switch,
    Whole,
    Positive,
    Score,
    Span,
    Word(&'static [&'static str]),
}

/// One kind of element.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) attributes: &'static [(&'static str, Kind)],
    /// Elements in it.
    pub(super) children: &'static [&'static str],
    /// Of these there is one at most.
    pub(super) once: &'static [&'static str],
    /// Attributes that have to be there, unless `id-ref` is.
    pub(super) needs: &'static [&'static str],
    /// Of each of these lists one has to be there, and no more: an attribute, or elements.
    pub(super) one_of: &'static [&'static [&'static str]],
    /// Where the first is said, the other has to be.
    pub(super) with: &'static [(&'static str, &'static str)],
}

const fn shape(attributes: &'static [(&'static str, Kind)], children: &'static [&'static str]) -> Shape {
    Shape { attributes, children, once: &[], needs: &[], one_of: &[], with: &[] }
}

impl Shape {
    const fn once(self, once: &'static [&'static str]) -> Self {
        Self { once, ..self }
    }

    const fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    const fn one_of(self, one_of: &'static [&'static [&'static str]]) -> Self {
        Self { one_of, ..self }
    }

    const fn with(self, with: &'static [(&'static str, &'static str)]) -> Self {
        Self { with, ..self }
    }
}

const ACTION: Kind = Word(&["start", "stop", "promote", "demote"]);
const ROLE: Kind = Word(&["Stopped", "Started", "Promoted", "Unpromoted", "Master", "Slave"]);
const ORDER: Kind = Word(&["Mandatory", "Optional", "Serialize"]);
const CLASS: Kind = Word(&["ocf", "lsb", "heartbeat", "stonith", "upstart", "service", "systemd", "nagios"]);

const SECTIONS: &[&str] = &[
    "crm_config",
    "rsc_defaults",
    "op_defaults",
    "nodes",
    "resources",
    "constraints",
    "fencing-topology",
    "acls",
    "tags",
    "alerts",
];
/// The whole of it.
pub(super) const CONFIGURATION: Shape = shape(&[], SECTIONS).once(SECTIONS);
const CRM_CONFIG: Shape = shape(&[], &["cluster_property_set"]);
const DEFAULTS: Shape = shape(&[], &["meta_attributes"]);
const NODES: Shape = shape(&[], &["node"]);
const RESOURCES: Shape = shape(&[], &["primitive", "template", "group", "clone", "master", "bundle"]);
const CONSTRAINTS: Shape = shape(&[], &["rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"]);
const TOPOLOGY: Shape = shape(&[], &["fencing-level"]);
const TAGS: Shape = shape(&[], &["tag"]);

const PAIRS: Shape = shape(&[("id", Id), ("id-ref", IdRef), ("score", Score)], &["rule", "nvpair"])
    .once(&["rule"])
    .one_of(&[&["id", "id-ref"]]);
const PAIR: Shape = shape(&[("id", Id), ("id-ref", IdRef), ("name", Text), ("value", Text)], &[])
    .needs(&["name"])
    .one_of(&[&["id", "id-ref"]]);

const NODE: Shape = shape(
    &[
        ("id", Text),
        ("uname", Text),
        ("type", Word(&["normal", "member", "ping", "remote"])),
        ("description", Text),
        ("score", Score),
    ],
    &["instance_attributes", "utilization"],
)
.needs(&["id", "uname"]);

const PRIMITIVE: Shape = shape(
    &[("id", Id), ("class", CLASS), ("provider", Text), ("type", Text), ("template", Text), ("description", Text)],
    &["meta_attributes", "instance_attributes", "utilization", "operations"],
)
.once(&["operations"])
.needs(&["id"])
.one_of(&[&["class", "template"]])
.with(&[("class", "type"), ("type", "class")]);
const TEMPLATE: Shape = Shape { one_of: &[], ..PRIMITIVE }.needs(&["id", "class", "type"]);
const OPERATIONS: Shape = shape(&[("id", Id), ("id-ref", IdRef)], &["op"]);
const OP: Shape = shape(
    &[
        ("id", Id),
        ("name", Text),
        ("interval", Span),
        ("description", Text),
        ("start-delay", Span),
        ("interval-origin", Text),
        ("timeout", Text),
        ("enabled", Flag),
        ("record-pending", Flag),
        ("role", ROLE),
        ("requires", Word(&["nothing", "quorum", "fencing", "unfencing"])),
        (
            "on-fail",
            Word(&["ignore", "block", "demote", "stop", "restart", "standby", "fence", "restart-container", "migrate"]),
        ),
    ],
    &["meta_attributes", "instance_attributes"],
)
.needs(&["id", "name", "interval"]);
const ATTRIBUTED: &[(&str, Kind)] = &[("id", Id), ("description", Text)];
const GROUP: Shape = shape(ATTRIBUTED, &["meta_attributes", "instance_attributes", "primitive"])
    .needs(&["id"])
    .one_of(&[&["primitive"]]);
const CLONE: Shape = shape(ATTRIBUTED, &["meta_attributes", "instance_attributes", "primitive", "group"])
    .once(&["primitive", "group"])
    .needs(&["id"])
    .one_of(&[&["primitive", "group"]]);
const BUNDLE: Shape = shape(
    ATTRIBUTED,
    &["meta_attributes", "instance_attributes", "docker", "rkt", "podman", "network", "storage", "primitive"],
)
.once(&["docker", "rkt", "podman", "network", "storage", "primitive"])
.needs(&["id"])
.one_of(&[&["docker", "rkt", "podman"]]);
const CONTAINER: Shape = shape(
    &[
        ("image", Text),
        ("replicas", Whole),
        ("replicas-per-host", Whole),
        ("masters", Whole),
        ("promoted-max", Whole),
        ("run-command", Text),
        ("network", Text),
        ("options", Text),
    ],
    &[],
)
.needs(&["image"]);
const NETWORK: Shape = shape(
    &[
        ("ip-range-start", Text),
        ("control-port", Whole),
        ("host-interface", Text),
        ("host-netmask", Whole),
        ("add-host", Flag),
    ],
    &["port-mapping"],
);
const PORT: Shape = shape(&[("id", Id), ("port", Whole), ("internal-port", Whole), ("range", Text)], &[])
    .needs(&["id"])
    .one_of(&[&["port", "range"]]);
const STORAGE: Shape = shape(&[], &["storage-mapping"]);
const MOUNT: Shape =
    shape(&[("id", Id), ("source-dir", Text), ("source-dir-root", Text), ("target-dir", Text), ("options", Text)], &[])
        .needs(&["id", "target-dir"])
        .one_of(&[&["source-dir", "source-dir-root"]]);

const LOCATION: Shape = shape(
    &[
        ("id", Id),
        ("rsc", Text),
        ("rsc-pattern", Text),
        ("role", ROLE),
        ("node", Text),
        ("score", Score),
        ("resource-discovery", Word(&["always", "never", "exclusive"])),
    ],
    &["resource_set", "rule", "lifetime"],
)
.needs(&["id"])
.one_of(&[&["rsc", "rsc-pattern", "resource_set"], &["node", "rule"]])
.with(&[("node", "score")]);
const COLOCATION: Shape = shape(
    &[
        ("id", Id),
        ("score", Score),
        ("score-attribute", Text),
        ("score-attribute-mangle", Text),
        ("influence", Switch),
        ("rsc", Text),
        ("with-rsc", Text),
        ("node-attribute", Text),
        ("rsc-role", ROLE),
        ("with-rsc-role", ROLE),
        ("rsc-instance", Whole),
        ("with-rsc-instance", Whole),
    ],
    &["resource_set", "lifetime"],
)
.needs(&["id"])
.one_of(&[&["rsc", "resource_set"]])
.with(&[("rsc", "with-rsc"), ("with-rsc", "rsc")]);
const ORDERS: Shape = shape(
    &[
        ("id", Id),
        ("symmetrical", Flag),
        ("require-all", Flag),
        ("score", Score),
        ("kind", ORDER),
        ("first", Text),
        ("then", Text),
        ("first-action", ACTION),
        ("then-action", ACTION),
        ("first-instance", Whole),
        ("then-instance", Whole),
    ],
    &["resource_set", "lifetime"],
)
.needs(&["id"])
.one_of(&[&["first", "resource_set"]])
.with(&[("first", "then"), ("then", "first")]);
const TICKET: Shape = shape(
    &[
        ("id", Id),
        ("rsc", Text),
        ("rsc-role", ROLE),
        ("ticket", Text),
        ("loss-policy", Word(&["stop", "demote", "fence", "freeze"])),
    ],
    &["resource_set"],
)
.needs(&["id", "ticket"])
.one_of(&[&["rsc", "resource_set"]]);
const SET: Shape = shape(
    &[
        ("id", Id),
        ("id-ref", IdRef),
        ("sequential", Flag),
        ("require-all", Flag),
        ("ordering", Word(&["group", "listed"])),
        ("action", ACTION),
        ("role", ROLE),
        ("score", Score),
        ("kind", ORDER),
    ],
    &["resource_ref"],
)
.one_of(&[&["id", "id-ref"], &["id-ref", "resource_ref"]]);
const MEMBER: Shape = shape(&[("id", Text)], &[]).needs(&["id"]);
const LIFETIME: Shape = shape(&[], &["rule"]);

const RULE: Shape = shape(
    &[
        ("id", Id),
        ("id-ref", IdRef),
        ("score", Score),
        ("score-attribute", Text),
        ("boolean-op", Word(&["and", "or"])),
        ("role", Text),
    ],
    &["expression", "date_expression", "rsc_expression", "op_expression", "rule"],
)
.one_of(&[&["id", "id-ref"]]);
const EXPRESSION: Shape = shape(
    &[
        ("id", Id),
        ("attribute", Text),
        ("operation", Word(&["lt", "gt", "lte", "gte", "eq", "ne", "defined", "not_defined"])),
        ("value", Text),
        ("type", Word(&["string", "integer", "number", "version"])),
        ("value-source", Word(&["literal", "param", "meta"])),
    ],
    &[],
)
.needs(&["id", "attribute", "operation"]);
const DATE: Shape = shape(
    &[("id", Id), ("operation", Word(&["in_range", "gt", "lt", "date_spec"])), ("start", Text), ("end", Text)],
    &["duration", "date_spec"],
)
.once(&["duration", "date_spec"])
.needs(&["id", "operation"]);
const FIELDS: Shape = shape(
    &[
        ("id", Id),
        ("years", Text),
        ("months", Text),
        ("weeks", Text),
        ("days", Text),
        ("hours", Text),
        ("minutes", Text),
        ("seconds", Text),
        ("monthdays", Text),
        ("weekdays", Text),
        ("yeardays", Text),
        ("yearsdays", Text),
        ("weekyears", Text),
        ("moon", Text),
    ],
    &[],
)
.needs(&["id"]);
const AGENT: Shape = shape(&[("id", Id), ("class", Text), ("provider", Text), ("type", Text)], &[]).needs(&["id"]);
const OPERATION: Shape = shape(&[("id", Id), ("name", Text), ("interval", Text)], &[]).needs(&["id", "name"]);

const LEVEL: Shape = shape(
    &[
        ("id", Id),
        ("target", Text),
        ("target-pattern", Text),
        ("target-attribute", Text),
        ("target-value", Text),
        ("index", Positive),
        ("devices", Text),
    ],
    &[],
)
.needs(&["id", "index", "devices"])
.one_of(&[&["target", "target-pattern", "target-attribute"]])
.with(&[("target-attribute", "target-value")]);
const TAG: Shape = shape(&[("id", Id)], &["obj_ref"]).needs(&["id"]).one_of(&[&["obj_ref"]]);

/// What is known of an element by its name. Access lists and alerts are looked into by nobody here.
pub(super) fn of(name: &str) -> Option<&'static Shape> {
    Some(match name {
        "nvpair" => &PAIR,
        "meta_attributes" | "instance_attributes" | "utilization" | "cluster_property_set" => &PAIRS,
        "primitive" => &PRIMITIVE,
        "op" => &OP,
        "operations" => &OPERATIONS,
        "configuration" => &CONFIGURATION,
        "crm_config" => &CRM_CONFIG,
        "rsc_defaults" | "op_defaults" => &DEFAULTS,
        "nodes" => &NODES,
        "node" => &NODE,
        "resources" => &RESOURCES,
        "template" => &TEMPLATE,
        "group" => &GROUP,
        "clone" | "master" => &CLONE,
        "bundle" => &BUNDLE,
        "docker" | "rkt" | "podman" => &CONTAINER,
        "network" => &NETWORK,
        "port-mapping" => &PORT,
        "storage" => &STORAGE,
        "storage-mapping" => &MOUNT,
        "constraints" => &CONSTRAINTS,
        "rsc_location" => &LOCATION,
        "rsc_colocation" => &COLOCATION,
        "rsc_order" => &ORDERS,
        "rsc_ticket" => &TICKET,
        "resource_set" => &SET,
        "resource_ref" | "obj_ref" => &MEMBER,
        "lifetime" => &LIFETIME,
        "rule" => &RULE,
        "expression" => &EXPRESSION,
        "date_expression" => &DATE,
        "duration" | "date_spec" => &FIELDS,
        "rsc_expression" => &AGENT,
        "op_expression" => &OPERATION,
        "fencing-topology" => &TOPOLOGY,
        "fencing-level" => &LEVEL,
        "tags" => &TAGS,
        "tag" => &TAG,
        _ => return None,
    })
}

/// What the value of an option may be, by the block that it stands in; of most Pacemaker itself makes what it can.
pub(super) fn option(block: &str, name: &str) -> Option<Kind> {
    Some(match (block, name) {
        (
            "cluster_property_set",
            "stonith-enabled"
            | "symmetric-cluster"
            | "startup-fencing"
            | "concurrent-fencing"
            | "maintenance-mode"
            | "stop-all-resources"
            | "stop-orphan-resources"
            | "stop-orphan-actions"
            | "start-failure-is-fatal"
            | "enable-startup-probes",
        )
        | (
            "meta_attributes",
            "is-managed" | "maintenance" | "interleave" | "notify" | "globally-unique" | "promotable" | "allow-migrate"
            | "critical",
        ) => Switch,
        ("cluster_property_set", "no-quorum-policy") => {
            Word(&["stop", "freeze", "ignore", "demote", "suicide", "fence"])
        }
        ("cluster_property_set", "placement-strategy") => Word(&["default", "utilization", "minimal", "balanced"]),
        ("cluster_property_set", "node-health-strategy") => {
            Word(&["none", "migrate-on-red", "only-green", "progressive", "custom"])
        }
        ("meta_attributes", "target-role") => {
            Word(&["Started", "Stopped", "Promoted", "Unpromoted", "Master", "Slave", "default"])
        }
        ("meta_attributes", "multiple-active") => Word(&["block", "stop_only", "stop_start", "stop_unexpected"]),
        _ => return None,
    })
}
