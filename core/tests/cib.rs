//! What Pacemaker's users mean by their configurations, rule by rule: a small cluster each, and what is planned.

mod cib_story;

use cib_story::{NOW, Story, primitive};
use quorate_core::cib;

fn colocation(id: &str, rsc: &str, with: &str, score: &str) -> String {
    format!(r#"<rsc_colocation id="{id}" rsc="{rsc}" with-rsc="{with}" score="{score}"/>"#)
}

fn order(first: &str, then: &str) -> String {
    format!(r#"<rsc_order id="{first}-{then}" first="{first}" then="{then}"/>"#)
}

#[test]
fn resources_spread_by_load_then_by_name() {
    let plan = Story::new().primitive("a", &[]).primitive("b", &[]).primitive("c", &[]).primitive("d", &[]).plan();
    assert_eq!(plan.steps(), ["start a n1", "start b n2", "start c n3", "start d n1"]);
}

#[test]
fn a_lost_node_is_fenced_before_its_resources_start_elsewhere() {
    let plan = Story::new().primitive("a", &[]).runs("a", 1).lost(1).plan();
    assert_eq!(plan.steps(), ["fence n1", "start a n2"]);
    assert!(plan.is_before("fence n1", "start a n2"));
}

#[test]
fn without_a_majority_nothing_starts_and_what_runs_stops() {
    let xml = Story::new().primitive("a", &[]).primitive("b", &[]).runs("a", 1).xml();
    let model = cib::read(&xml.replace(r#"have-quorum="1""#, r#"have-quorum="0""#), None, NOW).expect("a CIB");
    let plan = cib_story::Plan(quorate_core::scheduler::schedule(model));
    assert_eq!(plan.steps(), ["stop a n1"]);
}

#[test]
fn stickiness_outweighs_a_weaker_preference() {
    let story = |stickiness: &str| {
        let prefers = r#"<rsc_location id="l" rsc="a" node="n2" score="50"/>"#;
        Story::new().primitive("a", &[("resource-stickiness", stickiness)]).constraint(prefers).runs("a", 1).plan()
    };
    assert_eq!(story("100").after("a"), ["n1 Started"]);
    assert_eq!(story("10").after("a"), ["n2 Started"]);
}

#[test]
fn a_colocated_resource_follows_and_an_anti_colocated_one_leaves() {
    let story = Story::new().primitive("a", &[]).primitive("b", &[]);
    let avoids = r#"<rsc_location id="l" rsc="b" node="n1" score="-INFINITY"/>"#;
    let together = story.clone().constraint(&colocation("c", "a", "b", "INFINITY")).constraint(avoids).plan();
    assert_eq!((together.after("a"), together.after("b")), (vec!["n2 Started".into()], vec!["n2 Started".into()]));
    let apart = story.runs("a", 1).runs("b", 1).constraint(&colocation("c", "a", "b", "-INFINITY")).plan();
    assert_ne!(apart.after("a"), apart.after("b"));
}

#[test]
fn a_restart_of_the_first_restarts_what_comes_after_it() {
    let story = Story::new().primitive("a", &[]).primitive("b", &[]).runs("a", 1).runs("b", 2);
    let plan = story.did("a", 1, "monitor", 10000, 1, 0).constraint(&order("a", "b")).plan();
    assert_eq!(plan.steps(), ["start a n1", "start b n2", "stop a n1", "stop b n2"]);
    for (first, then) in [("stop b n2", "stop a n1"), ("stop a n1", "start a n1"), ("start a n1", "start b n2")] {
        assert!(plan.is_before(first, then), "{first} before {then}");
    }
}

#[test]
fn a_failed_stop_fences_the_node() {
    let plan = Story::new().primitive("a", &[]).runs("a", 1).did("a", 1, "stop", 0, 1, 0).plan();
    assert_eq!(plan.steps(), ["fence n1", "start a n2"]);
}

#[test]
fn too_many_failures_ban_a_node_until_they_are_forgotten() {
    let story = |last: &str| {
        let meta = [("migration-threshold", "2"), ("failure-timeout", "100s")];
        let story = Story::new().primitive("a", &meta).runs("a", 1).attribute(1, "fail-count-a#monitor_10000", "2");
        story.attribute(1, "last-failure-a#monitor_10000", last).plan()
    };
    assert_eq!(story("999950").after("a"), ["n2 Started"]);
    assert_eq!(story("999000").after("a"), ["n1 Started"]);
}

#[test]
fn failures_are_counted_by_operation_or_before_feature_set_3_0_13_by_resource() {
    let counted = |feature_set: &str, name: &str| {
        let story = Story::new().primitive("a", &[("migration-threshold", "1")]).runs("a", 1).attribute(1, name, "1");
        let xml = story.xml().replace(r#"crm_feature_set="3.16.2""#, &format!(r#"crm_feature_set="{feature_set}""#));
        let model = cib::read(&xml, None, NOW).expect("a CIB");
        cib_story::Plan(quorate_core::scheduler::schedule(model)).steps().len()
    };
    assert_eq!((counted("3.0.13", "fail-count-a#monitor_10000"), counted("3.0.13", "fail-count-a")), (2, 0));
    assert_eq!((counted("3.0.12", "fail-count-a#monitor_10000"), counted("3.0.12", "fail-count-a")), (0, 2));
}

#[test]
fn a_negative_stickiness_drives_nothing_away() {
    let nowhere_else = r#"<rsc_location id="l" rsc="a" node="n2" score="-INFINITY"/>
        <rsc_location id="m" rsc="a" node="n3" score="-INFINITY"/>"#;
    let story = Story::new().primitive("a", &[("resource-stickiness", "-1")]).constraint(nowhere_else).runs("a", 1);
    assert_eq!(story.plan().steps(), Vec::<String>::new());
}

#[test]
fn a_live_migration_takes_the_place_of_stop_and_start() {
    let bans = r#"<rsc_location id="l" rsc="a" node="n1" score="-INFINITY"/>"#;
    let story =
        |allowed| Story::new().primitive("a", &[("allow-migrate", allowed)]).runs("a", 1).constraint(bans).plan();
    assert_eq!(story("true").steps(), ["migrate_from a n2", "migrate_to a n1", "stop a n1"]);
    assert!(story("true").is_before("migrate_from a n2", "stop a n1"));
    assert_eq!(story("false").steps(), ["start a n2", "stop a n1"]);
}

#[test]
fn a_group_runs_together_and_in_order() {
    let group = format!(r#"<group id="g">{}{}</group>"#, primitive("a", &[]), primitive("b", &[]));
    let plan = Story::new().resources(&group).plan();
    assert_eq!(plan.steps(), ["start a n1", "start b n1"]);
    assert!(plan.is_before("start a n1", "start b n1"));
}

#[test]
fn a_clone_runs_everywhere_and_its_dependent_waits_for_its_neighbour() {
    let clone = |id: &str| {
        let meta = r#"<meta_attributes id="MC"><nvpair id="NC" name="interleave" value="true"/></meta_attributes>"#;
        let meta = meta.replace('C', id);
        format!(r#"<clone id="{id}-clone">{meta}{}</clone>"#, primitive(id, &[]))
    };
    let plan =
        Story::new().resources(&clone("a")).resources(&clone("b")).constraint(&order("a-clone", "b-clone")).plan();
    assert_eq!(plan.after("a").len(), 3);
    assert_eq!(plan.after("b").len(), 3);
    assert!(plan.is_before("start a n2", "start b n2"));
}

#[test]
fn the_instance_that_wants_it_most_is_promoted() {
    let meta = r#"<meta_attributes id="m"><nvpair id="p" name="promotable" value="true"/></meta_attributes>"#;
    let clone = format!(r#"<clone id="c">{meta}{}</clone>"#, primitive("a", &[]));
    let story = Story::new().resources(&clone).attribute(1, "master-a", "5").attribute(3, "master-a", "10");
    assert_eq!(story.plan().after("a"), ["n1 Unpromoted", "n2 Unpromoted", "n3 Promoted"]);
}

#[test]
fn a_lost_ticket_stops_what_depends_on_it() {
    let needs = r#"<rsc_ticket id="t" rsc="a" ticket="east" loss-policy="stop"/>"#;
    let story = Story::new().primitive("a", &[]).runs("a", 1).constraint(needs);
    assert_eq!(story.clone().ticket("east", true).plan().after("a"), ["n1 Started"]);
    assert_eq!(story.ticket("east", false).plan().steps(), ["stop a n1"]);
}

#[test]
fn a_rule_by_attribute_and_date_places() {
    let rule = |start: &str| {
        format!(
            r#"<rsc_location id="l" rsc="a"><rule id="r" score="INFINITY"><expression id="e" attribute="rack" operation="eq"
            value="west"/><date_expression id="d" operation="gt" start="{start}"/></rule></rsc_location>"#
        )
    };
    let story = Story::new().primitive("a", &[]).attribute(3, "rack", "west");
    assert_eq!(story.clone().constraint(&rule("1970-01-02")).plan().after("a"), ["n3 Started"]);
    assert_eq!(story.clone().constraint(&rule("1970-W01-5")).plan().after("a"), ["n3 Started"]);
    assert_eq!(story.constraint(&rule("1999-01-01")).plan().after("a"), ["n1 Started"]);
}

#[test]
fn what_is_unmanaged_stays_as_it_is() {
    let plan = Story::new().primitive("a", &[("is-managed", "false")]).did("a", 2, "monitor", 0, 0, 7).plan();
    assert_eq!((plan.steps(), plan.after("a")), (vec![], vec!["n2 Started".to_owned()]));
}

#[test]
fn a_bad_cib_is_refused_with_line_and_column_of_every_mistake() {
    let check = |xml: &str, wanted: &[&str]| {
        let error = cib::read(xml, None, NOW).expect_err(xml).to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines.len(), wanted.len(), "{error}");
        for (line, part) in lines.iter().zip(wanted) {
            assert!(line.contains(part), "{line:?} does not say {part:?}");
        }
    };
    check("<cib", &["line 1, column"]);
    check("<html/>", &["line 1, column 1: this is <html>"]);
    let xml = "<cib><configuration><resources>\n <primitive id='a' template='none'/>\n <clone id='c'/>\n</resources></configuration></cib>";
    check(
        xml,
        &["line 2, column 2: there is no template \"none\"", "line 3, column 2: the clone c has nothing to copy"],
    );
}

/// What Pacemaker's schema refuses is refused, each with its place and all at once: nothing is read as something else.
#[test]
fn what_is_no_cib_is_refused_where_it_is_wrong() {
    let check = |inner: &str, wanted: &str| {
        let error = cib::read(&Story::new().constraint(&format!("\n{inner}\n")).xml(), None, NOW).expect_err(inner);
        assert_eq!(error.to_string(), wanted, "{inner}");
    };
    let order = |said: &str| format!(r#"<rsc_order id="o" first="a" then="b" {said}/>"#);
    check(&order(r#"symmetrical="maybe""#), "line 3, column 38: symmetrical=\"maybe\": write true or false");
    check(&order(r#"kind="Mandatry""#), "line 3, column 38: kind=\"Mandatry\": did you mean \"Mandatory\"?");
    check(
        &order(r#"symetrical="true""#),
        "line 3, column 38: <rsc_order> has no attribute \"symetrical\": did you mean \"symmetrical\"?",
    );
    check(&order(r#"score="10O""#), "line 3, column 38: score=\"10O\": write a whole number, INFINITY or -INFINITY");
    check(
        r#"<rsc_order id="o" first="a"/>"#,
        "line 3, column 1: <rsc_order> says first, but no then: write then=\"…\"",
    );
    check(
        r#"<rsc_location id="1" rsc="a" node="n1" score="1"/>"#,
        "line 3, column 15: id=\"1\": an id is made of letters, digits, '-', '_' and '.', and begins with a letter",
    );
    check(
        r#"<rsc_location id="l" rsc="a"/>"#,
        "line 3, column 1: <rsc_location> is not whole: it wants node=\"…\" or <rule>",
    );
    check(
        r#"<rsc_location id="l" rsc="a" rsc-pattern="b" node="n1" score="1"/>"#,
        "line 3, column 1: <rsc_location> says too much: it wants one of rsc=\"…\" or rsc-pattern=\"…\" or <resource_set>",
    );
    check(r#"<rsc_ticket id="t" rsc="a"/>"#, "line 3, column 1: <rsc_ticket> has no ticket: write ticket=\"…\"");
    check(
        r#"<rsc_colocation id="c"><resource_set id="s"><resource_rf id="a"/></resource_set></rsc_colocation>"#,
        "line 3, column 24: <resource_set> is not whole: it wants id-ref=\"…\" or <resource_ref>\n\
         line 3, column 45: <resource_rf> does not belong in <resource_set>: did you mean <resource_ref>?",
    );
    let rule =
        |inner: &str| format!(r#"<rsc_location id="l" rsc="a"><rule id="r" score="1">{inner}</rule></rsc_location>"#);
    check(&rule(""), "line 3, column 30: a rule without a condition: put an <expression> in it, or delete it");
    check(
        &rule(r#"<date_expression id="d" operation="gt" start="soon"/>"#),
        "line 3, column 53: this date can never be told: 'soon' is no time",
    );
    check(
        &rule(r#"<date_expression id="d" operation="date_spec"><date_spec id="s" hours="16-9"/></date_expression>"#),
        "line 3, column 53: this date can never be told: hours=16-9: a number or a range such as 9-16 is wanted",
    );
    check(
        &rule(r#"<expression id="e" attribute="x" operation="is" value="1"/>"#),
        "line 3, column 86: operation=\"is\": write lt, gt, lte, gte, eq, ne, defined, not_defined",
    );
    let like = |id: &str| format!(r#"<rsc_location id="{id}" rsc="a" node="n1" score="1"/>"#);
    check(
        &format!("{}\n{}", like("l"), like("l")),
        "line 4, column 1: the id \"l\" is that of <rsc_location> in line 3: give one of them another",
    );
    check(
        r#"<rsc_ticket id="t" ticket="x"><resource_set id-ref="s"/></rsc_ticket>"#,
        "line 3, column 31: id-ref=\"s\": nothing has this id",
    );
    check(
        &format!("{} here", like("l")),
        "line 3, column 51: text in <constraints>: put it in an attribute, or delete it",
    );
}

/// No file ends the process: what reads rules within rules calls itself.
#[test]
fn a_cib_that_is_too_deep_is_refused() {
    let nested = |count: usize| {
        let rules: String = (0..count).map(|number| format!(r#"<rule id="r{number}" score="1">"#)).collect();
        let ask = r#"<expression id="e" attribute="x" operation="defined"/>"#;
        let location =
            format!(r#"<rsc_location id="l" rsc="a">{rules}{ask}{}</rsc_location>"#, "</rule>".repeat(count));
        cib::read(&Story::new().primitive("a", &[]).constraint(&location).xml(), None, NOW).map(|_| ())
    };
    assert_eq!(nested(50), Ok(()));
    let error = nested(50_000).expect_err("it is too deep").to_string();
    assert!(error.ends_with("elements stand more than 100 deep here: take some out"), "{error}");
}

#[test]
fn what_stands_in_the_wrong_place_or_twice_is_refused() {
    let check = |inner: &str, wanted: &str| {
        let xml = format!("<cib>\n{inner}</cib>");
        assert_eq!(cib::read(&xml, None, NOW).expect_err(inner).to_string(), wanted, "{inner}");
    };
    check("", "line 1, column 1: this CIB has no <configuration>: `cibadmin --query` prints a whole one");
    check(
        "<configuration><resource/></configuration>",
        "line 2, column 16: <resource> does not belong in <configuration>: did you mean <resources>?",
    );
    check(
        "<configuration><nodes><node/></nodes><resources><primitve id='b'/></resources><constraints><rsc_loc id='l'/></constraints></configuration>",
        "line 2, column 23: <node> has no id: write id=\"…\"\n\
         line 2, column 23: <node> has no uname: write uname=\"…\"\n\
         line 2, column 49: <primitve> does not belong in <resources>: did you mean <primitive>?\n\
         line 2, column 92: <rsc_loc> does not belong in <constraints>: there are rsc_location, rsc_colocation, rsc_order, rsc_ticket",
    );
    check(
        "<configuration><nodes/><nodes/></configuration>",
        "line 2, column 24: a second <nodes> in <configuration>: make them one",
    );
    check(
        "<configuration><nodes><node id='1' type='master'/></nodes></configuration>",
        "line 2, column 23: <node> has no uname: write uname=\"…\"\n\
         line 2, column 36: type=\"master\": write normal, member, ping, remote",
    );
    check(
        "<configuration><nodes><node id='1' uname='n1'/><node id='2' uname='n1'/></nodes></configuration>",
        "line 2, column 48: a second node with uname=\"n1\": delete one of them",
    );
    let option = |option: &str| {
        format!(
            "<configuration><crm_config><cluster_property_set id='p'>{option}</cluster_property_set></crm_config></configuration>"
        )
    };
    check(
        &option("<nvpair id='q' name='no-quorum-policy' value='frieze'/>"),
        "line 2, column 57: no-quorum-policy=\"frieze\": did you mean \"freeze\"?",
    );
    check(
        &option("<nvpair id='q' name='stonith-enabled' value='maybe'/>"),
        "line 2, column 57: stonith-enabled=\"maybe\": write true or false",
    );
    check(
        "<configuration><resources><primitive id='a' class='ocf' type='x'/></resources></configuration>",
        "line 2, column 27: <primitive> is of class ocf without a provider: write provider=\"heartbeat\"",
    );
}

#[test]
fn the_order_of_a_plan_has_no_circle() {
    let group = format!(r#"<group id="g">{}{}</group>"#, primitive("a", &[]), primitive("b", &[]));
    let story = Story::new().resources(&group).primitive("c", &[]).runs("a", 1).runs("b", 1).runs("c", 2).lost(1);
    let plan = story.constraint(&order("g", "c")).plan();
    for step in plan.steps() {
        assert!(!plan.is_before(&step, &step), "{step} waits for itself");
    }
}

#[test]
fn what_is_wrong_with_remote_nodes_and_bundles_ends_no_process() {
    let bundle = |inner: &str| format!(r#"<bundle id="w">{inner}</bundle>"#);
    let remote = |id: &str| format!(r#"<primitive id="{id}" class="ocf" provider="pacemaker" type="remote"/>"#);
    let content = r#"<primitive id="c" template="gone"/>"#;
    let strange = [
        bundle(&format!(r#"<docker image="i" replicas="2"/><network control-port="1"/>{content}"#)),
        bundle(r#"<podman image="i" replicas="0" promoted-max="-1"/><network ip-range-start="255.255.255.255"/>"#),
        bundle(r#"<rkt image="i" replicas-per-host="0"/><network control-port=""/>"#),
        remote("n1"),
        format!("{}{}", remote("r"), primitive("v", &[("remote-node", "r")])),
        primitive("v", &[("remote-node", "v"), ("container", "v")]),
        format!(
            "{}{}",
            primitive("v", &[("remote-node", "g")]),
            primitive("u", &[("remote-node", "g"), ("container", "v")])
        ),
    ];
    for xml in strange {
        let text = Story::new().resources(&xml).runs("v", 1).runs("g", 1).lost(1).xml();
        if let Ok(model) = quorate_core::cib::read(&text, None, NOW) {
            quorate_core::scheduler::schedule(model);
        }
    }
}
