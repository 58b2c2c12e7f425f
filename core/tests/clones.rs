//! Clones as people write them: what is taken, what is printed, what is refused and why.

use quorate_core::config::validate::validate;
use quorate_core::config::{Config, ConfigPatch};
use quorate_core::grammar::{self, Mode, apply_statements};
use quorate_core::state::Command;

const BASE: &str = "primitive ping ocf:pacemaker:ping op monitor interval=10s\nprimitive vm1 vm:fake\n\
                    primitive a ocf:heartbeat:Dummy op monitor interval=10s\nprimitive b ocf:heartbeat:Dummy op monitor interval=10s\ngroup g a b\n";

fn read(text: &str) -> Config {
    let mut none = |_: &str| Err("no files".to_owned());
    grammar::read(&format!("{BASE}{text}"), &mut none).unwrap_or_else(|error| panic!("{error}"))
}

fn edit(config: &mut Config, text: &str) -> Result<(), String> {
    let mut none = |_: &str| Err("no files".to_owned());
    let statements = grammar::parse(text, &mut none).map_err(|errors| errors[0].to_string())?;
    apply_statements(config, statements, Mode::Add).map_err(|errors| errors[0].to_string())
}

fn errors(text: &str) -> Vec<String> {
    validate(&read(text)).errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_clone_is_printed_as_it_was_written() {
    let text = "clone pings ping \\\n\tmeta clone-max=2 interleave=true\n";
    let config = read(text);
    assert!(validate(&config).is_ok(), "{:?}", validate(&config).errors);
    assert_eq!(grammar::print_object(&config, "pings").as_deref(), Some(text));
    assert_eq!(grammar::print_kind(&config, "clone").as_deref(), Some(text));
    assert_eq!(grammar::print_kind(&config, "group").as_deref(), Some("group g a b\n"));
    assert_eq!(grammar::print_object(&read("clone c ping meta promotable=no"), "c").as_deref(), Some("clone c ping\n"));
    let promotable = grammar::print_object(&read("ms c ping"), "c");
    assert_eq!(promotable.as_deref(), Some("clone c ping \\\n\tmeta promotable=true\n"));
    let spec = config.primitives[&"ping".into()].clone_spec().expect("it is cloned");
    assert_eq!((spec.max, spec.interleave, spec.ordered), (Some(2), true, false));
    assert_eq!(config.primitives[&"a".into()].clone_spec(), None, "a group is no clone");
    let whole = grammar::print(&config);
    let mut none = |_: &str| Err("no files".to_owned());
    assert_eq!(grammar::read(&whole, &mut none).expect("it reads back"), config);
}

/// Each is a resource of its own, and nothing of them is printed.
#[test]
fn instances_that_differ_are_told_apart() {
    let text = "clone pings ping \\\n\tmeta clone-max=2 clone-node-max=2 globally-unique=true\n";
    let mut config = read(&format!("{text}order o pings a\nlocation l ping 100: n1\n"));
    assert!(validate(&config).is_ok(), "{:?}", validate(&config).errors);
    assert_eq!(grammar::print_object(&config, "pings").as_deref(), Some(text));
    assert_eq!(grammar::print_object(&config, "ping:0"), None);
    let ids: Vec<&str> = config.primitives.keys().map(|id| id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "ping:0", "ping:1", "vm1"]);
    let second = &config.primitives[&"ping:1".into()];
    assert_eq!((second.clone_spec(), second.copies_among(3)), (None, 1));
    let told = second.clone_attributes();
    let of = |name: &str| told[name].as_str();
    assert_eq!((of("clone"), of("clone-max"), of("clone-node-max"), of("globally-unique")), ("1", "2", "2", "true"));
    let parts = config.orders.iter().filter(|(id, _)| id.starts_with("o/")).map(|(_, it)| it.first.as_str());
    assert_eq!(parts.collect::<Vec<_>>(), ["ping:0", "ping:1"]);
    let mut none = |_: &str| Err("no files".to_owned());
    assert_eq!(grammar::read(&grammar::print(&config), &mut none).expect("it reads back"), config);

    edit(&mut config, "rename ping pong\nset pong.timeout 3").expect("they are one object");
    assert_eq!(config.primitives[&"pong:0".into()].params.get("timeout").map(String::as_str), Some("3"));
    edit(&mut config, "delete --force pings").expect("it is there");
    assert!(config.primitives[&"pong".into()].clone_spec().is_none() && config.primitives.len() == 4);
}

#[test]
fn what_cannot_be_cloned_is_refused_with_a_sentence() {
    let rows = [
        ("clone c vm1", "a VM has one identity"),
        ("group h vm1\nclone c h", "'vm1' of the group 'h' is a VM"),
        ("clone c ping\nclone d c", "'c' is a clone itself"),
        ("clone c g\nclone d g", "is in"),
        ("clone c a", "is in"),
        ("clone c nothing", "which does not exist"),
        ("clone c ping meta clone-max=many", "clone-max=many is not understood"),
        ("clone c ping meta clone-node-max=2", "instances that do not differ run once on a node"),
        ("clone c ping meta globally-unique=true", "it does not say how many instances there are"),
        ("clone c ping meta globally-unique=true clone-max=500", "more than 100 instances that differ"),
        ("clone c ping meta globally-unique=maybe", "globally-unique=maybe is not understood"),
        ("ms c ping meta globally-unique=true clone-max=2", "instances that differ are not promoted"),
        ("clone c g meta globally-unique=true clone-max=2", "instances of a group do not differ"),
        (
            "clone c ping meta globally-unique=true clone-max=2\ncolocation x inf: a c",
            "nothing can be where all instances",
        ),
        ("clone c ping meta promotable=some", "promotable=some is not understood"),
        ("ms c ping meta promoted-max=many", "promoted-max=many is not understood"),
        ("ms c ping meta master-node-max=2", "a node has one instance here"),
        ("clone c ping meta clone-maxx=2", "there is no meta attribute 'clone-maxx'"),
    ];
    for (text, wanted) in rows {
        let told = errors(text).join("\n");
        assert!(told.contains(wanted), "{text}: {told:?}");
    }
    let unit = "primitive u systemd:chrony op monitor interval=10s\nclone c u meta notify=true";
    let warned = validate(&read(unit)).warnings;
    assert!(warned.iter().any(|warning| warning.what.contains("notify=true has no effect")), "{warned:?}");
    let warned = |text: &str| validate(&read(text)).warnings;
    let differ = warned("clone c ping meta notify=true globally-unique=true clone-max=2");
    assert!(differ.iter().any(|warning| warning.what.starts_with("notify has no effect")), "{differ:?}");
    let told = "primitive t ocf:a:T op monitor interval=10s op notify timeout=5s\nclone c t";
    assert_eq!(warned(&format!("{told} meta notify=true")), [], "who is told has a time limit for it");
    assert!(warned(told).iter().any(|it| it.what.contains("op notify has no effect")), "{:?}", warned(told));
}

#[test]
fn a_group_is_cloned_with_all_its_members() {
    let mut config = read("clone c g meta clone-max=2\norder o c ping\ncolocation k inf: c ping\n");
    assert!(validate(&config).is_ok(), "{:?}", validate(&config).errors);
    let copies = |config: &Config, id: &str| config.primitives[&id.into()].copies_among(3);
    assert_eq!((copies(&config, "a"), copies(&config, "b"), copies(&config, "ping")), (2, 2, 1));
    assert_eq!(grammar::print_kind(&config, "clone").as_deref(), Some("clone c g \\\n\tmeta clone-max=2\n"));
    // By itself it is the first of its group, and where something needs it the last.
    assert_eq!(config.orders["o/0"].first.as_str(), "b");
    assert_eq!(config.colocations["k/0"].resource.as_str(), "a");
    let mut none = |_: &str| Err("no files".to_owned());
    assert_eq!(grammar::read(&grammar::print(&config), &mut none).expect("it reads back"), config);
    let refused = edit(&mut config, "delete g").expect_err("the clone needs it");
    assert!(refused.contains("clone 'c'"), "{refused}");
    edit(&mut config, "modgroup g remove b").expect("a group that is cloned is a group");
    assert_eq!((copies(&config, "a"), copies(&config, "b")), (2, 1));
    edit(&mut config, "delete o k c").expect("nothing needs it");
    assert_eq!(copies(&config, "a"), 1);
}

#[test]
fn a_group_never_becomes_a_clone_nor_a_clone_a_group() {
    let mut config = read("clone c ping");
    for text in ["set g.promotable false", "set c.promotable true", "delete c.promotable", "modgroup c add vm1"] {
        let before = config.clone();
        let refused = edit(&mut config, text).expect_err(text);
        assert!(refused.contains("promotable") || refused.contains("is a clone"), "{text}: {refused}");
        assert_eq!(config, before, "{text}");
    }
    let error = edit(&mut config, "group h vm1 meta promotable=false").expect_err("no group is");
    assert!(error.contains("only clones are"), "{error}");
    edit(&mut config, "set c.clone-max 1").expect("that much can be changed");
    assert_eq!(config.primitives[&"ping".into()].copies_among(3), 1);
    let refused = edit(&mut config, "delete ping").expect_err("the clone needs it");
    assert!(refused.contains("clone 'c'"), "{refused}");
    edit(&mut config, "rename c d").expect("it can be renamed");
    edit(&mut config, "delete --force ping").expect("with all that names it");
    assert!(config.shorthand.groups.keys().eq(["g"]));
}

/// lagging: an older daemon would take a clone for a group.
#[test]
fn an_entry_with_a_clone_waits_for_all_members() {
    let level = |old: &Config, new: &Config| {
        let patch = Box::new(ConfigPatch::between(old, new));
        Command::Configure { actor: String::new(), base: 0, patch, diff: String::new() }.level()
    };
    let (without, with) = (read(""), read("clone c ping"));
    assert_eq!(level(&Config::default(), &without), 1);
    assert_eq!(level(&without, &with), 4);
    assert_eq!(level(&with, &without), 1);
}

#[test]
fn monitors_by_role_have_an_effect_once_it_is_promotable() {
    let db = "primitive db ocf:pacemaker:Stateful op monitor interval=2s role=Promoted op monitor interval=3s role=Unpromoted\n";
    let warned = |text: &str| validate(&read(&format!("{db}{text}"))).warnings.len();
    assert_eq!(warned("ms dbs db"), 0, "{:?}", validate(&read(&format!("{db}ms dbs db"))).warnings);
    assert_eq!(warned(""), 1);
}
