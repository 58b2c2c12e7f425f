//! What can be typed is understood as it is meant.

use super::{Args, Command};
use crate::commands::configure::statement_text;
use clap::{CommandFactory, Parser};

pub(super) fn parse(line: &str) -> Result<Args, String> {
    let words = std::iter::once("qrm").chain(line.split_whitespace());
    Args::try_parse_from(words).map_err(|error| error.to_string())
}

fn statement(line: &str) -> String {
    match parse(line).expect("it can be typed").command {
        Command::Configure(configure) => statement_text(&configure).expect("it is a statement"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn clap_finds_no_contradiction() {
    Args::command().debug_assert();
}

#[test]
fn statements_are_taken_word_by_word() {
    let check = |line: &str, wanted: &str| assert_eq!(statement(line), wanted);
    check("configure primitive vm1 vm:fake meta priority=1", "primitive vm1 vm:fake meta priority=1");
    check("configure location l vm1 -inf: n2", "location l vm1 -inf: n2");
    check("configure location l vm1 -100: n2", "location l vm1 -100: n2");
    check("configure delete --force vm1", "delete --force vm1");
    check("configure delete vm1 --force", "delete vm1 --force");
    check("configure set vm1.x -5", "set vm1.x -5");
    check("configure rsc_defaults a=b", "rsc_defaults a=b");
    check("configure --dry-run node n1 attributes --json", "node n1 attributes --json");
}

#[test]
fn words_may_be_shortened_while_they_are_unique() {
    for line in [
        "st",
        "stat --json",
        "conf sh vm1",
        "res sto vm1 --wait",
        "n stand n2",
        "cl st",
        "ev -f",
        "res clean vm1",
        "res mo vm1",
    ] {
        parse(line).expect(line);
    }
    for line in ["c st", "res st vm1", "res cl vm1", "frobnicate"] {
        parse(line).expect_err(line);
    }
    assert_eq!(statement("conf prim vm1 vm:fake"), "primitive vm1 vm:fake");
}

#[test]
fn a_node_whose_name_begins_like_a_command_can_be_fenced() {
    for name in ["h", "hist", "n2"] {
        let args = parse(&format!("fence {name}")).expect("a node's name");
        let shown = format!("{:?}", args.command);
        assert!(shown.contains(&format!("node: \"{name}\"")), "{shown}");
    }
    parse("fence").expect_err("which node?");
    parse("fence history").expect("the history");
}

#[test]
fn a_file_alone_is_loaded_as_an_update() {
    let shown = |line: &str| format!("{:?}", parse(line).expect(line).command);
    assert!(shown("configure load vms.txt").contains("file: \"vms.txt\""));
    assert!(shown("configure load update vms.txt").contains("Update(Source { file: \"vms.txt\" })"));
    for whole in ["replace", "push"] {
        assert!(shown(&format!("configure load {whole} vms.txt")).contains("Replace(Source { file: \"vms.txt\" })"));
    }
    parse("configure load replace").expect_err("what?");
    parse("configure load a.txt b.txt").expect_err("one at a time");
}

#[test]
fn options_that_need_others_say_so() {
    parse("resource start vm1 --timeout 5s").expect_err("a timeout of what?");
    parse("resource start vm1 --wait --timeout 5s").expect("a wait");
    parse("resource start vm1 --wait --timeout soon").expect_err("no time");
    parse("status --interval 2").expect_err("of what?");
    parse("cluster init house").expect_err("where?");
    parse("--host n1 --socket /x status").expect("the host wins, whatever the environment says of the socket");
    parse("status --json --socket /x").expect("global options may follow");
}

#[test]
fn help_of_the_top_level() {
    let help = Args::command().term_width(80).render_help().to_string();
    insta::assert_snapshot!(help, @r#"
    Look after a Quorate cluster: virtual machines that run on when the machines
    under them die

    Usage: qrm [OPTIONS] <COMMAND>

    Commands:
      status     Show whether all is well, what waits for whom and what goes on
      cluster    Found a cluster, let nodes join, look at its members
      configure  Say what the cluster should be, in crmsh's words
      ra         Look at resource agents: those of the host that is asked
      resource   Start, stop, move and look at resources
      node       Take nodes out of service and back, or say what you know of them
      ticket     Give this cluster leave to run what needs a ticket, or take it back
      fence      Have a node proven off, or show the fences
      events     Show what happened, or what happens
      explain    Show why a VM is where it is, why not elsewhere, and what would
                 change that
      simulate   Show what would be done from here, and what would be then
      import     Turn a Pacemaker configuration into ours; say what was left out
      help       Print this message or the help of the given subcommand(s)

    Options:
          --json     Print documents as JSON, errors too
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Whom to ask:
          --socket <PATH>          The socket of this host's daemon [env:
                                   QRM_SOCKET] [default: /run/quorate/quorated.sock]
          --host <ADDRESS[:PORT]>  A member to ask over the network instead; needs
                                   --ca, --cert and --key [env: QRM_HOST]
          --ca <FILE>              The cluster's CA certificate [env: QRM_CA]
          --cert <FILE>            Your certificate, signed by that CA [env:
                                   QRM_CERT]
          --key <FILE>             Its private key [env: QRM_KEY]
          --patience <TIME>        How long to ask again while there is no leader or
                                   no answer [default: 20s]

    Exit codes:
      0  done
      1  failed: a defect, a broken host or an unreadable file
      2  the command line makes no sense
      3  refused: the cluster understood, and said no
      4  no quorum or no leader: nothing can be changed now
      5  the daemon cannot be reached
      6  it did not happen in time
    "#);
}

#[test]
fn every_command_says_what_it_does_and_gives_an_example() {
    fn walk(command: &clap::Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty(), "{path} does not say what it does");
        let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        let is_leaf = command.get_subcommands().next().is_none();
        assert!(!is_leaf || long.contains("Example: "), "{path} gives no example");
        command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(|sub| walk(sub, &path));
    }
    walk(&Args::command(), "");
}

#[test]
fn tickets_are_called_as_by_crmsh_too() {
    for line in ["ticket grant east", "ti rev east -y", "site ticket standby east", "ticket show", "ticket time east"] {
        parse(line).expect(line);
    }
    for line in ["ticket", "ticket grant", "site grant east", "ticket lose east"] {
        parse(line).expect_err(line);
    }
    let line = "rsc_ticket t east: web db:Promoted loss-policy=fence";
    assert_eq!(statement(&format!("configure {line}")), line);
}
