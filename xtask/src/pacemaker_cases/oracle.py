"""What Pacemaker's own crm_simulate makes of a CIB, in the form of a case's expected outcome."""
import collections, os, re, subprocess, tempfile
import xml.etree.ElementTree as ET

TOOL = "crm_simulate"
# What the cases call otherwise than the release that is asked.
OLDER = {"fencing-enabled": "stonith-enabled", "fencing-action": "stonith-action", "fencing-timeout": "stonith-timeout"}
CORE = {"start", "stop", "promote", "demote", "migrate_to", "migrate_from", "reload", "reload-agent"}


class Refused(Exception):
    """The tool has no answer."""


def base(name):
    """Without the number of an instance."""
    return re.sub(r":\d+$", "", name)


def placement(status):
    """Where each primitive is, and in which role."""
    places, roles = {}, {}
    for resource in status.iter("resource"):
        here, its = places.setdefault(resource.get("id"), []), roles.setdefault(resource.get("id"), {})
        for node in resource.findall("node"):
            here.append(node.get("name"))
            its[node.get("name")] = resource.get("role").replace("Stopped", "Started")
    return places, roles


def word(action):
    """`start vm1 n1`, `fence  n1`; None for what is not compared."""
    task, node, primitive = action.get("operation"), action.get("on_node") or "", action.find("primitive")
    if action.tag == "crm_event":
        return f"fence  {node}" if task == "stonith" else None
    return f"{task} {primitive.get('id')} {node}" if task in CORE and primitive is not None else None


def steps(graph):
    """What is compared, and every pair of it with nothing that is compared between them."""
    words, after = {}, collections.defaultdict(set)
    for synapse in graph.iter("synapse"):
        for action in synapse.find("action_set"):
            words[action.get("id")] = word(action)
            for first in synapse.findall("inputs/trigger/*"):
                after[first.get("id")].add(action.get("id"))
    pairs = set()
    for begin in (name for name in words if words[name]):
        seen, todo = set(), [begin]
        while todo:
            for then in after[todo.pop()] - seen:
                seen.add(then)
                if not words.get(then):
                    todo.append(then)
        pairs |= {(words[begin], words[then]) for then in seen if words.get(then)}
    folded = {" ".join([task, base(name), *node]) for task, name, *node in (w.split(" ") for w in words.values() if w)}
    return sorted(folded), sorted(list(pair) for pair in pairs if pair[0] != pair[1])


def outcome(root, args):
    """Asks the tool to plan, and to carry that out in memory."""
    root = ET.fromstring(ET.tostring(root))
    for pair in root.iter("nvpair"):
        if pair.get("name") in OLDER:
            pair.set("name", OLDER[pair.get("name")])
    with tempfile.TemporaryDirectory() as there:
        cib, graph = os.path.join(there, "cib.xml"), os.path.join(there, "graph.xml")
        ET.ElementTree(root).write(cib)
        command = [TOOL, "--xml-file", cib, "--simulate", "--output-as=xml", "--save-graph", graph, *args]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=20)
            answer, planned = ET.fromstring(said.stdout), ET.parse(graph).getroot()
        except (subprocess.TimeoutExpired, ET.ParseError, OSError) as error:
            raise Refused(str(error)) from error
    if said.returncode or answer.find("revised_cluster_status") is None or "invalid transition" in said.stdout + said.stderr:
        raise Refused(said.stderr.strip()[-200:])
    actions, order = steps(planned)
    before, _ = placement(answer.find("cluster_status"))
    then, roles = placement(answer.find("revised_cluster_status"))
    fenced = sorted(w.split(" ")[2] for w in actions if w.startswith("fence "))
    return {
        "initial_placement": before, "final_placement": then, "roles": roles,
        "core_actions": actions, "order": order, "fenced": fenced,
    }


def agree(one, other):
    """Whether two outcomes are the same, instances and order of lists aside."""
    def shape(outcome):
        def fold(places, role):
            return collections.Counter((base(name), str(role(node, at))) for name, at in places.items() for node in at)
        return (
            fold(outcome["initial_placement"], lambda node, _: node), fold(outcome["final_placement"], lambda node, _: node),
            fold(outcome["roles"], lambda node, at: (node, at[node])), collections.Counter(outcome["core_actions"]),
            {tuple(pair) for pair in outcome["order"]}, set(outcome["fenced"]),
        )
    return shape(one) == shape(other)
