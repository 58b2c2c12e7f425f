"""Small changes of a CIB: each takes the CIB and a source of chance, changes one thing, and says what, or None."""
import copy
import xml.etree.ElementTree as ET

BODIES = ("primitive", "group", "clone", "bundle")
SCORES = ("INFINITY", "-INFINITY", "0", "100", "-100", "1")
NAMES = iter(f"varied-{number}" for number in range(1, 1 << 60))


def parent_of(root, child):
    return next(one for one in root.iter() if child in list(one))


def section(root, path, *tags):
    """The elements of these tags below a section, in document order."""
    top = root.find(path)
    return [] if top is None else [one for one in top.iter() if one.tag in tags]


def resources(root, *tags):
    return section(root, "configuration/resources", *(tags or BODIES))


def plain(root):
    """Primitives that are no fence devices."""
    return [one for one in resources(root, "primitive") if one.get("class") != "stonith"]


def within(element, tag, **attributes):
    """The first child of a kind; made where there is none."""
    found = element.find(tag)
    if found is None:
        found = ET.SubElement(element, tag, id=next(NAMES), **attributes)
        if tag == "meta_attributes" and element.tag in ("group", "clone"):
            element.remove(found)
            element.insert(0, found)
    return found


def pair(owner, name, value):
    """Sets a name in a set of pairs, wherever it stands."""
    for one in owner.iter("nvpair"):
        if one.get("name") == name:
            one.set("value", value)
            return
    ET.SubElement(owner, "nvpair", id=next(NAMES), name=name, value=value)


def meta(owner, name, value):
    """A meta attribute; in all sets where it is written, so that it counts."""
    for group in owner.findall("meta_attributes"):
        if any(one.get("name") == name for one in group):
            pair(group, name, value)
            return
    pair(within(owner, "meta_attributes"), name, value)


def option(root, name, value):
    found = [one for one in section(root, "configuration/crm_config", "nvpair") if one.get("name") == name]
    for one in found:
        one.set("value", value)
    if not found:
        pair(within(root.find("configuration/crm_config"), "cluster_property_set"), name, value)
    return f"{name}={value}"


def full_nodes(root):
    """Cluster nodes, with their states."""
    states = {one.get("uname"): one for one in section(root, "status", "node_state") if one.get("remote_node") is None}
    nodes = section(root, "configuration/nodes", "node")
    return [(one, states[one.get("uname")]) for one in nodes if one.get("type") != "remote" and one.get("uname") in states]


def node_lost(root, chance):
    _, state = chance.choice(full_nodes(root))
    for name, value in {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "member"}.items():
        state.set(name, value)
    return f"{state.get('uname')} is lost"


def node_off(root, chance):
    _, state = chance.choice(full_nodes(root))
    for name, value in {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}.items():
        state.set(name, value)
    return f"{state.get('uname')} is off"


def node_attribute(root, chance):
    node, _ = chance.choice(full_nodes(root))
    name = chance.choice(("standby", "maintenance"))
    for owner in node.findall("instance_attributes"):
        for one in [one for one in owner if one.get("name") == name]:
            owner.remove(one)
    pair(within(node, "instance_attributes"), name, "true")
    return f"{name} of {node.get('uname')}"


def transient(state, name, value):
    pair(within(within(state, "transient_attributes"), "instance_attributes"), name, value)


def node_shutdown(root, chance):
    _, state = chance.choice(full_nodes(root))
    transient(state, "shutdown", "1000000000")
    return f"{state.get('uname')} leaves"


def resource_meta(root, chance):
    owner = chance.choice([one for one in resources(root) if one.get("class") != "stonith"])
    name, values = chance.choice((
        ("target-role", ("Stopped", "Started", "Unpromoted")), ("is-managed", ("false",)), ("maintenance", ("true",)),
        ("resource-stickiness", ("0", "1", "100", "INFINITY", "-1")), ("migration-threshold", ("1", "2")),
        ("allow-migrate", ("true", "false")), ("priority", ("10", "-10", "INFINITY")), ("requires", ("nothing", "quorum", "fencing")),
        ("multiple-active", ("block", "stop_only", "stop_unexpected")), ("critical", ("false",)),
    ))
    value = chance.choice(values)
    meta(owner, name, value)
    return f"{owner.get('id')} {name}={value}"


def clone_meta(root, chance):
    owner = chance.choice(resources(root, "clone"))
    name, values = chance.choice((
        ("clone-max", ("1", "2", "3", "0")), ("clone-node-max", ("1", "2")), ("promoted-max", ("0", "1", "2")), ("interleave", ("true", "false")),
        ("ordered", ("true", "false")), ("clone-min", ("1", "2")), ("promoted-node-max", ("2",)), ("globally-unique", ("true", "false")),
        ("notify", ("true", "false")), ("promotable", ("true", "false")),
    ))
    value = chance.choice(values)
    meta(owner, name, value)
    return f"{owner.get('id')} {name}={value}"


def answered(operation, status, code):
    operation.set("rc-code", code)
    operation.set("op-status", status)
    operation.set("transition-magic", f"{status}:{code};{operation.get('transition-key')}")


def histories(root, task):
    """Operations that went well, with the history they are in and the node."""
    found = []
    for state in section(root, "status", "node_state"):
        for history in state.iter("lrm_resource"):
            if history.get("class") != "stonith":
                good = [one for one in history if one.get("operation") == task and one.get("rc-code") == "0"]
                found += [(one, history, state) for one in good if one.get("transition-key")]
    return found


def failed_monitor(root, chance):
    recurring = [found for found in histories(root, "monitor") if found[0].get("interval") not in (None, "0")]
    operation, history, state = chance.choice(recurring)
    status, code = chance.choice((("0", "7"), ("4", "1"), ("2", "1"), ("4", "5")))
    answered(operation, status, code)
    return f"{history.get('id')} fails on {state.get('uname')} with {code}"


def failed_operation(root, chance, task, status, code):
    operation, history, state = chance.choice(histories(root, "start"))
    for one in [one for one in history if one is not operation and one.get("interval") != "0"]:
        history.remove(one)
    operation.set("call-id", str(1 + max(int(one.get("call-id") or 0) for one in history)))
    operation.set("operation", task)
    operation.set("operation_key", f"{history.get('id')}_{task}_0")
    answered(operation, status, code)
    return f"{task} of {history.get('id')} on {state.get('uname')} answered {code}"


def failed_start(root, chance):
    return failed_operation(root, chance, "start", "4", chance.choice(("1", "5", "6")))


def failed_stop(root, chance):
    return failed_operation(root, chance, "stop", "4", "1")


def fail_count(root, chance):
    state = chance.choice([state for _, state in full_nodes(root)])
    name = chance.choice(plain(root)).get("id")
    value = chance.choice(("1", "2", "INFINITY"))
    version = [int(part) for part in (root.get("crm_feature_set") or "0").split(".")]
    operation = chance.choice(("#monitor_10000", "#start_0")) if version >= [3, 0, 13] else ""
    transient(state, f"fail-count-{name}{operation}", value)
    return f"{name} failed {value} times on {state.get('uname')}"


def cleaned(root, chance):
    lists = [one for one in section(root, "status", "lrm_resources") if len(one)]
    history = chance.choice(chance.choice(lists))
    for one in lists:
        for same in [same for same in one if same.get("id") == history.get("id")]:
            one.remove(same)
    return f"nobody has looked for {history.get('id')}"


def constraints(root, *tags):
    return section(root, "configuration/constraints", *(tags or ("rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket")))


def constraint_deleted(root, chance):
    one = chance.choice(constraints(root))
    parent_of(root, one).remove(one)
    return f"without {one.get('id')}"


def constraint_score(root, chance):
    scored = [one for one in constraints(root, "rsc_location", "rsc_colocation", "rule") if one.get("score")]
    one = chance.choice(scored)
    one.set("score", chance.choice(SCORES))
    return f"{one.get('id')} {one.get('score')}"


def order_changed(root, chance):
    one = chance.choice(constraints(root, "rsc_order"))
    name, value = chance.choice((
        ("kind", "Optional"), ("kind", "Serialize"), ("kind", "Mandatory"), ("symmetrical", "false"), ("require-all", "false"),
    ))
    if name == "kind":
        one.attrib.pop("score", None)
    one.set(name, value)
    return f"{one.get('id')} {name}={value}"


def top_level(root):
    return [one for one in root.find("configuration/resources") if one.tag in BODIES and one.get("class") != "stonith"]


def constraint_added(root, chance):
    where, kind = root.find("configuration/constraints"), chance.choice(("location", "colocation", "order"))
    one = chance.choice(top_level(root)).get("id")
    if kind == "location":
        node = chance.choice(full_nodes(root))[0].get("uname")
        added = dict(rsc=one, node=node, score=chance.choice(SCORES))
    else:
        other = chance.choice([other.get("id") for other in top_level(root) if other.get("id") != one])
        if kind == "colocation":
            added = {"rsc": one, "with-rsc": other, "score": chance.choice(SCORES)}
        else:
            added = dict(first=one, then=other, kind=chance.choice(("Mandatory", "Optional", "Serialize")))
    ET.SubElement(where, f"rsc_{kind}", id=next(NAMES), **added)
    return f"{kind} {' '.join(added.values())}"


def capacity(root, chance):
    one = chance.choice([one for group in root.iter("utilization") for one in group])
    one.set("value", chance.choice(("0", str(int(one.get("value")) // 2), str(int(one.get("value")) * 2))))
    return f"utilization {one.get('id')} {one.get('value')}"


def options(root, chance):
    name, values = chance.choice((
        ("placement-strategy", ("default", "utilization", "minimal", "balanced")), ("fencing-enabled", ("false",)),
        ("symmetric-cluster", ("false",)), ("stop-all-resources", ("true",)), ("stop-orphan-resources", ("false",)),
        ("start-failure-is-fatal", ("false",)), ("maintenance-mode", ("true",)), ("startup-fencing", ("false",)),
        ("concurrent-fencing", ("false", "true")), ("is-managed-default", ("false",)),
    ))
    return option(root, name, chance.choice(values))


def no_quorum(root, chance):
    root.set("have-quorum", "0")
    return "no quorum, " + option(root, "no-quorum-policy", chance.choice(("stop", "freeze", "ignore", "demote")))


def ticket(root, chance):
    one = chance.choice(section(root, "status", "ticket_state"))
    name, value = chance.choice((("granted", "false"), ("granted", "true"), ("standby", "true")))
    one.set(name, value)
    return f"ticket {one.get('id')} {name}={value}"


def member_removed(root, chance):
    groups = [one for one in resources(root, "group") if len(one.findall("primitive")) > 1]
    group = chance.choice(groups)
    member = chance.choice(group.findall("primitive"))
    group.remove(member)
    drop_constraints(root, member.get("id"))
    return f"{member.get('id')} is taken out of {group.get('id')}"


def drop_constraints(root, name):
    where = root.find("configuration/constraints")
    for one in list(where):
        if name in one.attrib.values() or any(name in part.attrib.values() for part in one.iter("resource_ref")):
            where.remove(one)


def resource_removed(root, chance):
    one = chance.choice([one for one in top_level(root) if one.tag == "primitive"])
    parent_of(root, one).remove(one)
    drop_constraints(root, one.get("id"))
    return f"{one.get('id')} is not configured any more"


# Each with its weight.
ALL = (
    (node_lost, 4), (node_off, 1), (node_attribute, 4), (node_shutdown, 2), (resource_meta, 8), (clone_meta, 5), (failed_monitor, 4),
    (failed_start, 2), (failed_stop, 2), (fail_count, 2), (cleaned, 1), (constraint_deleted, 3), (constraint_score, 4),
    (order_changed, 4), (constraint_added, 6), (capacity, 3), (options, 2), (no_quorum, 2), (ticket, 2), (member_removed, 1),
    (resource_removed, 1),
)


def mutated(root, chance):
    """A copy with one or two changes, and what they are."""
    root, said = copy.deepcopy(root), []
    for _ in range(chance.choice((1, 1, 2))):
        change = chance.choices([change for change, _ in ALL], [weight for _, weight in ALL])[0]
        try:
            words = change(root, chance)
        except (IndexError, ValueError, AttributeError, TypeError):
            continue  # The CIB has nothing that could be changed so.
        said.append(words)
    return root, said
