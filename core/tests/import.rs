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
    let check = |what: &str, cib: &str, owner: &str| {
        let told = imported(cib).told;
        assert!(told.len() > whole.told.len(), "{what} goes without a word");
        let is_told = told.iter().any(|one| one.id == owner && one.what.contains(what));
        assert!(is_told, "{what} of {owner} is not told: {told:#?}");
    };
    check(
        "colour",
        &HOUSEHOLD.replace("<rsc_location id=\"web-likes-n1\"", "<rsc_location colour=\"red\" id=\"web-likes-n1\""),
        "web-likes-n1",
    );
    check("novelty", &HOUSEHOLD.replace("<utilization id=\"web-u\">", "<novelty/><utilization id=\"web-u\">"), "web");
    check(
        "lacuna",
        &HOUSEHOLD.replace("<fencing-topology>", "<lacuna><hole id=\"h\"/></lacuna><fencing-topology>"),
        "lacuna",
    );
    check(
        "speed",
        &HOUSEHOLD.replace("name=\"migration_transport\" value=\"tcp\"", "name=\"speed\" value=\"9\""),
        "web",
    );
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
