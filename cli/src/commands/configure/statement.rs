//! One statement of the grammar from the command line: its words are taken as they are.

use super::{How, change};
use crate::commands::Context;
use crate::error::CliError;
use crate::script;
use clap::{Args, Subcommand};
use quorate_api::proto::ConfigureMode;
use std::path::Path;

/// Statements; their syntax is the grammar's, which says what is wrong with them.
#[derive(Debug, Subcommand)]
pub(crate) enum Statement {
    /// Define a VM or a fence device
    ///
    /// Example: qrm configure primitive vm1 vm:libvirt params xml=@vm1.xml meta priority=10
    Primitive(Words),
    /// Define what several primitives have in common; each begins from it as @TEMPLATE
    ///
    /// Example: qrm configure rsc_template guest vm:libvirt meta allow-migrate=true op stop timeout=120s
    #[command(name = "rsc_template")]
    RscTemplate(Words),
    /// Keep resources together on one node, started one after another
    ///
    /// Example: qrm configure group shop db web meta priority=10
    Group(Words),
    /// Run a resource once on each node, or on so many as its clone-max says
    ///
    /// Example: qrm configure clone pings ping meta interleave=true
    Clone(Words),
    /// Run a resource on each node and have some of it promoted: a clone with promotable=true
    ///
    /// Example: qrm configure ms dbs db meta promoted-max=1
    Ms(Words),
    /// Give several resources one name, for constraints
    ///
    /// Example: qrm configure tag databases db1 db2
    Tag(Words),
    /// Put a resource into a group, or take it out
    ///
    /// Example: qrm configure modgroup shop add cache before web
    Modgroup(Words),
    /// Watch a resource
    ///
    /// Example: qrm configure monitor ip 10s:20s
    Monitor(Words),
    /// Say where a VM may or should run
    ///
    /// Of several at once: a group, a tag, /PATTERN/ or { A B }. By what nodes are like: rule SCORE: EXPRESSION.
    ///
    /// Example: qrm configure location vm1-likes-n2 vm1 100: n2
    ///
    /// Example: qrm configure location guests-in-the-east /^vm/ rule -inf: rack ne east
    Location(Words),
    /// Keep resources together or apart
    ///
    /// Example: qrm configure colocation apart -inf: vm1 vm2
    ///
    /// Example: qrm configure colocation all-apart -inf: vm1 vm2 vm3
    Colocation(Words),
    /// Start one VM after another
    ///
    /// Example: qrm configure order db-first Mandatory: db web
    ///
    /// Example: qrm configure order in-steps db ( web1 web2 ) proxy
    Order(Words),
    /// Let resources run only while this cluster holds a ticket
    ///
    /// Example: qrm configure rsc_ticket web-east east: web db:Promoted loss-policy=stop
    #[command(name = "rsc_ticket")]
    RscTicket(Words),
    /// Set cluster properties
    ///
    /// Example: qrm configure property lost-after=8s
    Property(Words),
    /// Set meta attributes for all resources that do not set them
    ///
    /// Example: qrm configure rsc_defaults migration-threshold=3
    #[command(name = "rsc_defaults")]
    RscDefaults(Words),
    /// Set attributes for all operations that do not set them
    ///
    /// Example: qrm configure op_defaults timeout=60s
    #[command(name = "op_defaults")]
    OpDefaults(Words),
    /// Give a node attributes
    ///
    /// Example: qrm configure node n1 attributes rack=3
    Node(Words),
    /// Say with which fence devices a node is fenced, in which order
    ///
    /// For a node, for those of an attribute (attr:rack=1), or whose names a pattern fits (pattern:^web)
    ///
    /// Example: qrm configure fencing_topology n1: ipmi-n1 pdu-a,pdu-b
    #[command(name = "fencing_topology")]
    FencingTopology(Words),
    /// Take objects or single attributes out
    ///
    /// Example: qrm configure delete vm1-likes-n2
    Delete(Words),
    /// Set one attribute of an object
    ///
    /// Example: qrm configure set vm1.priority 20
    Set(Words),
    /// Give an object another id
    ///
    /// Example: qrm configure rename vm1 web
    Rename(Words),
}

#[derive(Debug, Args)]
pub(crate) struct Words {
    /// As in the grammar
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "WORD")]
    words: Vec<String>,
}

impl Statement {
    fn parts(&self) -> (&'static str, &Words) {
        match self {
            Self::Primitive(words) => ("primitive", words),
            Self::RscTemplate(words) => ("rsc_template", words),
            Self::Group(words) => ("group", words),
            Self::Clone(words) => ("clone", words),
            Self::Ms(words) => ("ms", words),
            Self::Tag(words) => ("tag", words),
            Self::Modgroup(words) => ("modgroup", words),
            Self::Monitor(words) => ("monitor", words),
            Self::Location(words) => ("location", words),
            Self::Colocation(words) => ("colocation", words),
            Self::Order(words) => ("order", words),
            Self::RscTicket(words) => ("rsc_ticket", words),
            Self::Property(words) => ("property", words),
            Self::RscDefaults(words) => ("rsc_defaults", words),
            Self::OpDefaults(words) => ("op_defaults", words),
            Self::Node(words) => ("node", words),
            Self::FencingTopology(words) => ("fencing_topology", words),
            Self::Delete(words) => ("delete", words),
            Self::Set(words) => ("set", words),
            Self::Rename(words) => ("rename", words),
        }
    }

    /// The statement as text of the grammar.
    pub(crate) fn text(&self) -> String {
        let (keyword, words) = self.parts();
        format!("{keyword} {}", script::from_arguments(&words.words))
    }
}

pub(super) async fn run(context: &Context, how: &How, statement: &Statement) -> Result<(), CliError> {
    let text = script::expand(&statement.text(), Path::new(""))?;
    let client = context.client().await?;
    change(context, &client, how, ConfigureMode::Add, text).await?;
    Ok(())
}
