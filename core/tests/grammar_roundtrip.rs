//! Whatever a configuration holds, what is printed reads back as the same; and no text makes the grammar panic.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample;
use quorate_core::config::shorthand::{
    Group, Own, ResourceSet, Shorthand, Want, Who, WideColocation, WideLocation, WideOrder,
};
use quorate_core::config::{
    Agent, AgentClass, Attributes, Colocation, Config, Discovery, FencingTopology, InRole, LevelTarget, Location,
    NodeConfig, Operation, Order, OrderKind, OrderTask, Primitive, RuledSet, Section, validate::validate,
};
use quorate_core::grammar::{self, Mode, apply_statements, diff, duration, parse, print, print_object, read};
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::rule::date::{FIELDS, UNITS, When};
use quorate_core::rule::{COMPARISONS, KINDS, PRESENCES, Rule, RuleScore, Test};
use quorate_core::score::Score;
use std::collections::BTreeMap;

fn no_files(name: &str) -> Result<String, String> {
    Err(format!("nothing should ask for {name}"))
}

/// Text that is hard to quote: XML, both quotes, backslashes before anything, line ends of every kind.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<domain type='kvm'>\n\t<name>vm1</name>\r\n</domain>\n".to_owned()),
        Just("<a b=\"c\" d='e'/>".to_owned()),
        Just("@file".to_owned()),
        Just(" \\\n# no comment\n".to_owned()),
        "[ '\"\\\\\n\r\t@#={}()$:;,a-z\u{a0}\u{2028}ü]{0,12}",
        any::<String>(),
    ];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let name =
        prop_oneof!["[a-zA-Z_#0-9][a-zA-Z0-9_.#:/-]{0,6}[a-z0-9]", Just("xml".to_owned()), Just("rule".to_owned())];
    btree_map(name, nasty(), 0..4)
}

fn id(prefix: &'static str) -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_.-]{0,6}".prop_map(move |rest| format!("{prefix}{rest}"))
}

fn resource() -> impl Strategy<Value = ResourceId> {
    id("p").prop_map(ResourceId::new)
}

fn node_id() -> impl Strategy<Value = NodeId> {
    id("n").prop_map(NodeId::new)
}

fn score() -> impl Strategy<Value = Score> {
    prop_oneof![Just(Score::INFINITY), Just(Score::NEG_INFINITY), any::<i32>().prop_map(|n| Score::new(n.into()))]
}

fn primitive() -> impl Strategy<Value = Primitive> {
    let agent = prop_oneof![
        Just((AgentClass::Vm, None, "libvirt")),
        Just((AgentClass::Vm, None, "fake")),
        Just((AgentClass::Stonith, None, "fence_ipmilan")),
        Just((AgentClass::Stonith, None, "external/ipmi")),
        Just((AgentClass::Ocf, Some("heartbeat"), "IPaddr2")),
        Just((AgentClass::Ocf, Some("my_own.one"), "mysql-proxy")),
        Just((AgentClass::Systemd, None, "nginx")),
        Just((AgentClass::Systemd, None, "-.mount")),
        Just((AgentClass::Systemd, None, r"getty@tty1:a\x2db.service")),
    ];
    let operation = ("[a-z][a-z_]{0,8}", attributes());
    let operation = operation.prop_map(|(name, attributes)| Operation { name, attributes });
    (agent, attributes(), attributes(), attributes(), vec(operation, 0..3), ruled()).prop_map(
        |((class, provider, kind), params, meta, utilization, operations, ruled)| Primitive {
            agent: Agent { class, provider: provider.map(str::to_owned), kind: kind.to_owned() },
            params,
            meta,
            utilization,
            operations,
            ruled,
        },
    )
}

/// As they read back: those of parameters first, and none that is plain.
fn ruled() -> impl Strategy<Value = Vec<RuledSet>> {
    let names = prop_oneof!["[a-z][a-z0-9_.#:/-]{0,6}[a-z0-9]", Just("hours".to_owned()), Just("start".to_owned())];
    let sets = move |section| {
        let set = (score(), proptest::option::of(rule()), btree_map(names.clone(), nasty(), 1..3));
        let set = set.prop_map(move |(score, rule, pairs)| {
            let rule = rule.map(|rule| Rule { score: RuleScore::Number(Score::ZERO), ..rule });
            let score = if rule.is_none() && score == Score::ZERO { Score::INFINITY } else { score };
            RuledSet { section, score, rule, pairs }
        });
        vec(set, 0..2)
    };
    (sets(Section::Params), sets(Section::Meta)).prop_map(|(params, meta)| [params, meta].concat())
}

fn discovery() -> impl Strategy<Value = Discovery> {
    sample::select(vec![Discovery::Always, Discovery::Never, Discovery::Exclusive])
}

fn order() -> impl Strategy<Value = Order> {
    let kind = prop_oneof![Just(OrderKind::Mandatory), Just(OrderKind::Optional), Just(OrderKind::Serialize)];
    let task = || sample::select(vec![OrderTask::Start, OrderTask::Stop, OrderTask::Promote, OrderTask::Demote]);
    let ends = ((resource(), task()), (resource(), task()));
    (kind, ends, any::<bool>()).prop_map(|(kind, ((first, first_task), (then, then_task)), symmetrical)| Order {
        kind,
        first,
        then,
        symmetrical,
        requires_all: true,
        first_task,
        then_task,
    })
}

fn topology() -> impl Strategy<Value = Vec<FencingTopology>> {
    let levels = vec(vec(resource(), 1..3), 1..3);
    let target = prop_oneof![
        Just(LevelTarget::Rest),
        node_id().prop_map(LevelTarget::Node),
        ("[a-z]{1,4}", "[a-z :'#]{1,4}").prop_map(|(name, value)| LevelTarget::Attribute(name, value)),
        "[a-z^.: '\"]{1,6}".prop_map(LevelTarget::Pattern),
    ];
    let rows = btree_map(target, levels, 0..4);
    rows.prop_map(|rows| rows.into_iter().map(|(target, levels)| FencingTopology { target, levels }).collect())
}

fn config() -> impl Strategy<Value = Config> {
    let node = (attributes(), attributes());
    let node = node.prop_map(|(attributes, utilization)| NodeConfig { attributes, utilization });
    let location = (resource(), score(), node_id(), role(), discovery());
    let location = location.prop_map(|(resource, score, node, role, discovery)| Location {
        resource,
        score,
        node,
        role,
        discovery,
    });
    let colocation = (score(), (resource(), role()), (resource(), role()));
    let colocation = colocation.prop_map(|(score, (resource, role), (with, with_role))| Colocation {
        score,
        resource,
        with,
        role,
        with_role,
    });
    let objects = (btree_map(node_id(), node, 0..3), btree_map(resource(), primitive(), 0..3));
    let constraints = (
        btree_map(id("l"), location, 0..3),
        btree_map(id("c"), colocation, 0..3),
        btree_map(id("o"), order(), 0..3),
        topology(),
    );
    let sets = (attributes(), attributes(), attributes());
    (objects, constraints, sets, shorthand()).prop_map(|(objects, constraints, sets, shorthand)| {
        let mut config = plain(objects, constraints, sets);
        config.shorthand = shorthand;
        config.expand();
        config
    })
}

type Objects = (BTreeMap<NodeId, NodeConfig>, BTreeMap<ResourceId, Primitive>);
type Constraints =
    (BTreeMap<String, Location>, BTreeMap<String, Colocation>, BTreeMap<String, Order>, Vec<FencingTopology>);

fn plain(objects: Objects, constraints: Constraints, sets: (Attributes, Attributes, Attributes)) -> Config {
    Config {
        nodes: objects.0,
        primitives: objects.1,
        locations: constraints.0,
        colocations: constraints.1,
        orders: constraints.2,
        fencing_topology: constraints.3,
        properties: sets.0,
        rsc_defaults: sets.1,
        op_defaults: sets.2,
        ..Config::default()
    }
}

fn date() -> impl Strategy<Value = When> {
    let time = || prop_oneof![Just("2026-11-22"), Just("2026-11-22T18:00Z"), Just("2026-11-22 18:00:00 +01:00")];
    let early = || prop_oneof![Just("1999-12-31"), Just("1999-12-31T23:59:59"), Just("1999-365")];
    let pairs = |names: &'static [&'static str], most: usize| {
        btree_map((0..names.len()).prop_map(|at| names[at].to_owned()), "[1-7]", 1..most)
    };
    let text = |text: Option<&str>| text.map(ToOwned::to_owned);
    let within = (proptest::option::of(early()), time());
    prop_oneof![
        time().prop_map(|end| When::Before(end.to_owned())),
        time().prop_map(|start| When::After(start.to_owned())),
        within.prop_map(move |(start, end)| When::Within {
            start: text(start),
            end: text(Some(end)),
            lasts: BTreeMap::new()
        }),
        (early(), pairs(UNITS, 3)).prop_map(move |(start, lasts)| When::Within {
            start: text(Some(start)),
            end: None,
            lasts
        }),
        pairs(FIELDS, 4).prop_map(When::Spec),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let name = || prop_oneof![Just("#uname".to_owned()), "x[a-z-]{0,5}[a-z]"];
    let score = prop_oneof![score().prop_map(RuleScore::Number), "s[a-z]{1,5}".prop_map(RuleScore::Attribute)];
    let present = (name(), 0..PRESENCES.len()).prop_map(|(attribute, at)| Test::Attribute {
        attribute,
        operation: PRESENCES[at].to_owned(),
        kind: String::new(),
        value: None,
    });
    let compared = (name(), 0..COMPARISONS.len(), 0..=KINDS.len(), nasty());
    let compared = compared.prop_map(|(attribute, at, kind, value)| Test::Attribute {
        attribute,
        operation: COMPARISONS[at].to_owned(),
        kind: KINDS.get(kind).copied().unwrap_or_default().to_owned(),
        value: Some(value),
    });
    let tests = vec(prop_oneof![present, compared, date().prop_map(Test::Date)], 1..4);
    (score, any::<bool>(), tests).prop_map(|(score, any, tests)| Rule {
        score,
        any: any && tests.len() > 1,
        tests,
        role: None,
    })
}

fn role() -> impl Strategy<Value = Option<InRole>> {
    sample::select(vec![None, Some(InRole::Promoted), Some(InRole::Unpromoted)])
}

/// As they read back: what depends on each other stands together.
fn resource_sets(is_order: bool) -> impl Strategy<Value = Vec<ResourceSet>> {
    let tasks = vec![OrderTask::Start, OrderTask::Stop, OrderTask::Promote, OrderTask::Demote];
    let what = (role(), sample::select(tasks));
    let what =
        what.prop_map(move |(role, task)| if is_order { (None, task) } else { (role, OrderTask::Start) }).boxed();
    let set = move |is_plain: bool| {
        let set = (vec(id("p"), 1..3), any::<bool>(), any::<bool>(), what.clone());
        set.prop_map(move |(members, sequential, all, (role, task))| ResourceSet {
            members,
            sequential: is_plain || (sequential && is_order && !all),
            require_all: is_plain || !is_order || all,
            role,
            task,
        })
    };
    (vec((set(false), set(true)), 1..3), any::<bool>()).prop_map(|(pairs, cut)| {
        let mut sets: Vec<ResourceSet> = pairs.into_iter().flat_map(|(apart, together)| [apart, together]).collect();
        sets.truncate(if cut { sets.len() - 1 } else { sets.len() });
        sets
    })
}

fn shorthand() -> impl Strategy<Value = Shorthand> {
    let nothing = || Agent { class: AgentClass::Vm, provider: None, kind: String::new() };
    let own = (id("t"), primitive()).prop_map(move |(template, primitive)| Own {
        template: Some(template),
        primitive: Primitive { agent: nothing(), ..primitive },
    });
    let group = (vec(resource(), 1..4), attributes()).prop_map(|(members, meta)| Group { members, meta });
    let who = prop_oneof![
        "[a-z.^$*+? ]{0,4}"
            .prop_filter("a pattern", |text| !text.is_empty() && !text.starts_with(['*', '+', '?']) && regex(text))
            .prop_map(Who::Pattern),
        vec(id("p"), 1..3).prop_map(Who::Set),
    ];
    let ruled = (id("p"), vec((rule(), role()).prop_map(|(rule, role)| Rule { role, ..rule }), 1..3))
        .prop_map(|(name, rules)| (Who::One(name), Want::Rules(rules)));
    let wide = (who, score(), node_id()).prop_map(|(who, score, node)| (who, Want::Node(score, node)));
    let location = (prop_oneof![ruled, wide], role()).prop_map(|((who, want), role)| {
        let discovery = Discovery::Always;
        WideLocation { who, want, role, discovery }
    });
    let colocation = (score(), resource_sets(false)).prop_map(|(score, sets)| WideColocation { score, sets });
    let order = (order(), resource_sets(true)).prop_map(|(order, sets)| WideOrder {
        kind: order.kind,
        sets,
        symmetrical: order.symmetrical,
    });
    (
        btree_map(id("t"), primitive(), 0..2),
        btree_map(id("q").prop_map(ResourceId::new), own, 0..2),
        btree_map(id("g"), group, 0..2),
        btree_map(id("s"), vec(id("p"), 1..3), 0..2),
        btree_map(id("wl"), location, 0..3),
        btree_map(id("wc"), colocation, 0..2),
        btree_map(id("wo"), order, 0..2),
    )
        .prop_map(|(templates, own, groups, tags, locations, colocations, orders)| Shorthand {
            templates,
            own,
            groups,
            tags,
            locations,
            colocations,
            orders,
            ..Shorthand::default()
        })
}

fn regex(text: &str) -> bool {
    grammar::parse(&format!("location l '/{text}/' inf: n"), &mut |_| Err(String::new())).is_ok()
}

/// Words that make it past the first one, in any order.
fn word_soup() -> impl Strategy<Value = String> {
    let known = [
        "node",
        "primitive",
        "location",
        "colocation",
        "order",
        "fencing_topology",
        "property",
        "rsc_defaults",
        "op_defaults",
        "delete",
        "set",
        "rename",
        "group",
        "vm1",
        "vm2",
        "n1",
        "n1:",
        "vm:fake",
        "stonith:ipmi",
        "ocf:a:b",
        "params",
        "meta",
        "op",
        "utilization",
        "operations",
        "monitor",
        "inf:",
        "-inf:",
        "100:",
        "Mandatory:",
        "Serialize:",
        "symmetrical=false",
        "a=b",
        "a=",
        "=",
        "xml=@f",
        "xml='<",
        "$id=x",
        "$id-ref=x",
        "rule",
        "(",
        "[",
        "/x/",
        "@t",
        "f1,f2",
        ",",
        "vm1.a",
        "vm1.monitor.timeout",
        "property.a",
        ".",
        "..",
        "--force",
        "#",
        "\\\n",
        "\n",
        "\n",
        "\"",
        "'",
    ];
    vec(proptest::sample::select(known.to_vec()), 0..40).prop_map(|words| words.join(" "))
}

/// Statements that are right each by itself, in any order and number.
fn statement_soup() -> impl Strategy<Value = String> {
    let known = [
        "node n1 attributes \"#rack\"=1",
        "node n1",
        "primitive vm1 vm:fake a=b op monitor interval=5s op monitor interval=6s",
        "primitive vm2 vm:libvirt xml=@f",
        "primitive f1 stonith:ipmi target=n1",
        "location l1 vm1 inf: n1",
        "colocation c1 -inf: vm1 vm2",
        "order o1 vm1 vm2 symmetrical=false",
        "fencing_topology f1 n1: f1,f2 f2",
        "property lost-after=5s",
        "rsc_defaults priority=1",
        "delete vm1",
        "delete vm1 --force",
        "delete f1 --force",
        "delete property fencing_topology",
        "delete vm1.a",
        "set vm1.a 'x \"\\'",
        "set vm1.monitor.5.timeout 1",
        "set vm2.start.timeout 1",
        "set o1.kind Serialize",
        "set c1.with-rsc vm3",
        "set property.b.c 1",
        "rename vm1 vm3",
        "rename l1 vm1",
    ];
    vec(proptest::sample::select(known.to_vec()), 0..10).prop_map(|lines| lines.join("\n"))
}

fn survives(text: &str) -> Result<(), TestCaseError> {
    let Ok(statements) = parse(text, &mut |_| Ok("<x/>".to_owned())) else {
        return Ok(());
    };
    for mode in [Mode::Add, Mode::Replace, Mode::Update] {
        let mut config = Config::default();
        if apply_statements(&mut config, statements.clone(), mode).is_ok() {
            prop_assert_eq!(&read(&print(&config), &mut no_files), &Ok(config.clone()));
            validate(&config);
        } else {
            prop_assert_eq!(config, Config::default(), "a refused text changed something");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back(config in config()) {
        let text = print(&config);
        prop_assert_eq!(&read(&text, &mut no_files).map_err(|error| format!("{error}\n{text}")), &Ok(config.clone()));
        prop_assert_eq!(diff(&config, &config), "");
        for id in config.primitives.keys() {
            let printed = print_object(&config, id.as_str()).expect("it is one of its ids");
            prop_assert!(text.contains(&printed));
        }
        validate(&config);
    }

    #[test]
    fn a_difference_is_shown(old in config(), new in config()) {
        prop_assert_eq!(diff(&old, &new).is_empty(), old == new);
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        survives(&text)?;
        let _ = duration(&text);
    }

    #[test]
    fn any_words_are_survived(text in word_soup()) {
        survives(&text)?;
    }

    #[test]
    fn any_statements_are_survived(text in statement_soup()) {
        survives(&text)?;
    }
}
