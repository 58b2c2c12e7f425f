//! What an OCF agent says of itself: the XML its action `meta-data` prints.
//!
//! Agents are programs of others: what is missing has a default, what is too much is cut, what is odd is noted, and only
//! what is no description at all is refused. Fence agents describe themselves in the same words.

use std::collections::BTreeSet;

use roxmltree::{Document, Node, ParsingOptions};

/// So many elements are read; the largest agent that is known has some hundred.
const NODES_MOST: u32 = 20_000;
/// A text is kept up to so many characters.
const TEXT_MOST: usize = 10_000;

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaData {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is, in a line.
    pub short: String,
    /// What it is, at length.
    pub long: String,
    /// What it may be given.
    pub parameters: Vec<Parameter>,
    /// What it can do, and how long that may take by its author's advice.
    pub actions: Vec<ActionAdvice>,
    /// It says that it follows OCF 1.1: its action `reload` is then another.
    pub is_of_ocf_1_1: bool,
    /// What is odd in it, and was read all the same.
    pub notes: Vec<String>,
}

impl MetaData {
    /// What is said of one action; of several the first.
    pub fn action(&self, name: &str) -> Option<&ActionAdvice> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The action that takes over changed parameters, and which: those marked reloadable, by OCF 1.1; of an older agent
    /// that knows `reload`, those that are not unique.
    pub fn reload(&self) -> Option<(&'static str, BTreeSet<&str>)> {
        let of = |fits: fn(&Parameter) -> bool| {
            self.parameters.iter().filter(|it| fits(it)).map(|it| it.name.as_str()).collect::<BTreeSet<&str>>()
        };
        let (action, names) = if self.action("reload-agent").is_some() {
            ("reload-agent", of(|it| it.reloadable))
        } else if self.action("reload").is_some() && !self.is_of_ocf_1_1 {
            ("reload", of(|it| !it.unique && it.group.is_none()))
        } else {
            return None;
        };
        (!names.is_empty()).then_some((action, names))
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// It has to be given.
    pub required: bool,
    /// No two resources of this agent may have the same value.
    pub unique: bool,
    /// Those of one group may not be the same together; each alone may.
    pub group: Option<String>,
    /// A change of it needs no restart, where the agent can reload.
    pub reloadable: bool,
    /// The older name that it has taken the place of.
    pub obsoletes: Option<String>,
    /// It is not to be used any more.
    pub deprecated: bool,
    /// `string`, `integer`, `boolean`, `select`, or what its author thought of.
    pub kind: String,
    /// The values of a `select`.
    pub options: Vec<String>,
    /// What holds where it is not given.
    pub default: Option<String>,
    /// What it is, in a line.
    pub short: String,
    /// What it is, at length.
    pub long: String,
}

/// One action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionAdvice {
    /// start, stop, monitor …
    pub name: String,
    /// How long it may take.
    pub timeout: Option<String>,
    /// How often it should be repeated.
    pub interval: Option<String>,
    /// Of which depth of looking this is.
    pub depth: Option<String>,
    /// In which role.
    pub role: Option<String>,
    /// Of a fence agent: it is to be called for each node when that joins.
    pub automatic: bool,
}

/// Why a text is no meta-data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetaDataError {
    /// It is no XML.
    #[error("its meta-data cannot be read: {0}")]
    NotXml(String),
    /// It describes something else.
    #[error("its meta-data begins with <{0}>, not with <resource-agent>")]
    NotAnAgent(String),
}

/// Reads meta-data.
///
/// # Errors
/// When it is no XML, or no `<resource-agent>`.
pub fn parse(text: &str) -> Result<MetaData, MetaDataError> {
    // Agents print a document type; nothing is fetched for it.
    let options = ParsingOptions { allow_dtd: true, nodes_limit: NODES_MOST, ..ParsingOptions::default() };
    // Some print a greeting or a warning before it.
    let begin = text.find("<?xml").or_else(|| text.find("<resource-agent")).unwrap_or(0);
    let document = Document::parse_with_options(&text[begin..], options)
        .map_err(|error| MetaDataError::NotXml(error.to_string()))?;
    let root = document.root_element();
    if root.tag_name().name() != "resource-agent" {
        return Err(MetaDataError::NotAnAgent(cut(root.tag_name().name())));
    }
    let parameters = children(root, "parameters").flat_map(|list| children(list, "parameter"));
    let actions = children(root, "actions").flat_map(|list| children(list, "action"));
    let (actions, nameless): (Vec<_>, Vec<_>) =
        actions.map(|node| action(node).ok_or_else(|| line(node))).partition(Result::is_ok);
    let mut read = MetaData {
        name: attribute(root, "name").unwrap_or_default(),
        version: attribute(root, "version").unwrap_or_default(),
        short: description(root, "shortdesc"),
        long: description(root, "longdesc"),
        parameters: Vec::new(),
        actions: actions.into_iter().flatten().collect(),
        is_of_ocf_1_1: children(root, "version").next().and_then(|node| node.text()).is_some_and(is_newer),
        notes: Vec::new(),
    };
    read.notes.extend(
        nameless.into_iter().filter_map(Result::err).map(|line| format!("an action without a name, line {line}")),
    );
    if begin > 0 && !text[..begin].trim().is_empty() {
        read.notes.push("something is printed before it".to_owned());
    }
    for node in parameters {
        match parameter(node) {
            Some(parameter) => read.parameters.push(parameter),
            None => read.notes.push(format!("a parameter without a name, line {}", line(node))),
        }
    }
    if read.short.is_empty() {
        // Fence agents have it there.
        read.short = attribute(root, "shortdesc").unwrap_or_default();
    }
    read.notes.extend(super::notes::odd(&read));
    Ok(read)
}

/// Whether a version of the OCF is 1.1 or more.
fn is_newer(version: &str) -> bool {
    let mut numbers = version.trim().split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (1, 1)
}

fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}

fn parameter(node: Node<'_, '_>) -> Option<Parameter> {
    let content = children(node, "content").next();
    let options = content.into_iter().flat_map(|content| children(content, "option"));
    Some(Parameter {
        name: attribute(node, "name").filter(|name| !name.is_empty())?,
        required: is_set(node, "required"),
        unique: is_set(node, "unique"),
        group: attribute(node, "unique-group"),
        reloadable: is_set(node, "reloadable"),
        obsoletes: attribute(node, "obsoletes"),
        deprecated: children(node, "deprecated").next().is_some() || is_set(node, "deprecated"),
        kind: content.and_then(|content| attribute(content, "type")).unwrap_or_else(|| "string".to_owned()),
        options: options.filter_map(|option| attribute(option, "value")).collect(),
        default: content.and_then(|content| attribute(content, "default")),
        short: description(node, "shortdesc"),
        long: description(node, "longdesc"),
    })
}

fn action(node: Node<'_, '_>) -> Option<ActionAdvice> {
    Some(ActionAdvice {
        name: attribute(node, "name").filter(|name| !name.is_empty())?,
        timeout: attribute(node, "timeout"),
        interval: attribute(node, "interval"),
        depth: attribute(node, "depth"),
        role: attribute(node, "role"),
        automatic: is_set(node, "automatic"),
    })
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn attribute(node: Node<'_, '_>, name: &str) -> Option<String> {
    node.attribute(name).map(cut)
}

fn is_set(node: Node<'_, '_>, name: &str) -> bool {
    matches!(node.attribute(name), Some("1" | "true" | "yes"))
}

/// The English text, else the first there is.
fn description(node: Node<'_, '_>, name: &'static str) -> String {
    let is_english = |text: &Node<'_, '_>| text.attribute("lang").is_none_or(|lang| lang.starts_with("en"));
    let found = children(node, name).find(is_english).or_else(|| children(node, name).next());
    cut(found.and_then(|found| found.text()).unwrap_or_default().trim())
}

fn cut(text: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().take(TEXT_MOST).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMMY: &str = r#"<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="Dummy" version="1.0">
<version>1.1</version>
<longdesc lang="de">Nichts</longdesc>
<longdesc lang="en">
 Nothing &amp; less
</longdesc>
<shortdesc lang="en">a dummy</shortdesc>
<parameters>
<parameter name="state" unique="1" required="1"><shortdesc>State file</shortdesc><content type="string" default="/run/x" /></parameter>
<parameter name="mode" unique-group="m"><content type="select" default="a"><option value="a"/><option value="b"/></content><deprecated/></parameter>
<parameter name="bare"/>
</parameters>
<actions><action name="monitor" timeout="20s" interval="10s" depth="0"/><action/></actions>
</resource-agent>"#;

    #[test]
    fn what_is_said_is_read_and_what_is_left_out_has_a_default() {
        let read = parse(&format!("a warning of somebody's\n{DUMMY}")).expect("meta-data");
        assert_eq!((read.name.as_str(), read.version.as_str()), ("Dummy", "1.0"));
        assert_eq!((read.short.as_str(), read.long.as_str()), ("a dummy", "Nothing & less"));
        let [state, mode, bare] = &read.parameters[..] else { panic!("{:?}", read.parameters) };
        assert!(state.required && state.unique && !state.deprecated);
        assert_eq!((state.kind.as_str(), state.default.as_deref()), ("string", Some("/run/x")));
        assert!(!mode.required && !mode.unique && mode.group.as_deref() == Some("m") && mode.deprecated);
        assert_eq!((mode.kind.as_str(), mode.options.as_slice()), ("select", &["a".to_owned(), "b".to_owned()][..]));
        assert_eq!((bare.kind.as_str(), bare.default.as_deref()), ("string", None));
        assert_eq!(read.actions.len(), 1);
        assert_eq!(read.actions[0].timeout.as_deref(), Some("20s"));
        for note in ["printed before it", "an action without a name, line 15", "no action start"] {
            assert!(read.notes.iter().any(|it| it.contains(note)), "{note}: {:?}", read.notes);
        }
    }

    #[test]
    fn what_is_no_meta_data_is_refused_in_words() {
        for (text, wanted) in [
            ("", "its meta-data cannot be read"),
            ("usage: agent {start|stop}", "its meta-data cannot be read"),
            ("<?xml version='1.0'?><a/>", "begins with <a>"),
            ("<resource-agent><!ENTITY", "cannot be read"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let bomb = format!("<resource-agent>{}</resource-agent>", "<a/>".repeat(30_000));
        assert!(parse(&bomb).is_err());
    }
}
