//! What people write, what becomes of it, and how it is printed.

use quorate_core::config::Config;
use quorate_core::grammar::{Mode, apply_statements, diff, parse, print, print_object, read};

fn files(name: &str) -> Result<String, String> {
    match name {
        "vm1.xml" => Ok("<domain type='kvm'>\n  <name>vm1</name>\n</domain>\n".to_owned()),
        "both.xml" => Ok("<a b='c' d=\"e\"/>".to_owned()),
        _ => Err("no such file".to_owned()),
    }
}

const BASE: &str = "\
node n1
primitive f1 stonith:fake params target=n1
primitive vm1 vm:fake meta priority=5 op monitor interval=10s
primitive vm2 vm:fake
fencing_topology n1: f1
location l1 vm1 100: n1
order o1 vm1 vm2
property lost-after=5s
";

fn base() -> Config {
    read(BASE, &mut files).expect("the base of these tests is right")
}

fn edit(text: &str, mode: Mode) -> Result<Config, String> {
    let mut config = base();
    let told = |errors: &dyn std::fmt::Display| errors.to_string();
    let statements = parse(text, &mut files).map_err(|errors| told(&errors[0]))?;
    apply_statements(&mut config, statements, mode)
        .map_err(|errors| errors.iter().map(|error| told(error)).collect::<Vec<_>>().join("\n"))?;
    Ok(config)
}

/// The lines that an edit changes.
#[track_caller]
fn changes(text: &str, wanted: &str) {
    let config = edit(text, Mode::Add).expect("an edit that is allowed");
    assert_eq!(diff(&base(), &config), wanted, "{text}");
}

#[track_caller]
fn refused(text: &str, mode: Mode, wanted: &str) {
    assert_eq!(edit(text, mode).map(|config| print(&config)), Err(wanted.to_owned()), "{text}");
}

#[test]
fn a_configuration_is_printed_as_crmsh_prints_it() {
    let text = "\
# comments are not kept
order o2 0: vm1:start vm2:start
order o3 Serialize: vm1 vm2
node 1: n1:member attributes rack=\"a b\" utilization memory=4096
primitive vm1 vm:libvirt \\
  # not even here
  xml=@vm1.xml meta target-role=Started \\
  op start timeout=60 op monitor interval=10s timeout=20s
primitive vm2 vm:libvirt params xml=@both.xml
primitive f1 stonith:ipmi params password='pass\"word' ip=10.0.0.1 note=\"\"
colocation c1 -INFINITY: vm1 vm2:Started
location l1 vm1 +inf: n1
fencing_topology f1 f2,f3 n1: f1 f2
property cib-bootstrap-options: stonith-enabled=true lost-after=5s
rsc_defaults rsc-options: resource-stickiness=100
";
    let printed = "\
node n1 \\
\tattributes rack=\"a b\" \\
\tutilization memory=4096
primitive f1 stonith:ipmi \\
\tparams ip=10.0.0.1 note=\"\" password='pass\"word'
primitive vm1 vm:libvirt \\
\tparams xml=\"<domain type='kvm'>
  <name>vm1</name>
</domain>
\" \\
\tmeta target-role=Started \\
\top start timeout=60 \\
\top monitor interval=10s timeout=20s
primitive vm2 vm:libvirt \\
\tparams xml=\"<a b='c' d=\\\"e\\\"/>\"
fencing_topology \\
\tf1 f2,f3 \\
\tn1: f1 f2
location l1 vm1 inf: n1
colocation c1 -inf: vm1 vm2
order o2 Optional: vm1 vm2
order o3 Serialize: vm1 vm2
property \\
\tlost-after=5s \\
\tstonith-enabled=true
rsc_defaults \\
\tresource-stickiness=100
";
    let config = read(text, &mut files).expect("a configuration that is right");
    assert_eq!(print(&config), printed);
    let service = read("primitive web service:nginx", &mut files).expect("a unit is meant");
    assert_eq!(print(&service), "primitive web systemd:nginx\n");
    assert_eq!(read(printed, &mut files), Ok(config.clone()));
    assert_eq!(print_object(&config, "l1").as_deref(), Some("location l1 vm1 inf: n1\n"));
    assert_eq!(print_object(&config, "rsc_defaults").as_deref(), Some("rsc_defaults \\\n\tresource-stickiness=100\n"));
    assert_eq!(print_object(&config, "vm3"), None);
}

#[test]
fn edits_change_what_they_say() {
    changes("set vm1.priority 7", "  primitive vm1 vm:fake\n- \tmeta priority=5\n+ \tmeta priority=7\n");
    changes("set vm2.target-role Stopped", "  primitive vm2 vm:fake\n+ \tmeta target-role=Stopped\n");
    changes("set vm2.xml @both.xml", "  primitive vm2 vm:fake\n+ \tparams xml=\"<a b='c' d=\\\"e\\\"/>\"\n");
    changes("set vm2.stop.timeout 2m", "  primitive vm2 vm:fake\n+ \top stop timeout=2m\n");
    changes(
        "set vm1.monitor.10.timeout 9s",
        "  primitive vm1 vm:fake\n- \top monitor interval=10s\n+ \top monitor interval=10s timeout=9s\n",
    );
    changes("set property.lost-after 9s", "  property\n- \tlost-after=5s\n+ \tlost-after=9s\n");
    changes("set rsc_defaults.priority 1", "+ rsc_defaults \\\n+ \tpriority=1\n");
    changes("set l1.score -inf", "- location l1 vm1 100: n1\n+ location l1 vm1 -inf: n1\n");
    changes("set o1.kind Serialize", "- order o1 Mandatory: vm1 vm2\n+ order o1 Serialize: vm1 vm2\n");
    changes("set l1.role Master", "- location l1 vm1 100: n1\n+ location l1 vm1 role=Promoted 100: n1\n");
    changes(
        "set o1.first-action promote",
        "- order o1 Mandatory: vm1 vm2\n+ order o1 Mandatory: vm1:promote vm2:start\n",
    );
    changes("delete property.lost-after", "- property \\\n- \tlost-after=5s\n");
    changes("delete vm1.priority", "  primitive vm1 vm:fake\n- \tmeta priority=5\n");
    changes("delete o1", "- order o1 Mandatory: vm1 vm2\n");
    changes("delete vm2 o1", "- primitive vm2 vm:fake\n- order o1 Mandatory: vm1 vm2\n");
    changes("delete --force vm2", "- primitive vm2 vm:fake\n- order o1 Mandatory: vm1 vm2\n");
    changes(
        "delete f1 --force",
        "- primitive f1 stonith:fake \\\n- \tparams target=n1\n- fencing_topology \\\n- \tn1: f1\n",
    );
    changes(
        "rename vm2 web",
        "- primitive vm2 vm:fake\n+ primitive web vm:fake\n- order o1 Mandatory: vm1 vm2\n+ order o1 Mandatory: vm1 web\n",
    );
    changes("rename l1 l2", "- location l1 vm1 100: n1\n+ location l2 vm1 100: n1\n");
    changes("property lost-after=7s", "  property\n- \tlost-after=5s\n+ \tlost-after=7s\n");
}

#[test]
fn edits_that_do_not_fit_are_refused() {
    let add = |text: &str, wanted: &str| refused(text, Mode::Add, wanted);
    add(
        "primitive vm1 vm:fake",
        "line 1: primitive 'vm1' exists already\n  hint: change it with `set vm1.NAME VALUE` or `load update`, or delete it first",
    );
    add("location vm1 vm2 1: n1", "line 1: 'vm1' is a primitive already\n  hint: choose another id");
    add(
        "node n2\nnode n3\nnode n2",
        "line 3: 'n2' was defined on line 1 already\n  hint: keep one, or choose another id",
    );
    add(
        "delete vm1",
        "line 1: 'vm1' is used by location 'l1', order 'o1'\n  hint: delete these first, or with it: `delete --force vm1`",
    );
    add(
        "delete f1\ndelete vm3",
        "line 1: 'f1' is used by fencing_topology\n  hint: delete these first, or with it: `delete --force f1`\n\
         line 2: there is no 'vm3'\n  hint: did you mean 'vm1'?",
    );
    add("delete vm1.target", "line 1: 'vm1' has no target\n  hint: `show vm1` lists what it has");
    add(
        "set l1.priority 1",
        "line 1: a location has no priority\n  hint: it has score, node, rsc, role and resource-discovery",
    );
    add("set l1.score much", "line 1: 'much' is no score\n  hint: write a whole number, inf or -inf");
    add(
        "set vm1.monitor.5s.timeout 1",
        "line 1: 'vm1' has no op monitor with interval 5s\n  hint: `show vm1` lists what it has",
    );
    add("rename vm1 vm2", "line 1: 'vm2' is a primitive already\n  hint: choose another id");
    add(
        "rename n1 n2",
        "line 1: 'n1' is a node, and a node's name is the one it joined with\n  hint: remove the node and join it under \
         the other name",
    );
    refused(
        "primitive vm1 vm:fake\nprimitive vm1 vm:libvirt",
        Mode::Update,
        "line 2: 'vm1' was defined on line 1 already\n  hint: keep one, or choose another id",
    );
}

#[test]
fn modes_differ_in_what_becomes_of_the_rest() {
    let text = "primitive vm1 vm:fake meta priority=9";
    let updated = edit(text, Mode::Update).expect("an update");
    assert_eq!(
        diff(&base(), &updated),
        "  primitive vm1 vm:fake\n- \tmeta priority=5\n- \top monitor interval=10s\n+ \tmeta priority=9\n"
    );
    let replaced = edit(text, Mode::Replace).expect("a replacement");
    assert_eq!(print(&replaced), "primitive vm1 vm:fake \\\n\tmeta priority=9\n");
}
