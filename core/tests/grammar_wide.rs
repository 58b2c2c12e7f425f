//! Templates, groups, tags, sets, patterns and rules: what they come to, and how they are changed.

use quorate_core::config::Config;
use quorate_core::config::validate::validate;
use quorate_core::grammar::{Mode, apply_statements, diff, parse, print, read};
use quorate_core::time::Timestamp;

fn no_files(name: &str) -> Result<String, String> {
    Err(format!("nothing should ask for {name}"))
}

fn config(text: &str) -> Config {
    read(text, &mut no_files).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn change(config: &mut Config, text: &str) -> Result<(), String> {
    let statements = parse(text, &mut no_files).map_err(|errors| format!("{errors:?}"))?;
    let done = apply_statements(config, statements, Mode::Update);
    done.map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// The plain constraints that were made, in words.
fn made(config: &Config) -> Vec<String> {
    let is_made = |id: &&String| id.contains('/');
    let locations = config.locations.iter().filter(|(id, _)| is_made(id));
    let locations = locations.map(|(id, it)| format!("{id} {} {}: {}", it.resource, it.score, it.node));
    let colocations = config.colocations.iter().filter(|(id, _)| is_made(id));
    let colocations = colocations.map(|(id, it)| format!("{id} {}: {} with {}", it.score, it.resource, it.with));
    let orders = config.orders.iter().filter(|(id, _)| is_made(id));
    let orders = orders.map(|(id, it)| {
        let any = if it.requires_all { "" } else { "any " };
        format!("{id} {any}{} then {}", it.first, it.then)
    });
    locations.chain(colocations).chain(orders).collect()
}

const PRIMITIVES: &str = "primitive a vm:fake\nprimitive b vm:fake\nprimitive c vm:fake\nprimitive d vm:fake\n";

#[track_caller]
fn check(text: &str, wanted: &[&str]) {
    let config = config(&format!("{PRIMITIVES}{text}"));
    assert_eq!(made(&config), wanted, "{text}");
    let printed = print(&config);
    assert!(text.lines().all(|line| printed.contains(line)), "{printed}");
    assert_eq!(self::config(&printed), config, "{printed}");
    assert!(validate(&config).is_ok(), "{text}: {:?}", validate(&config).errors);
}

#[test]
fn each_comes_to_constraints_of_two() {
    check("group g a b c", &["g/0 inf: b with a", "g/1 inf: c with b", "g/0 a then b", "g/1 b then c"]);
    check("tag t a b\nlocation l t 5: n1", &["l/0 a 5: n1", "l/1 b 5: n1"]);
    check("location l { a d } -inf: n1", &["l/0 a -inf: n1", "l/1 d -inf: n1"]);
    check("location l \"/^[cd]$/\" 5: n1", &["l/0 c 5: n1", "l/1 d 5: n1"]);
    check("location l \"/!^[cd]$/\" 5: n1", &["l/0 a 5: n1", "l/1 b 5: n1"]);
    // The first member follows and is followed by the rest; what needs a group needs its last.
    check(
        "group g a b\ncolocation k inf: g c\ncolocation m inf: d g",
        &["g/0 inf: b with a", "k/0 inf: a with c", "m/0 inf: d with b", "g/0 a then b"],
    );
    check(
        "group g a b\norder o Mandatory: g c\norder p Mandatory: d g",
        &["g/0 inf: b with a", "g/0 a then b", "o/0 b then c", "p/0 d then a"],
    );
    check("colocation k inf: a b c", &["k/0 inf: b with a", "k/1 inf: c with b"]);
    check("colocation k -inf: a b c", &["k/0 -inf: b with a", "k/1 -inf: c with a", "k/2 -inf: c with b"]);
    check("colocation k inf: ( a b ) c", &["k/0 inf: a with c", "k/1 inf: b with c"]);
    check("order o Mandatory: a ( b c ) d", &["o/0 a then b", "o/1 a then c", "o/2 b then d", "o/3 c then d"]);
    check("order o Mandatory: [ a b ] c d", &["o/0 c then d", "o/1 any a then c", "o/2 any b then c"]);
    check("order o Mandatory: [ a b sequential=true ] c", &["o/0 a then b", "o/1 any a then c", "o/2 any b then c"]);
    check("order o Serialize: [ a b ] c", &["o/0 a then b", "o/1 a then c", "o/2 b then c"]);
    check("order o Mandatory: [ a ] b", &["o/0 a then b"]);
    check("colocation k inf: _rsc_set_ a b", &["k/0 inf: b with a"]);
    check("order o Serialize: ( a b c )", &["o/0 a then b", "o/1 a then c", "o/2 b then c"]);
}

/// As it is printed, and reads back.
#[track_caller]
fn said(text: &str, wanted: &str) {
    let printed = print(&config(&format!("{PRIMITIVES}{text}")));
    let line =
        printed.lines().find(|line| line.starts_with("order") || line.starts_with("colocation")).unwrap_or_default();
    assert_eq!(line, wanted);
}

#[test]
fn options_of_sets_are_said_by_their_brackets() {
    said("order o a b sequential=false c", "order o Mandatory: ( a b ) c");
    said("order o a b require-all=false c", "order o Mandatory: [ a b sequential=true ] c");
    said("order o ( a b require-all=no ) c symmetrical=no", "order o Mandatory: [ a b ] c symmetrical=false");
    said("order o [ a b require-all=yes ] c", "order o Mandatory: ( a b ) c");
    said("order o _rsc_set_ a b", "order o Mandatory: _rsc_set_ a b");
    said("colocation k inf: ( a b sequential=true ) ( c d )", "colocation k inf: a b ( c d )");
    let refused = |text: &str, wanted: &str| {
        let errors = parse(text, &mut no_files).map_err(|errors| errors[0].to_string());
        assert_eq!(errors.err().unwrap_or_default(), wanted);
    };
    refused(
        "colocation k inf: [ a b ] c",
        "line 1, column 19: a colocation is with all of a set, and never with any of it\n  \
         hint: write ( … ) for resources that do not depend on each other",
    );
    refused(
        "order o a b sequential=some c",
        "line 1, column 13: sequential cannot be 'some'\n  hint: write true or false",
    );
    refused(
        "order o a b sequential=true c d",
        "line 1, column 29: two sets that depend on each other stand next to each other\n  \
         hint: leave sequential=true out: they are one set",
    );
    refused(
        "order o [ a:promote b ] c",
        "line 1, column 21: a set in brackets is of one role, or of one action\n  hint: write brackets for each",
    );
}

#[test]
fn rules_in_op_defaults_come_to_what_each_operation_says() {
    let text = "primitive db ocf:heartbeat:pgsql \\\n\top monitor interval=10s timeout=30s \\\n\top monitor interval=60s\n\
                primitive ip ocf:heartbeat:IPaddr2\nprimitive vm vm:fake\n\
                op_defaults \\\n\ttimeout=25s\n\
                op_defaults rule resource ocf:heartbeat:pgsql and op start timeout=90s\n\
                op_defaults rule op monitor interval=60s on-fail=ignore timeout=40s\n\
                op_defaults 5: rule resource vm:: or op stop timeout=120s\n";
    let mut config = config(text);
    assert_eq!(print(&config), text, "as it was written");
    let seconds = |config: &Config, id: &str, operation: &str| {
        config.primitives[&id.into()].operation(operation, &config.op_defaults).timeout.as_secs()
    };
    let all = |config: &Config, id: &str| ["start", "stop", "monitor"].map(|operation| seconds(config, id, operation));
    assert_eq!(all(&config, "db"), [90, 120, 30]);
    assert_eq!(seconds(&config, "db", "monitor_60000"), 40);
    assert_eq!(all(&config, "ip"), [25, 120, 25]);
    assert_eq!(all(&config, "vm"), [120, 120, 120]);
    assert!(validate(&config).is_ok(), "{:?}", validate(&config).errors);
    change(&mut config, "delete op_defaults").expect("nothing needs it");
    assert_eq!((all(&config, "ip"), config.shorthand.own.len()), ([20, 20, 20], 0));
    assert_eq!(print(&config), text.split("op_defaults").next().unwrap_or_default());
}

#[test]
fn rules_in_op_defaults_reach_the_migrations_of_what_migrates() {
    let text = "primitive guest ocf:heartbeat:VirtualDomain meta allow-migrate=true\nprimitive stays ocf:heartbeat:Dummy\n\
                op_defaults rule op migrate_to timeout=300s\nop_defaults rule op migrate_from timeout=70s\n";
    let mut config = config(text);
    let seconds = |config: &Config, id: &str| {
        let primitive = &config.primitives[&id.into()];
        ["migrate_to", "migrate_from"].map(|name| primitive.operation(name, &config.op_defaults).timeout.as_secs())
    };
    assert_eq!((seconds(&config, "guest"), seconds(&config, "stays")), ([300, 70], [20, 20]));
    assert!(config.primitives[&"stays".into()].operations.is_empty(), "it has no such operation");
    change(&mut config, "delete op_defaults").expect("nothing needs it");
    assert_eq!(seconds(&config, "guest"), [20, 20]);
}

#[test]
fn rules_in_rsc_defaults_ask_what_runs_it() {
    let text = "primitive db ocf:heartbeat:pgsql\nprimitive own ocf:heartbeat:pgsql \\\n\tmeta priority=1\nprimitive vm vm:fake\n\
                rsc_defaults \\\n\tpriority=2\n\
                rsc_defaults rule resource ::pgsql priority=7\nrsc_defaults rule resource ocf:pacemaker: priority=8\n";
    let config = config(text);
    assert_eq!(print(&config), text);
    let priority = |id: &str| {
        let (defaults, primitive) =
            ((&config.rsc_defaults, config.rsc_rules.as_slice()), &config.primitives[&id.into()]);
        quorate_core::config::ResourceMeta::at(&id.into(), primitive, defaults, Timestamp(0)).priority
    };
    assert_eq!([priority("db"), priority("own"), priority("vm")], [7, 1, 2]);
}

#[test]
fn a_primitive_says_more_than_its_template_and_its_group() {
    let text = "rsc_template t ocf:heartbeat:Dummy \\\n\tparams x=1 y=2 \\\n\tmeta priority=3 \\\n\top monitor interval=10s timeout=5s\n\
                primitive a @t \\\n\tparams y=3 \\\n\top monitor interval=10s timeout=9s\n\
                primitive b vm:fake\n\
                group g a b \\\n\tmeta priority=7 resource-stickiness=9\n";
    let mut config = config(text);
    assert_eq!(print(&config), text);
    let of = |config: &Config, id: &str| config.primitives[&id.into()].clone();
    let a = of(&config, "a");
    assert_eq!(a.agent.text(), "ocf:heartbeat:Dummy");
    assert_eq!((a.params["x"].as_str(), a.params["y"].as_str()), ("1", "3"));
    assert_eq!((a.meta["priority"].as_str(), a.meta["resource-stickiness"].as_str()), ("3", "9"));
    assert_eq!(a.operations.len(), 1);
    assert_eq!(a.operations[0].attributes["timeout"], "9s");
    assert_eq!(of(&config, "b").meta["priority"], "7");

    change(&mut config, "set t.x 5\nset a.z 6\nset g.priority 8").expect("all can be set");
    let a = of(&config, "a");
    assert_eq!((a.params["x"].as_str(), a.params["z"].as_str()), ("5", "6"));
    assert_eq!(of(&config, "b").meta["priority"], "8");
    change(&mut config, "modgroup g remove b\nmonitor b 7s:3s").expect("it is a member");
    assert!(of(&config, "b").meta.is_empty() && config.orders.is_empty());
    assert_eq!(of(&config, "b").operations[0].attributes["timeout"], "3s");
    change(&mut config, "primitive a vm:fake").expect("it needs no template");
    assert!(config.shorthand.own.values().all(|own| own.template.is_none()));
    assert!(print(&config).contains("primitive a vm:fake\n"), "{}", print(&config));
}

#[test]
fn groups_are_changed_member_by_member() {
    let mut config = config(&format!("{PRIMITIVES}group g a b\n"));
    change(&mut config, "modgroup g add c before b\nmodgroup g add d after a").expect("both can be");
    assert!(print(&config).contains("group g a d c b\n"), "{}", print(&config));
    for (text, why) in [
        ("modgroup g add a", "'a' is in 'g' already"),
        ("modgroup g remove z", "'z' is no member of 'g'"),
        ("modgroup g add z after y", "'y' is no member of 'g'"),
        ("modgroup h add a", "there is no 'h'"),
        ("modgroup a add b", "'a' is a primitive, not a group"),
        ("monitor g 10s", "'g' is a group, and only primitives are watched"),
        ("set l.x 1", "there is no 'l'"),
    ] {
        let error = change(&mut config.clone(), text).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
}

#[test]
fn a_name_that_goes_takes_what_is_nothing_without_it() {
    let text = format!(
        "{PRIMITIVES}group g a b\ntag t c\nlocation l {{ a c }} 5: n1\nlocation m t 5: n1\ncolocation k inf: a c d\norder o ( a b ) d\n"
    );
    let all = config(&text);
    let error = change(&mut all.clone(), "delete a").expect_err("it is used");
    assert!(error.contains("'a' is used by group 'g', location 'l', colocation 'k', order 'o'"), "{error}");
    let mut left = all.clone();
    change(&mut left, "delete --force a").expect("it is meant");
    assert!(
        print(&left).ends_with("group g b\ntag t c\nlocation l { c } 5: n1\nlocation m t 5: n1\n"),
        "{}",
        print(&left)
    );
    change(&mut left, "delete --force c").expect("it is meant");
    assert!(print(&left).ends_with("primitive d vm:fake\ngroup g b\n"), "{}", print(&left));
    change(&mut left, "delete g").expect("nothing names it");
    assert!(left.primitives.contains_key(&"b".into()), "its members stay");

    let mut renamed = all.clone();
    change(&mut renamed, "rename a z\nrename g group1\nrename t u").expect("all can be renamed");
    let printed = print(&renamed);
    for line in [
        "group group1 z b\n",
        "tag u c\n",
        "location l { z c } 5: n1\n",
        "location m u 5: n1\n",
        "order o Mandatory: ( z b ) d\n",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    assert_eq!(config(&printed), renamed);
    assert!(diff(&all, &renamed).contains("- group g a b\n+ group group1 z b\n"), "{}", diff(&all, &renamed));

    let mut templated = config("rsc_template t vm:fake\nprimitive a @t\n");
    let error = change(&mut templated, "delete --force t").expect_err("a is made from it");
    assert!(error.contains("'t' is the template of 'a'"), "{error}");
    change(&mut templated, "delete t a").expect("both go");
    assert_eq!(templated, Config::default());
}

#[test]
fn what_cannot_be_is_named() {
    let check = |text: &str, object: &str, what: &str| {
        let report = validate(&config(&format!("{PRIMITIVES}{text}\n")));
        let told = report.errors.iter().chain(&report.warnings).any(|it| it.object == object && it.what.contains(what));
        assert!(told, "{text}: {report:?}");
    };
    check("primitive e @none", "e", "there is no template 'none'");
    check("group g a z", "g", "this group names 'z', which does not exist");
    check("group g a b\ngroup h b c", "h", "its member 'b' is in the group 'g' too");
    check("group g a a", "g", "it names 'a' twice");
    check("group g a\ngroup h g", "h", "its member 'g' is a group itself");
    check("group g a meta colour=red", "g", "there is no meta attribute 'colour'");
    check("primitive f stonith:fake params target=n1\ngroup g f", "g", "its member 'f' is a fence device");
    check("tag t a z", "t", "this tag names 'z', which does not exist");
    check("tag t a\ntag u t", "u", "'t' is a tag itself");
    check("location l z rule 5: defined x", "l", "this location names 'z', which does not exist");
    check("location l /nobody/ 5: n1", "l", "no resource fits /nobody/");
    check("order o a b a", "o", "this order names 'a' twice");
    check("colocation k inf: ( a z ) b", "k", "this colocation names 'z', which does not exist");
    check("group g a b\norder o Mandatory: b a", "g", "these orders form a loop: 'g' a then b, 'o' b then a");
    check("group g a b\ncolocation k -inf: a b", "k", "and 'g' puts them together");
}

#[test]
fn rules_hold_where_they_say() {
    let check = |rule: &str, attributes: &[(&str, &str)], wanted: Option<&str>| {
        let config = config(&format!("{PRIMITIVES}location l a {rule}\n"));
        let quorate_core::config::shorthand::Want::Rules(rules) = &config.shorthand.locations["l"].want else {
            panic!("{rule} is a rule");
        };
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let worth = rules[0].worth(&attributes, Timestamp(0)).map(|score| score.to_string());
        assert_eq!(worth.as_deref(), wanted, "{rule} {attributes:?}");
        assert_eq!(self::config(&print(&config)), config);
    };
    check("rule 5: rack eq east", &[("rack", "east")], Some("5"));
    check("rule 5: rack eq east", &[("rack", "west")], None);
    check("rule 5: rack ne east", &[("rack", "west")], Some("5"));
    check("rule -inf: not_defined pingd or pingd lte 0", &[("pingd", "0")], Some("-inf"));
    check("rule -inf: not_defined pingd or pingd lte 0", &[], Some("-inf"));
    check("rule -inf: not_defined pingd or pingd lte 0", &[("pingd", "100")], None);
    check("rule 5: #uname eq n1 and defined ssd", &[("#uname", "n1"), ("ssd", "")], Some("5"));
    check("rule 5: #uname eq n1 and defined ssd", &[("#uname", "n1")], None);
    check("rule 5: age number:gt 9", &[("age", "10")], Some("5"));
    check("rule 5: age string:gt 9", &[("age", "10")], None);
    check("rule 5: kernel version:gte 6.9", &[("kernel", "6.12")], Some("5"));
    check("rule weight: defined weight", &[("weight", "30")], Some("30"));
    check("rule weight: defined other", &[("other", "1")], Some("-inf"));
}

#[test]
fn tickets_come_to_needs_of_each_resource() {
    let text = format!(
        "{PRIMITIVES}group g a b\ntag t c d\nrsc_ticket k east: g t loss-policy=freeze\nrsc_ticket l west: d\n"
    );
    let mut changed = config(&text);
    let needs = |config: &Config| {
        let all = config.shorthand.needs.iter();
        let each =
            all.flat_map(|(id, needs)| needs.iter().map(move |it| format!("{id} {} {}", it.ticket, it.loss.word())));
        each.collect::<Vec<_>>()
    };
    assert_eq!(needs(&changed), ["a east freeze", "b east freeze", "c east freeze", "d east freeze", "d west stop"]);
    let printed = print(&changed);
    assert!(printed.contains("rsc_ticket k east: g t loss-policy=freeze\nrsc_ticket l west: d\n"), "{printed}");
    assert_eq!(config(&printed), changed);

    change(&mut changed, "rename d e\nrename l m").expect("it can be renamed");
    assert!(print(&changed).contains("rsc_ticket m west: e\n"), "{}", print(&changed));
    change(&mut changed, "delete e").expect_err("it is named");
    change(&mut changed, "delete --force e").expect("what names nothing else goes too");
    assert_eq!(needs(&changed), ["a east freeze", "b east freeze", "c east freeze"]);
    change(&mut changed, "delete k").expect("a constraint can go");
    assert!(needs(&changed).is_empty());
    let error = change(&mut changed, "rsc_ticket n east: a loss-policy=explode").expect_err("no policy");
    assert!(error.contains("'explode' is no policy"), "{error}");
}

#[test]
fn where_a_resource_is_looked_for_is_said_by_locations() {
    let text = format!(
        "{PRIMITIVES}group g a b\nlocation k c resource-discovery=never -inf: n1\nlocation l {{ c d }} resource-discovery=exclusive 0: n2\nlocation m g resource-discovery=never -inf: n3\n"
    );
    let mut changed = config(&text);
    let forbids = |config: &Config, id: &str, node: &str| {
        let said = config.shorthand.looked_for.get(&id.into());
        said.and_then(|said| said.forbids(&node.into())).map(|(id, how)| format!("{id} {}", how.word()))
    };
    let check = |config: &Config, id: &str, wanted: [Option<&str>; 3]| {
        let found = ["n1", "n2", "n3"].map(|node| forbids(config, id, node));
        assert_eq!(found, wanted.map(|it| it.map(str::to_owned)), "{id}");
    };
    check(&changed, "c", [Some("k never"), None, Some("l exclusive")]);
    check(&changed, "d", [Some("l exclusive"), None, Some("l exclusive")]);
    check(&changed, "a", [None, None, Some("m never")]);
    check(&changed, "b", [None, None, Some("m never")]);
    let printed = print(&changed);
    for line in text.lines().filter(|line| line.starts_with("location")) {
        assert!(printed.contains(line), "{printed}");
    }
    assert_eq!(config(&printed), changed);
    change(&mut changed, "set k.resource-discovery always").expect("it can be set");
    check(&changed, "c", [Some("l exclusive"), None, Some("l exclusive")]);
    change(&mut changed, "set k.resource-discovery sometimes").expect_err("no such way");
}
