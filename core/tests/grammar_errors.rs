//! What is refused, and in which words.

use quorate_core::grammar::parse;

/// Each error on lines of its own.
fn refused(text: &str) -> String {
    let mut files = |name: &str| match name {
        "vm1.xml" => Ok("<domain/>".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    match parse(text, &mut files) {
        Ok(statements) => format!("accepted: {statements:?}"),
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[track_caller]
fn check(text: &str, wanted: &str) {
    assert_eq!(refused(text), wanted, "{text}");
}

#[test]
fn words_that_are_wrong() {
    check(
        "primitve vm1 vm:fake",
        "line 1, column 1: 'primitve' does not begin a statement\n  hint: did you mean 'primitive'?",
    );
    check(
        "primitive",
        "line 1, column 1: the primitive's id is missing after 'primitive'\n  hint: write primitive ID (CLASS:[PROVIDER:]TYPE|@TEMPLATE) \
         [params NAME=VALUE…] [meta NAME=VALUE…] [utilization NAME=NUMBER…] [op NAME NAME=VALUE…]…",
    );
    check(
        "location l1 vm1 inf:n1",
        "line 1, column 17: 'inf:n1' is no score with a colon and a blank after it\n  hint: write location ID WHO SCORE: NODE, or location ID WHO rule SCORE: EXPRESSION…, where WHO is RSC, GROUP, TAG, /PATTERN/ or { RSC… }",
    );
    check(
        "location l1 vm1 many: n1",
        "line 1, column 17: 'many' is no score\n  hint: write a whole number, inf or -inf, then a colon",
    );
    check(
        "location l1 vm1 100: n1 n2",
        "line 1, column 25: 'n2' is not expected here\n  hint: write location ID WHO SCORE: NODE, or location ID WHO rule SCORE: EXPRESSION…, where WHO is RSC, GROUP, TAG, /PATTERN/ or { RSC… }",
    );
    check(
        "node n1 # the first",
        "line 1, column 9: '#' is not expected here\n  hint: a comment has a line of its own that begins with #",
    );
    check(
        "primitive v*1 vm:fake",
        "line 1, column 11: 'v*1' cannot be an id\n  hint: ids are made of letters, digits, '-', '_' and '.', \
         and begin with a letter, a digit or '_'",
    );
    check(
        "primitive property vm:fake",
        "line 1, column 11: 'property' cannot be an id\n  hint: it is the name of an object there is one of; choose another",
    );
    check(
        "order o1 Compulsory: a b",
        "line 1, column 10: 'Compulsory' is no kind of order\n  hint: write Mandatory:, Optional: or Serialize:",
    );
    check(
        "fencing_topology n1: f1 n1: f2",
        "line 1, column 25: 'n1' is given twice\n  hint: write all its levels after one of them",
    );
    check(
        "fencing_topology attr:rack f1",
        "line 1, column 18: 'attr:rack' names no attribute\n  hint: write attr:NAME=VALUE, such as attr:rack=1",
    );
    check(
        "fencing_topology pattern: f1",
        "line 1, column 18: '' is no regular expression: it is empty\n  hint: write one such as pattern:^rack1-",
    );
    check(
        "fencing_topology attr:rack=1 pattern:n f1",
        "line 1, column 18: 'attr:rack=1' has no level\n  hint: write fencing_topology [LEVEL…] [NODE:|attr:NAME=VALUE|pattern:REGEX LEVEL…]…, \
         where a LEVEL is DEVICE[,DEVICE…]",
    );
    check(
        "fencing_topology n1:",
        "line 1, column 18: 'n1:' has no level\n  hint: write fencing_topology [LEVEL…] [NODE:|attr:NAME=VALUE|pattern:REGEX LEVEL…]…, \
         where a LEVEL is DEVICE[,DEVICE…]",
    );
    check(
        "set vm1 2",
        "line 1, column 5: 'vm1' is not of the form ID.NAME\n  hint: write set ID.[OP.][INTERVAL.]NAME VALUE",
    );
    check("delete --force", "line 1, column 8: an id is missing after '--force'\n  hint: write delete ID… [--force]");
}

#[test]
fn attributes_that_are_wrong() {
    check("property a=1 a=2", "line 1, column 14: a is given twice\n  hint: keep one");
    check(
        "property lost-after = 5s",
        "line 1, column 10: 'lost-after' is not expected here\n  hint: write property NAME=VALUE…",
    );
    check(
        "property lost-after= 5s",
        "line 1, column 10: lost-after has no value\n  hint: write lost-after=VALUE without blanks around the =, \
         or lost-after=\"\" for an empty one",
    );
    check(
        "property =5s",
        "line 1, column 10: '' cannot be the name of an attribute\n  hint: write NAME=VALUE without blanks around the =",
    );
    check(
        "primitive vm1 vm:libvirt params xml=@vm2.xml",
        "line 1, column 33: '@vm2.xml' cannot be read: no such file\n  hint: name a file that holds the domain's XML, \
         as `virsh dumpxml` prints it",
    );
    check(
        "primitive vm1 vm:libvirt \\\n\tparams xml=\"<domain type=\"kvm'>\"\nnode n1",
        "line 2, column 31: the quote ' is never closed\n  hint: close it, or put a value that holds quotes into quotes \
         of the other kind",
    );
}

#[test]
fn what_is_not_there_yet_is_named() {
    let plain = "\n  hint: write plain NAME=VALUE pairs";
    let agents = "\n  hint: this version has vm:libvirt, ocf:PROVIDER:TYPE, systemd:UNIT, stonith:ipmi, stonith:redfish and stonith:fence_AGENT";
    let not_yet = |text: &str, column: u32, what: &str, hint: &str| {
        check(text, &format!("line 1, column {column}: {what} not supported yet{hint}"));
    };
    let objects = "\n  hint: this version knows node, primitive, rsc_template, group, clone, ms, tag, location, colocation, order, rsc_ticket, fencing_topology, \
                   property, rsc_defaults, op_defaults";
    for keyword in ["bundle", "alert", "acl_target", "role"] {
        not_yet(&format!("{keyword} x y"), 1, &format!("'{keyword}' is"), objects);
    }
    not_yet("primitive s nagios:check_http", 13, "agent class 'nagios' is", agents);
    check(
        "primitive s lsb:nginx",
        "line 1, column 13: 'lsb:nginx': init scripts are not run\n  hint: write a unit for it, and systemd:nginx; \
         the one that systemd makes of a script is called running when it is not",
    );
    not_yet("group g a meta rule date spec hours=1 priority=5", 16, "rules are", plain);
    not_yet("node n1 attributes 10: rule date spec hours=1 a=b", 20, "attribute sets with a score are", plain);
    not_yet("property 10: rule #uname eq n1 a=b", 14, "rules are", plain);
    not_yet("primitive vm1 vm:fake params $id-ref=p", 30, "attribute sets that refer to others are", plain);
    not_yet(
        "primitive vm1 vm:fake op monitor op_params a=b",
        34,
        "'op_params' is",
        "\n  hint: op lines take interval, timeout, on-fail and enabled",
    );
    not_yet(
        "location l vm1 resource-discovery=never rule inf: #uname eq n1",
        16,
        "'resource-discovery' with a rule is",
        "\n  hint: write one location for each node: resource-discovery=never -inf: NODE",
    );
    not_yet("group g a params x=1", 11, "parameters of groups are", "\n  hint: give each member its own");
    not_yet("node n1:remote", 6, "nodes of the kind 'remote' are", "\n  hint: leave the kind out for a member");
}

#[test]
fn roles_and_actions_have_names() {
    let role = "'Leader' is no role\n  hint: write Promoted, Unpromoted or Started";
    check("location l db role=Leader inf: n1", &format!("line 1, column 15: {role}"));
    check("location l db rule $role=Leader inf: defined x", &format!("line 1, column 20: {role}"));
    check("colocation c inf: a b:Leader", &format!("line 1, column 21: {role}"));
    let task = "'monitor' is no action of an order\n  hint: write start, stop, promote or demote";
    check("order o a:monitor b", &format!("line 1, column 9: {task}"));
    check(
        "colocation c inf: ( a:Promoted b ) c",
        "line 1, column 32: a set in brackets is of one role, or of one action\n  hint: write brackets for each",
    );
}

#[test]
fn every_statement_that_is_wrong_is_named_at_once() {
    check(
        "node n1\n\nlocation l1 vm1\n# fine\ncolocation c1 inf: a\nnode n2\nprimitive vm1 vm:fake \\\n  meta x",
        "line 3, column 13: a score, such as 100: or inf:, is missing after 'vm1'\n  hint: write location ID WHO SCORE: NODE, or location ID WHO rule SCORE: EXPRESSION…, where WHO is RSC, GROUP, TAG, /PATTERN/ or { RSC… }\n\
         line 5, column 20: the resource it follows is missing after 'a'\n  hint: write colocation ID SCORE: RSC WITH-RSC, or colocation ID SCORE: RSC… ( RSC… )…\n\
         line 8, column 8: 'x' is not expected here\n  hint: write primitive ID (CLASS:[PROVIDER:]TYPE|@TEMPLATE) [params NAME=VALUE…] \
         [meta NAME=VALUE…] [utilization NAME=NUMBER…] [op NAME NAME=VALUE…]…",
    );
}

#[test]
fn sets_patterns_and_rules_that_are_wrong() {
    check(
        "location l /vm inf: n1",
        "line 1, column 12: the pattern '/vm' has no / at its end\n  hint: write /PATTERN/, in quotes where it holds blanks",
    );
    assert!(refused("location l /(/ inf: n1").starts_with("line 1, column 12: '(' is no regular expression: "));
    check(
        "location l vm1 rule 5: rack is 3",
        "line 1, column 29: 'is' is no comparison\n  hint: write eq, ne, lt, gt, lte or gte, with string:, number: or version: \
         before it where it matters",
    );
    check(
        "location l vm1 rule 5: a eq 1 and b eq 2 or defined c",
        "line 1, column 42: a rule joins its tests by 'and' or by 'or', not by both\n  hint: write two rules: where both hold, \
         their scores add up",
    );
    const DATE: &str = "\n  hint: write date lt TIME, date gt TIME, date in start=TIME end=TIME, date in start=TIME hours=8, \
                        or date spec hours=9-16 weekdays=1-5; a TIME is 2026-11-22T18:00Z";
    for (text, error) in [
        ("location l a rule 5: date lt soon", "line 1, column 22: 'soon' is no time"),
        ("location l a rule 5: date before 2030-01-01", "line 1, column 27: 'before' is no question to a date"),
        (
            "location l a rule 5: date in end=2030-01-01 hours=2",
            "line 1, column 22: the range has an end, and says how long it lasts too",
        ),
        ("location l a rule 5: date spec", "line 1, column 22: it names no field"),
        (
            "location l a rule 5: date spec hours=17-9",
            "line 1, column 22: hours=17-9: a number or a range such as 9-16 is wanted",
        ),
    ] {
        check(text, &format!("{error}{DATE}"));
    }
    for text in [
        "order o a ( b",
        "order o a ( )",
        "location l { } inf: n1",
        "location l { a",
        "group g",
        "tag t",
        "tag t:",
        "modgroup g put a",
        "modgroup g add a beside b",
        "modgroup g remove a b",
        "monitor a",
        "monitor a 0",
        "monitor a 5s:x",
        "monitor a:Promoted 5s",
        "location l vm1 rule",
        "location l vm1 rule inf:",
        "rsc_template t @u",
    ] {
        let errors = refused(text);
        assert!(errors.starts_with("line 1, column ") && errors.contains("\n  hint: "), "{text}: {errors}");
    }
}
