//! A Pacemaker configuration comes over: what is taken means the same, and what is not is told.

use quorate_core::config::Config;
use quorate_core::config::validate::validate;
use quorate_core::grammar;
use quorate_core::import::{Fate, Imported, import};
use std::path::{Path, PathBuf};

const HOUSEHOLD: &str = include_str!("pacemaker/household.xml");

fn domain(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    let uuid: String = format!("{digits:0<32}").chars().take(32).collect();
    format!("<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid></domain>")
}

/// As a directory would in which only `web.xml` lies.
fn brought(path: &str) -> Result<String, String> {
    if path.ends_with("/web.xml") { Ok(domain("web")) } else { Err("no such file".to_owned()) }
}

fn imported(cib: &str) -> Imported {
    import(cib, &mut brought).expect("it is a CIB")
}

/// What the text reads as once every missing file is there.
fn read(imported: &Imported) -> Config {
    let mut files = |name: &str| Ok(domain(name.trim_end_matches(".xml")));
    grammar::read(&imported.text, &mut files).unwrap_or_else(|error| panic!("{error}\n{}", imported.text))
}

fn expect(name: &str, actual: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pacemaker").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, actual).expect("it can be written");
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(actual, wanted, "{} says otherwise; UPDATE=1 rewrites it", file.display());
}

#[test]
fn a_household_comes_over_and_what_does_not_is_told() {
    let imported = imported(HOUSEHOLD);
    let told: String = imported.told.iter().map(|one| format!("{one}\n")).collect();
    expect("household.txt", &format!("{}\n{told}", imported.text));
    assert_eq!(imported.missing, ["db.xml"]);
    let report = validate(&read(&imported));
    assert!(report.is_ok(), "{:?}", report.errors);
}

/// The page for those who come from there shows what is so.
#[test]
fn the_page_about_it_is_true() {
    let page = include_str!("../../docs/operator/coming-from-pacemaker.md");
    let mut blocks = page.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').expect("a block").1);
    let mut next = || blocks.next().expect("the page has a CIB, what is printed and what is told").trim_end();
    let imported = import(next(), &mut |_| Err("no such file".to_owned())).expect("it is a CIB");
    assert_eq!(imported.text.trim_end(), next());
    let told: Vec<String> = imported.told.iter().map(ToString::to_string).collect();
    assert_eq!(told.join("\n"), next());
    assert!(validate(&read(&imported)).is_ok());
}

#[test]
fn no_element_and_no_attribute_goes_without_a_word() {
    // Each is put into a CIB that is taken whole; it has to come out, or be told by name.
    let whole = imported(HOUSEHOLD);
    // What Pacemaker itself does not check.
    let unchecked = HOUSEHOLD.replace("validate-with=\"pacemaker-3.9\"", "validate-with=\"none\"");
    assert_ne!(unchecked, HOUSEHOLD);
    let check = |what: &str, cib: &str, owner: &str| {
        let told = imported(cib).told;
        assert!(told.len() > whole.told.len(), "{what} goes without a word");
        let is_told = told.iter().any(|one| one.id == owner && one.what.contains(what));
        assert!(is_told, "{what} of {owner} is not told: {told:#?}");
    };
    check(
        "colour",
        &unchecked.replace("<rsc_location id=\"web-likes-n1\"", "<rsc_location colour=\"red\" id=\"web-likes-n1\""),
        "web-likes-n1",
    );
    check("novelty", &unchecked.replace("<utilization id=\"web-u\">", "<novelty/><utilization id=\"web-u\">"), "web");
    check(
        "lacuna",
        &unchecked.replace("<fencing-topology>", "<lacuna><hole id=\"h\"/></lacuna><fencing-topology>"),
        "lacuna",
    );
    check(
        "speed",
        &unchecked.replace("name=\"migration_transport\" value=\"tcp\"", "name=\"speed\" value=\"9\""),
        "web",
    );
}

#[test]
fn a_clone_of_a_group_comes_over_with_its_group() {
    let clone = |meta: &str, kind: &str| {
        let primitive = |id: &str| {
            format!("<primitive id='{id}' class='ocf' provider='heartbeat' type='{kind}'><operations/></primitive>")
        };
        let group = format!("<group id='g'>{}{}</group>", primitive("a"), primitive("b"));
        let meta = format!("<meta_attributes id='m'><nvpair id='n' name='{meta}' value='true'/></meta_attributes>");
        imported(&format!(
            "<cib><configuration><resources><clone id='c'>{meta}{group}</clone></resources></configuration></cib>"
        ))
    };
    let taken = clone("interleave", "Dummy");
    assert!(taken.text.contains("group g a b\nclone c g \\\n\tmeta interleave=true\n"), "{}", taken.text);
    assert!(validate(&read(&taken)).is_ok());
    let promoted = clone("promotable", "Stateful");
    assert!(promoted.text.contains("group g a b\nclone c g \\\n\tmeta promotable=true\n"), "{}", promoted.text);
    assert!(validate(&read(&promoted)).is_ok());
    let (left, why) = (clone("interleave", "VirtualDomain"), "a clone of a VM, which has one identity");
    for id in ["c", "g", "a", "b"] {
        assert!(left.told.iter().any(|one| one.id == id && one.what.contains(why)), "{id}: {:?}", left.told);
    }
}

#[test]
fn a_location_about_a_node_that_is_not_there_is_told() {
    let location = |id: &str, who: &str, node: &str| format!("<rsc_location id='{id}' {who} node='{node}' score='7'/>");
    let locations = [("l1", "rsc='a'", "n9"), ("l2", "rsc-pattern='a.*'", "n8"), ("l3", "rsc='a'", "n1")];
    let locations: String = locations.iter().map(|(id, who, node)| location(id, who, node)).collect();
    let cib = format!(
        "<cib><configuration><nodes><node id='1' uname='n1'/></nodes><resources><primitive id='a' class='ocf' \
         provider='heartbeat' type='Dummy'/></resources><constraints>{locations}</constraints></configuration></cib>"
    );
    let taken = imported(&cib);
    let about_nodes = taken.told.iter().filter(|one| one.what.contains("no such node"));
    let told: Vec<&str> = about_nodes.map(|one| one.id.as_str()).collect();
    assert_eq!(told, ["l1", "l2"]);
    assert!(taken.text.contains("location l1 a 7: n9\n"), "it comes over all the same: {}", taken.text);
    let warnings = quorate_core::cib::read(&cib, None, 0).expect("a CIB").warnings;
    let told: Vec<&str> =
        warnings.iter().filter_map(|one| one.split_once(": it is about node").map(|it| it.0)).collect();
    assert_eq!(told, ["l1", "l2"], "{warnings:?}");
}

#[test]
fn rules_of_defaults_come_over() {
    let block = |id: &str, rule: &str, pair: &str| {
        let (name, value) = pair.split_once('=').expect("a pair");
        format!(
            "<meta_attributes id='{id}'><rule id='{id}-r' boolean-op='and'>{rule}</rule><nvpair id='{id}-n' name='{name}' value='{value}'/></meta_attributes>"
        )
    };
    let ops = block(
        "o",
        "<rsc_expression id='e' class='ocf' type='Dummy'/><op_expression id='f' name='start'/>",
        "timeout=90s",
    );
    let dates = block("p", "<date_expression id='g' operation='gt' start='2030-01-01'/>", "timeout=80s");
    let vms =
        block("q", "<rsc_expression id='h' class='ocf' provider='heartbeat' type='VirtualDomain'/>", "priority=5");
    let taken = imported(&format!(
        "<cib><configuration><op_defaults>{ops}{dates}</op_defaults><rsc_defaults>{vms}</rsc_defaults></configuration></cib>"
    ));
    assert!(taken.text.contains("op_defaults rule resource ocf::Dummy and op start timeout=90s\n"), "{}", taken.text);
    assert!(taken.text.contains("rsc_defaults rule resource vm:: priority=5\n"), "{}", taken.text);
    assert!(taken.told.iter().any(|one| one.id == "op_defaults" && one.what.contains("on dates")), "{:?}", taken.told);
    assert!(validate(&read(&taken)).is_ok());
}

#[test]
fn what_is_no_cib_is_refused_with_its_place() {
    let refused = |text: &str| import(text, &mut brought).expect_err("no CIB").to_string();
    assert!(refused("<cib>").starts_with("line 1, column "), "{}", refused("<cib>"));
    assert!(refused("<domain/>").contains("this is <domain>"));
    assert!(refused("").contains("no XML"));
}

/// Every CIB that lies beside the repository, where there are any: see `cargo xtask pacemaker-cases`.
fn cases() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/pacemaker-cases/xml");
    let Ok(directory) = std::fs::read_dir(beside) else { return Vec::new() };
    let mut files: Vec<PathBuf> = directory.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.sort();
    files
}

#[test]
fn whatever_pacemaker_was_configured_with_comes_over_or_is_told() {
    const OBJECTS: &[&str] = &[
        "primitive",
        "group",
        "clone",
        "master",
        "bundle",
        "template",
        "rsc_location",
        "rsc_colocation",
        "rsc_order",
        "rsc_ticket",
        "tag",
    ];
    for file in cases() {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let imported = import(&text, &mut |_| Err("not here".to_owned()));
        let imported = imported.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let report = validate(&read(&imported));
        assert!(report.is_ok(), "{}: {:?}\n{}", file.display(), report.errors, imported.text);
        let words: Vec<&str> = imported.text.split(|c: char| c.is_whitespace() || "=,:\"".contains(c)).collect();
        let is_there = |id: &str| words.contains(&id) || imported.told.iter().any(|one| one.id == id);
        let document = roxmltree::Document::parse(&text).expect("it was read before");
        let configuration = document.descendants().find(|at| at.has_tag_name("configuration")).expect("a CIB has one");
        for at in configuration.descendants().filter(|at| OBJECTS.contains(&at.tag_name().name())) {
            let id = at.attribute("id").expect("an object has an id");
            assert!(is_there(id), "{}: {} {id} is lost\n{}", file.display(), at.tag_name().name(), imported.text);
        }
        let of_properties = |at: &roxmltree::Node<'_, '_>| at.ancestors().any(|up| up.has_tag_name("crm_config"));
        for at in configuration.descendants().filter(|at| at.has_tag_name("nvpair")).filter(of_properties) {
            let name = at.attribute("name").unwrap_or_default();
            let is_renamed = imported.told.iter().any(|one| one.id == name && one.fate == Fate::Changed);
            assert!(is_there(name) || is_renamed, "{}: property {name} is lost", file.display());
        }
    }
}

#[test]
fn blocks_with_rules_come_over_where_they_can_be() {
    let block = |name: &str, id: &str, rule: &dyn Fn(&str) -> String, pair: &str| {
        let (key, value) = pair.split_once('=').expect("a pair");
        format!(
            r#"<{name} id="{id}" score="2"><rule id="{id}-r" score="0">{}</rule><nvpair id="{id}-p" name="{key}" value="{value}"/></{name}>"#,
            rule(id)
        )
    };
    let node = |id: &str| format!(r##"<expression id="{id}-e" attribute="#uname" operation="eq" value="n1"/>"##);
    let date = |id: &str| {
        format!(
            r#"<date_expression id="{id}-d" operation="date_spec"><date_spec id="{id}-s" hours="8-17"/></date_expression>"#
        )
    };
    let (params, meta) = ("instance_attributes", "meta_attributes");
    let cib = format!(
        r#"<configuration><resources><primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2">{}{}{}{}</primitive></resources>
        <rsc_defaults>{}{}</rsc_defaults></configuration>"#,
        block(params, "a", &node, "nic=bond0"),
        block(params, "b", &date, "ip=10.0.0.1"),
        block(meta, "c", &date, "priority=5"),
        block(meta, "f", &node, "priority=6"),
        block(meta, "g", &date, "resource-stickiness=INFINITY"),
        block(meta, "h", &date, "is-managed=false"),
    );
    let imported = imported(&cib);
    for line in [
        "params 2: rule \"#uname\" eq n1 nic=bond0",
        "meta 2: rule date spec hours=8-17 priority=5",
        "rsc_defaults 2: rule date spec hours=8-17 resource-stickiness=INFINITY",
    ] {
        assert!(imported.text.contains(line), "{line}\n{}", imported.text);
    }
    let lost: Vec<&str> =
        imported.told.iter().filter(|one| one.fate == Fate::LeftOut).map(|one| one.what.as_str()).collect();
    assert_eq!(
        lost,
        [
            "ip: parameters with a rule on dates: what runs keeps what it was started with",
            "priority: meta attributes with a rule on attributes of nodes: they hold wherever it runs",
            "is-managed: is-managed cannot stand in a set with a rule or a score: what was not managed has to be looked at first, which is \
         done when that is committed",
        ]
    );
    assert!(validate(&read(&imported)).is_ok());
}

#[test]
fn a_guest_node_is_told_and_its_vm_is_taken() {
    let guest = r#"<cib><configuration><nodes><node id="1" uname="n1"/></nodes><resources>
        <primitive id="db" class="ocf" provider="heartbeat" type="pgsql"><meta_attributes id="m">
        <nvpair id="p" name="remote-node" value="g1"/></meta_attributes></primitive></resources></configuration></cib>"#;
    let imported = imported(guest);
    assert!(imported.text.contains("primitive db ocf:heartbeat:pgsql"), "{}", imported.text);
    assert!(!imported.text.contains("remote-node"), "{}", imported.text);
    let told: Vec<String> = imported.told.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|line| line.contains("it is a guest node, and there are none here")), "{told:?}");
}

#[test]
fn tickets_come_over_with_the_site_that_holds_them() {
    let primitive = |id: &str| format!("<primitive id='{id}' class='ocf' provider='heartbeat' type='Dummy'/>");
    let set = "<resource_set id='s' role='Promoted'><resource_ref id='c'/></resource_set>";
    let meta = "<meta_attributes id='m'><nvpair id='n' name='promotable' value='true'/></meta_attributes>";
    let taken = imported(&format!(
        "<cib><configuration><resources>{}<clone id='c'>{meta}{}</clone></resources><constraints>\
         <rsc_ticket id='t' rsc='a' ticket='east' loss-policy='fence'/><rsc_ticket id='u' ticket='west'>{set}</rsc_ticket>\
         </constraints></configuration><status><tickets><ticket_state id='east' granted='true' standby='true'/>\
         <ticket_state id='west' granted='false'/></tickets></status></cib>",
        primitive("a"),
        primitive("b")
    ));
    let lines = "rsc_ticket t east: a loss-policy=fence\nrsc_ticket u west: c:Promoted\n";
    assert!(taken.text.contains(lines), "{}", taken.text);
    assert_eq!(taken.tickets, [("east".to_owned(), true)]);
    assert!(validate(&read(&taken)).is_ok());
}

#[test]
fn an_import_refuses_what_a_simulation_refuses() {
    let faulty = HOUSEHOLD
        .replace("<rsc_location id=\"web-likes-n1\"", "<rsc_location colour=\"red\" id=\"web-likes-n1\"")
        .replace("<utilization id=\"web-u\">", "<novelty/><utilization id=\"web-u\">");
    let nested = format!("{}{}", "<rule>".repeat(200), "</rule>".repeat(200));
    let deep = format!("<cib><configuration><constraints>{nested}</constraints></configuration></cib>");
    for (cib, words) in [(faulty, ["colour", "novelty"]), (deep, ["more than 100 deep", "take some out"])] {
        let refused = import(&cib, &mut brought).expect_err("it has not the form of a CIB").to_string();
        let simulated = quorate_core::cib::read(&cib, None, 0).expect_err("it has not either").to_string();
        assert_eq!(refused, simulated);
        assert!(words.iter().all(|word| refused.contains(word)), "{refused}");
    }
}

#[test]
fn what_nobody_is_to_check_is_simulated_but_for_its_depth() {
    let cib = |inside: &str| {
        format!("<cib validate-with='none'><configuration><constraints>{inside}</constraints></configuration></cib>")
    };
    assert!(quorate_core::cib::read(&cib("<novelty/>"), None, 0).is_ok());
    let nested = format!("{}{}", "<rule>".repeat(200), "</rule>".repeat(200));
    let refused = quorate_core::cib::read(&cib(&nested), None, 0).expect_err("it is too deep").to_string();
    assert!(refused.contains("more than 100 deep"), "{refused}");
}
