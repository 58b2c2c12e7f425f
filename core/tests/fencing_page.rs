//! What the page about fencing says to configure is understood, and has nothing wrong with it.

use quorate_core::config::Config;
use quorate_core::config::validate::{of_members, validate};
use quorate_core::grammar::{Mode, apply_statements, parse};
use quorate_core::id::NodeId;

#[test]
fn the_page_about_fencing_is_true() {
    let page = include_str!("../../docs/operator/fencing.md");
    let mut config = Config::default();
    let blocks: Vec<&str> = page.split("\n```").skip(1).step_by(2).collect();
    let lines = blocks.iter().flat_map(|block| block.lines()).filter_map(|line| line.strip_prefix("qrm configure "));
    let mut read = 0;
    for line in lines {
        let statements =
            parse(line, &mut |_| Err("no such file".to_owned())).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        apply_statements(&mut config, statements, Mode::Add).unwrap_or_else(|e| panic!("{line}: {e:?}"));
        read += 1;
    }
    assert!(read >= 6, "only {read} examples were found");
    let nodes = ["n1", "n2", "n3"].map(NodeId::from).into_iter().collect();
    let report = validate(&config);
    assert_eq!((report.errors, report.warnings), (Vec::new(), Vec::new()));
    assert_eq!(of_members(&config, &nodes), []);
}
