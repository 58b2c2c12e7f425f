//! What is wrong with a configuration is told all at once, in these words.

use quorate_core::config::validate::{Report, of_members, validate};
use quorate_core::grammar::read;
use quorate_core::id::NodeId;

const UUID1: &str = "6f1d2c3a-0b4e-4c5d-8e9f-001122334455";
const UUID2: &str = "6f1d2c3a-0b4e-4c5d-8e9f-001122334456";

/// `NAME UUID DISK` becomes the definition of a domain.
fn domain(line: &str) -> Result<String, String> {
    let mut words = line.split(',');
    let mut word = || words.next().unwrap_or_default();
    Ok(format!(
        "<domain><name>{}</name><uuid>{}</uuid><devices><disk type='file'><source file='{}'/><target dev='vda'/></disk>\
         </devices></domain>",
        word(),
        word(),
        word()
    ))
}

fn report(text: &str) -> Report {
    validate(&read(text, &mut domain).expect("the grammar accepts it"))
}

#[track_caller]
fn errors(text: &str, wanted: &[&str]) {
    let errors: Vec<String> = report(text).errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, wanted, "{text}");
}

#[track_caller]
fn warnings(text: &str, wanted: &[&str]) {
    let report = report(text);
    let warnings: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
    assert_eq!((report.errors, warnings), (Vec::new(), wanted.iter().map(ToString::to_string).collect()), "{text}");
}

#[test]
fn a_right_configuration_has_no_problem() {
    warnings(
        &format!(
            "node n1\nnode n2\n\
             primitive f1 stonith:ipmi params ip=10.0.0.1 username=admin password=secret target=n1\n\
             primitive f2 stonith:fence_ipmilan params ip=10.0.0.2 username=admin password=secret pcmk_host_map=n2:1\n\
             primitive f3 stonith:redfish params ip=10.0.0.3 username=admin password=secret ssl_ca_file=/etc/bmc.pem target=n1\n\
             primitive vm1 vm:libvirt params xml=@vm1,{UUID1},/srv/vm1 meta priority=inf op stop timeout=2m on-fail=block\n\
             primitive vm2 vm:libvirt params xml=@vm2,{UUID2},/srv/vm2\n\
             location l1 vm1 100: n1\ncolocation c1 -inf: vm1 vm2\norder o1 vm1 vm2\nfencing_topology n1: f1 n2: f2\n\
             property stonith-enabled=true lost-after=5s\nrsc_defaults is-managed=yes\nop_defaults timeout=30s"
        ),
        &[],
    );
}

#[test]
fn what_may_not_change_with_a_rule_is_named() {
    const OCF: &str = "primitive r ocf:a:b op monitor interval=10s";
    warnings(&format!("{OCF} params rule #uname eq n1 ip=10.0.0.1 meta 2: rule date spec hours=8-17 priority=5"), &[]);
    warnings(
        &format!("{OCF} meta rule date lt 2030-01-01T10:00 priority=5"),
        &[
            "r: the time 2030-01-01T10:00 in its rule names no offset, and is UTC\n  hint: write 2030-01-01T10:00Z, or with an \
         offset such as 2030-01-01T10:00+02:00",
        ],
    );
    let check = |text: &str, wanted: &str| errors(text, &[wanted]);
    check(
        "primitive v vm:fake params rule #uname eq n1 a=b",
        "v: parameters with a rule or a score: what a VM is does not depend on where it runs: it may be moved there while it runs\n  \
         hint: write plain NAME=VALUE pairs",
    );
    check(
        "primitive f stonith:fake params target=n1 params 5: state=/x",
        "f: parameters with a rule or a score: a fence device is the same for whoever uses it\n  hint: write plain NAME=VALUE pairs",
    );
    check(
        &format!("{OCF} params rule date spec hours=5 ip=10.0.0.1"),
        "r: parameters with a rule on dates: what runs keeps what it was started with\n  hint: ask for attributes of nodes, such as #uname",
    );
    check(
        &format!("{OCF} params rule #uname eq n1 password=x"),
        "r: password cannot stand in a set with a rule or a score: it would be shown\n  hint: write it plainly",
    );
    check(
        &format!("{OCF} meta rule #uname eq n1 priority=5"),
        "r: meta attributes with a rule on attributes of nodes: they hold wherever it runs\n  hint: ask for dates, or write a location \
         with the rule",
    );
    check(
        "rsc_defaults rule date spec hours=5 is-managed=false",
        "rsc_defaults: is-managed cannot stand in a set with a rule or a score: what was not managed has to be looked at first, which \
         is done when that is committed\n  hint: write it plainly",
    );
    check(
        &format!("{OCF} meta rule date spec hours=5 priority=much"),
        "r: priority=much is not understood: a whole number, inf or -inf",
    );
}

#[test]
fn rules_of_defaults_ask_for_agents_and_operations() {
    const OCF: &str = "primitive r ocf:a:b op monitor interval=10s\n";
    warnings(
        &format!(
            "{OCF}rsc_defaults rule resource ocf:a: and date spec hours=8-17 priority=5\nop_defaults rule op start timeout=60s"
        ),
        &[],
    );
    let check = |text: &str, wanted: &str| errors(&format!("{OCF}{text}"), &[wanted]);
    check(
        "op_defaults rule date spec hours=5 timeout=5s",
        "op_defaults: operations with a rule on attributes of nodes or on dates: they are the same everywhere and always\n  \
         hint: ask for `resource CLASS:PROVIDER:TYPE` or `op NAME`",
    );
    check(
        "op_defaults rule op monitor interval=10s and resource ocf interval=5s",
        "op_defaults: interval cannot stand in a set with a rule or a score: it says which operation is meant\n  \
         hint: write it in the operation",
    );
    check(
        "op_defaults rule op start timeout=soon",
        "op_defaults: timeout=soon is not understood: a time above zero such as 20s or 2m",
    );
    check(
        "rsc_defaults rule op start priority=5",
        "rsc_defaults: a rule on operations: only op_defaults are about those\n  hint: write it in op_defaults",
    );
    check(
        "primitive s ocf:a:b params rule resource ocf x=5 op monitor interval=10s",
        "s: a rule on what runs it: that is known of it\n  hint: write it in rsc_defaults, or plainly",
    );
}

#[test]
fn references_lead_somewhere() {
    errors(
        "primitive vm1 vm:fake\nlocation l1 vm2 1: n1\ncolocation c1 1: vm1 vm1\norder o1 x vm1\nfencing_topology vm1 z",
        &[
            "l1: this location names 'vm2', which does not exist\n  hint: did you mean 'vm1'?",
            "c1: this colocation names 'vm1' twice\n  hint: name two resources, or delete it: `delete c1`",
            "o1: this order names 'x', which does not exist\n  hint: define it with `primitive x …`, or take the reference out",
            "fencing_topology: a level for every other node names 'vm1', which is no fence device\n  \
             hint: it is vm:fake; name a stonith: primitive",
            "fencing_topology: a level for every other node names 'z', which does not exist\n  \
             hint: define it with `primitive z …`, or take the reference out",
        ],
    );
    let config = read("primitive f stonith:fake params target=n3\nlocation l f 1: m1", &mut domain).expect("right");
    let members = ["n1", "n2", "n3"].map(NodeId::from).into();
    let unknown: Vec<String> = of_members(&config, &members).iter().map(ToString::to_string).collect();
    assert_eq!(unknown, ["l: 'm1' is no node of this cluster\n  hint: did you mean 'n1'?"]);
}

#[test]
fn fence_devices_can_do_what_they_are_there_for() {
    errors(
        "primitive f1 stonith:ipmi params ip_addr=10.0.0.1 username=a-name-that-is-long ipport=0 cipher=1\nprimitive f2 stonith:fence_ipmilan\n\
         primitive f3 stonith:external/ipmi params target=n1\n\
         primitive f4 stonith:redfish params target=n1 ip=10.0.0.1 username=a password=b auth=digest ssl_fingerprint=12 \
         ssl_insecure=yes ssl_secure=0 systems_uri=http://x/1\nfencing_topology n2: f3",
        &[
            "f1: nothing says which node this fence device is for\n  hint: `set f1.target NODE`, or pcmk_host_check=dynamic-list|status|none where it is for all",
            "f1: stonith:ipmi needs the parameter 'ip'\n  hint: `set f1.ip VALUE`",
            "f1: stonith:ipmi needs the parameter 'password'\n  hint: `set f1.password VALUE`",
            "f1: cipher is not understood: 3 or 17\n  hint: `set f1.cipher VALUE`",
            "f1: stonith:ipmi has no parameter 'ip_addr'\n  hint: did you mean 'ipaddr'?",
            "f1: ipport is not understood: a port from 1 to 65535\n  hint: `set f1.ipport VALUE`",
            "f1: username is not understood: IPMI has 16 bytes for it\n  hint: `set f1.username VALUE`",
            "f2: nothing says which node this fence device is for\n  hint: `set f2.target NODE`, or pcmk_host_check=dynamic-list|status|none where it is for all",
            "f2: stonith:fence_ipmilan needs the parameter 'ip'\n  hint: `set f2.ip VALUE`",
            "f2: stonith:fence_ipmilan needs the parameter 'username'\n  hint: `set f2.username VALUE`",
            "f2: stonith:fence_ipmilan needs the parameter 'password'\n  hint: `set f2.password VALUE`",
            "f3: there is no fence agent 'stonith:external/ipmi'\n  hint: use stonith:ipmi, stonith:redfish, or a ClusterLabs agent: stonith:fence_…",
            "f4: auth is not understood: basic or session\n  hint: `set f4.auth VALUE`",
            "f4: ssl_fingerprint is not understood: 64 hexadecimal digits\n  hint: `set f4.ssl_fingerprint VALUE`",
            "f4: stonith:redfish has no parameter 'ssl_secure'\n  hint: did you mean 'ssl_insecure'?",
            "f4: systems_uri is not understood: a path, such as /redfish/v1/Systems/1\n  hint: `set f4.systems_uri VALUE`",
            "f4: ssl_ca_file, ssl_fingerprint and ssl_insecure contradict each other\n  hint: keep one of them",
            "fencing_topology: a level for n2 names 'f3', which is not for that node\n  \
             hint: add n2 to the targets of 'f3', or take it out of the level",
        ],
    );
}

#[test]
fn one_disk() {
    let upper = UUID1.to_uppercase();
    errors(
        &format!(
            "primitive a vm:libvirt params xml=@vm1,{UUID1},/srv/vm1\n\
             primitive b vm:libvirt params xml=@vm1,{upper},/srv//vm1\n\
             primitive c vm:libvirt params xml=@vm3,{UUID2},/srv/vm3\n\
             primitive d vm:libvirt params xml='<domain>' memory=5\nprimitive e vm:libvirt"
        ),
        &[
            &format!("b: the UUID {UUID1} is that of 'a' too\n  hint: give each VM its own"),
            "b: the domain name 'vm1' is that of 'a' too\n  hint: give each VM its own",
            "b: the writable disk file:/srv/vm1 is that of 'a' too\n  \
             hint: give each VM its own, or mark it <readonly/> or <shareable/> in both where it is meant so",
            "d: vm:libvirt has no parameter 'memory'\n  hint: what the domain is like stands in its xml",
            "d: its xml is refused: the domain XML cannot be read: the root node was opened but never closed (line 1, column 1)",
            "e: vm:libvirt needs the parameter 'xml', the domain's definition\n  \
             hint: add `params xml=@FILE` with what `virsh dumpxml` prints",
        ],
    );
}

#[test]
fn names_and_values_mean_something() {
    errors(
        "property stonith-enable=true lost-after=soon suspect-after=9s\nrsc_defaults target-rol=Started\n\
         op_defaults timeout=0 intervall=5\n\
         primitive vm1 vm:fake meta priority=high utilization memory=4G op stop on-fail=ignore op strat timeout=1 \
         op monitor tiemout=5",
        &[
            "property: property lost-after=soon is not understood: a time such as 800ms, 5s or 10m",
            "property: there is no property 'stonith-enable': did you mean 'stonith-enabled'?",
            "property: suspect-after is not shorter than lost-after\n  \
             hint: a node is suspected first and lost later: raise lost-after or lower suspect-after",
            "rsc_defaults: there is no meta attribute 'target-rol': did you mean 'target-role'?",
            "op_defaults: there is no operation attribute 'intervall': did you mean 'interval'?",
            "op_defaults: timeout=0 is not understood: a time above zero such as 20s or 2m",
            "vm1: priority=high is not understood: a whole number, inf or -inf",
            "vm1: op stop on-fail=ignore is not understood: fence or block, for what did not stop may still run",
            "vm1: there is no operation 'strat': did you mean 'start'?",
            "vm1: there is no operation attribute 'op monitor tiemout': did you mean 'timeout'?",
            "vm1: utilization memory=4G is not understood: a whole number",
        ],
    );
}

#[test]
fn what_is_accepted_and_may_surprise_is_a_warning() {
    warnings(
        "node n1\nprimitive f1 stonith:fake params target=n2 pcmk_reboot_retries=5\n\
         primitive vm1 vm:fake meta critical=true op monitor interval=0 op reload timeout=60\n\
         location l1 f1 -inf: n2\nproperty cluster-name=x no-quorum-policy=ignore",
        &[
            "property: property cluster-name=x has no effect in this version",
            "property: a minority never starts anything here, whatever no-quorum-policy says\n  \
             hint: set no-quorum-policy=freeze, or leave it out",
            "vm1: critical=true has no effect in this version",
            "vm1: op monitor interval=0 has no effect in this version",
            "vm1: op reload has no effect in this version",
            "l1: this location names the fence device 'f1', which is used and never started\n  hint: it has no effect: `delete l1`",
            "f1: pcmk_reboot_retries has no effect\n  hint: did you mean 'pcmk_off_retries'?",
            "n1: no fence device is for this node, so it gets no resources\n  \
             hint: add one: `primitive fence-n1 stonith:ipmi params target=n1 …`",
        ],
    );
}

#[test]
fn contradictions_name_both_sides() {
    let vms = "primitive a vm:fake\nprimitive b vm:fake\nprimitive c vm:fake\nprimitive d vm:fake\n";
    errors(
        &format!(
            "{vms}order o1 a b\norder o2 b c\norder o3 Optional: c a\norder o4 c d\norder o5 Serialize: d c\norder o6 Serialize: a b symmetrical=true"
        ),
        &[
            "o1: these orders form a loop: 'o1' a then b, 'o2' b then c, 'o3' c then a\n  hint: delete one of them",
            "o6: a Serialize order has no reverse and cannot be symmetrical\n  hint: `set o6.symmetrical false`",
        ],
    );
    errors(
        &format!("{vms}order o1 [ a b ] c\norder o2 c a\norder o3 d b\norder o4 [ a c ] d"),
        &[
            "o1: this order is part of a loop: c starts after one of a, b, and each of these waits for it\n  hint: delete one of the orders",
            "o4: this order is part of a loop: d starts after one of a, c, and each of these waits for it\n  hint: delete one of the orders",
        ],
    );
    errors(&format!("{vms}order o1 [ a b ] c\norder o2 c a"), &[]);
    // An order binds backwards, too.
    errors(
        &format!("{vms}order o1 a b\norder o2 b c\norder o3 a:stop c:stop"),
        &[
            "o1: these orders form a loop, for what starts last stops first: 'o1' a then b, 'o2' b then c, 'o3' a:stop then c:stop\n  hint: delete one of them",
        ],
    );
    errors(
        &format!(
            "{vms}order o1 a b\norder o2 b:stop a:stop\norder o3 c d symmetrical=false\norder o4 c:stop d:stop symmetrical=false"
        ),
        &[],
    );
    errors(
        &format!("{vms}colocation c1 inf: a b\ncolocation c2 -inf: b a\ncolocation c3 -50: a b"),
        &["c2: it keeps b and a apart, and 'c1' puts them together\n  hint: delete one of the two"],
    );
    warnings(
        &format!(
            "{vms}colocation c1 inf: a b\ncolocation c2 inf: c b\ncolocation c3 -inf: a c\nlocation l1 d inf: n1\nlocation l2 d -inf: n1\n\
             primitive e vm:fake\nprimitive f vm:fake\nprimitive g vm:fake\ncolocation s inf: e f g\ncolocation t -inf: e g"
        ),
        &[
            "c3: it keeps a and c apart, and 'c1', 'c2' put them together\n  \
             hint: not all of these resources can run at once: delete one of the constraints",
            "t: it keeps e and g apart, and 's' put them together\n  \
             hint: not all of these resources can run at once: delete one of the constraints",
            "l1: it wants d on n1, and 'l2' forbids it, which wins\n  hint: delete one of the two",
        ],
    );
}

#[test]
fn roles_are_of_what_has_them() {
    const CLONE: &str = "primitive db ocf:a:b op monitor interval=10s\nprimitive ip ocf:a:b op monitor interval=10s\nclone dbs db meta promotable=true\n";
    let with = |text: &str| format!("{CLONE}{text}");
    let leave = "\n  hint: leave the role out, or: `clone ID ip meta promotable=true`";
    let no_clone = "which is no promotable clone";
    errors(
        &with("colocation c inf: db:Master ip:Slave"),
        &[&format!("c: it names the role Unpromoted of ip, {no_clone}{leave}")],
    );
    errors(
        &with("location l ip rule $role=Promoted 1: defined x"),
        &[&format!("l: it names the role Promoted of ip, {no_clone}{leave}")],
    );
    errors(
        &with("order o dbs:promote ip"),
        &[&format!(
            "o: it names the action promote of ip, {no_clone}\n  hint: what is named without an action is meant to do \
             the same as the first: write ip:start"
        )],
    );
    errors(
        &with("order o1 ip:start dbs:start\norder o2 dbs:promote ip:start"),
        &["o1: these orders form a loop: 'o1' ip then dbs, 'o2' dbs:promote then ip\n  hint: delete one of them"],
    );
    errors(&with("order o1 ip:stop dbs:demote\norder o2 dbs:promote ip:start"), &[]);
    // With the one and apart from the others is how one of them is told.
    errors(&with("colocation c inf: ip dbs:Promoted\ncolocation d -inf: ip dbs:Unpromoted"), &[]);
    errors(
        &with("colocation c inf: ip dbs:Promoted\ncolocation d -inf: ip dbs"),
        &["d: it keeps ip and dbs apart, and 'c' puts them together\n  hint: delete one of the two"],
    );
    errors(
        &with("primitive b ocf:a:b op monitor interval=10s\norder o [ ip b ] dbs:promote"),
        &[
            "o: any one of a set suffices for starts alone: it orders other actions\n  hint: write ( … ): all of them are needed",
        ],
    );
    warnings(
        &with("order o dbs:demote ip:stop"),
        &["o: it only says what comes first where both act: ip goes on if there is no demote of dbs"],
    );
    warnings(
        &with("location l db role=Unpromoted 5: n1"),
        &["l: a location of the role Unpromoted has no effect: what is not promoted has it\n  hint: write it for \
           role=Promoted with the opposite score, or without a role"],
    );
}

#[test]
fn what_can_run_nowhere_is_named_with_all_that_forbids_it() {
    let members = ["n1", "n2"].map(NodeId::from).into();
    let vms = "primitive a vm:fake\nprimitive b vm:fake\n";
    let check = |text: &str, wanted: &[&str]| {
        let config = read(&format!("{vms}{text}"), &mut domain).expect("the grammar accepts it");
        let problems: Vec<String> = of_members(&config, &members).iter().map(ToString::to_string).collect();
        assert_eq!(problems, wanted, "{text}");
    };
    check(
        "colocation c inf: b a\nlocation l1 a -inf: n1\nlocation l2 b -inf: n2",
        &["c: b must run with a, and no node is left for both: 'l1' forbids a on n1, 'l2' forbids b on n2\n  \
           hint: delete one of these constraints"],
    );
    check(
        "primitive d vm:fake\ncolocation c1 inf: b a\ncolocation c2 inf: a d\nlocation l1 b -inf: n1\nlocation l2 d -inf: n2",
        &["c1: a, b, d must run together, and no node is left for all: 'l1' forbids b on n1, 'l2' forbids d on n2\n  \
           hint: delete one of these constraints"],
    );
    check(
        "colocation c inf: b a\nlocation l1 a -inf: n1\nlocation l2 a -inf: n2",
        &["l1: a can run nowhere: 'l1' forbids a on n1, 'l2' forbids a on n2\n  hint: delete one of them"],
    );
    check(
        "location l1 a rule -inf: #uname ne n1\nlocation l2 a -inf: n1",
        &["l2: a can run nowhere: 'l2' forbids a on n1, 'l1' forbids a on n2\n  hint: delete one of them"],
    );
    check("location l1 a rule -inf: #uname ne n1 or defined broken\nlocation l2 a rule -inf: not_defined rack", &[]);
    check("colocation c 50: b a\nlocation l1 a -inf: n1\nlocation l2 b -inf: n2", &[]);
    check(
        "primitive f1 stonith:fake params target=n1\nprimitive f2 stonith:fake params target=n2\nnode n1 attributes rack=1\n\
         fencing_topology f1 n1: f1 attr:rack=1 f1 pattern:^n f1",
        &[
            "fencing_topology: the levels for attr:rack=1 are for no node of this cluster\n  \
           hint: of several rows that fit a node its own counts, then the first that `configure show` lists",
            "fencing_topology: n2 has the levels for pattern:^n, and 'f1' in them is not for that node\n  \
           hint: add n2 to the targets of 'f1', or give n2 levels of its own",
        ],
    );
    check("colocation c inf: b a\nlocation l1 a -inf: n1\nlocation l2 b -100: n2", &[]);
}

#[test]
fn what_is_said_of_ocf_resources_and_of_waivers() {
    warnings("primitive ip ocf:heartbeat:IPaddr2 op monitor interval=10s", &[]);
    warnings(
        "primitive ip IPaddr2",
        &["ip: nobody watches whether it works: it has no recurring monitor\n  hint: add `op monitor interval=10s`"],
    );
    warnings(
        "primitive ip IPaddr2 meta requires=nothing op monitor interval=10s",
        &["ip: it may run twice: with requires=quorum or nothing it does not wait until a lost node is proven off\n  \
           hint: leave requires out, unless two of it at once do no harm"],
    );
    warnings(
        "primitive vm1 vm:fake meta requires=quorum",
        &[
            "vm1: requires has no effect: a VM never starts before a node that may run it is proven off\n  hint: leave it \
           out",
        ],
    );
}

#[test]
fn tickets_that_come_to_something_else_are_told() {
    let dummy = "primitive a ocf:heartbeat:Dummy op monitor interval=10s\n";
    errors(
        &format!("{dummy}rsc_ticket t east: a:Promoted b\n"),
        &[
            "t: this rsc_ticket names 'b', which does not exist\n  hint: did you mean 'a'?",
            "t: it names the role Promoted of a, which is no promotable clone\n  hint: leave the role out, or: `clone ID a meta promotable=true`",
        ],
    );
    let fence = "loss-policy=fence only stops what it names, for fencing is disabled";
    warnings(
        &format!(
            "{dummy}property stonith-enabled=false\nrsc_ticket t east: a loss-policy=demote\nrsc_ticket u east: a loss-policy=fence\n"
        ),
        &[
            "property: with stonith-enabled=false the VMs of a lost node wait for a person\n  hint: configure fence devices and set stonith-enabled=true",
            "t: loss-policy=demote stops what it names without the role Promoted\n  hint: write RSC:Promoted, or loss-policy=stop",
            &format!("u: {fence}\n  hint: property stonith-enabled=true, or loss-policy=stop"),
        ],
    );
}

#[test]
fn a_score_where_nothing_is_looked_for_is_told() {
    let dummy = "primitive a ocf:heartbeat:Dummy op monitor interval=10s\n";
    let what = "l: its score 5 has no effect: where something is never looked for it is not started\n  hint: write -inf, or leave resource-discovery out";
    warnings(&format!("{dummy}location l a resource-discovery=never 5: n1\n"), &[what]);
    warnings(&format!("{dummy}location l a resource-discovery=never -inf: n1\n"), &[]);
}
