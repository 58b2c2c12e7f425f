//! The little this crate reads in a domain definition, and the note it writes into it.
//!
//! The note says "created by us, CPUs never let go". libvirt keeps it with the domain, so whoever finds the domain
//! paused, even after a crash of daemon and libvirtd, knows that destroying it loses nothing. It is replaced just
//! before the CPUs run.

use roxmltree::{Document, Node};

use super::VmError;

/// Namespace of the note.
pub const NAMESPACE: &str = "urn:quorate:domain:1";

/// A definition ready to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The domain's name.
    pub name: String,
    /// Its UUID, lower case with dashes.
    pub uuid: String,
    /// The XML with the note.
    pub xml: String,
}

/// Reads name and UUID and puts the note into `<metadata>`; nothing else changes.
///
/// # Errors
/// When it is no XML, or no domain with name and UUID.
pub fn mark(xml: &str) -> Result<Marked, VmError> {
    let refuse = |why: String| VmError::Definition { why };
    let document = Document::parse(xml).map_err(|e| refuse(format!("the domain XML cannot be read: {e}")))?;
    let domain = document.root_element();
    let name = text(&domain, "name").ok_or_else(|| refuse("the domain has no <name>".to_owned()))?;
    let uuid = text(&domain, "uuid").and_then(normal_uuid);
    let uuid = uuid.ok_or_else(|| refuse("the domain has no valid <uuid>".to_owned()))?;
    let note = note();
    let metadata = child(&domain, "metadata");
    let (cut, insert) = match metadata.map(|m| (m, closing_tag(xml, &m))) {
        Some((_, Some(at))) => (at..at, note),
        // An empty `<metadata/>` has no closing tag to write before: it is replaced.
        Some((empty, None)) => (empty.range(), format!("<metadata>{note}</metadata>")),
        None => {
            let at = closing_tag(xml, &domain).ok_or_else(|| refuse("the domain is empty".to_owned()))?;
            (at..at, format!("<metadata>{note}</metadata>"))
        }
    };
    let xml = [&xml[..cut.start], &insert, &xml[cut.end..]].concat();
    Ok(Marked { name: name.to_owned(), uuid, xml })
}

/// The definition of a copy that is sent to another host: with the note again, for its CPUs were never let go there.
///
/// # Errors
/// As [`mark`].
pub fn arriving(xml: &str) -> Result<String, VmError> {
    let refuse = |why: String| VmError::Definition { why };
    let document = Document::parse(xml).map_err(|e| refuse(format!("the domain XML cannot be read: {e}")))?;
    let old = document.descendants().find(|node| node.has_tag_name((NAMESPACE, "start")));
    match old.map(|node| node.range()) {
        Some(range) => Ok([&xml[..range.start], &note(), &xml[range.end..]].concat()),
        None => mark(xml).map(|marked| marked.xml),
    }
}

/// What the note becomes before the CPUs run, as `virDomainSetMetadata` wants it: it adds the namespace itself.
pub const RESUMED: &str = "<start phase=\"resumed\"/>";

fn note() -> String {
    format!("<quorate:start xmlns:quorate=\"{NAMESPACE}\" phase=\"starting\"/>")
}

/// Whether a note, as libvirt returns it, says that the CPUs were never let go.
pub fn says_starting(note: &str) -> bool {
    Document::parse(note).is_ok_and(|d| d.root_element().attribute("phase") == Some("starting"))
}

fn normal_uuid(text: &str) -> Option<String> {
    let d: String = text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
    if d.len() != 32 || !d.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(format!("{}-{}-{}-{}-{}", &d[..8], &d[8..12], &d[12..16], &d[16..20], &d[20..]))
}

/// Byte offset of an element's closing tag; `None` when it closes itself.
fn closing_tag(xml: &str, node: &Node<'_, '_>) -> Option<usize> {
    let range = node.range();
    let text = xml.get(range.clone())?;
    if text.ends_with("/>") { None } else { text.rfind("</").map(|at| range.start + at) }
}

fn child<'a, 'i>(parent: &Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    parent.children().find(|c| c.is_element() && c.tag_name().name() == name)
}

fn text<'a>(parent: &Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(parent, name)?.text().map(str::trim).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "11111111-2222-3333-4444-555555555501";

    fn domain(rest: &str) -> String {
        format!("<domain>\n <name>vm1</name>\n <uuid>{UUID}</uuid>{rest}</domain>")
    }

    #[test]
    fn the_note_goes_into_the_metadata_and_changes_nothing_else() {
        let rows = [
            domain(""),
            domain("<metadata><x:y xmlns:x='urn:x'/></metadata><devices/>"),
            domain("<metadata/><devices/>"),
            domain("<metadata></metadata>"),
            domain("<!-- </domain> <metadata> -->"),
        ];
        for xml in rows {
            let marked = mark(&xml).expect(&xml);
            assert_eq!((marked.name.as_str(), marked.uuid.as_str()), ("vm1", UUID));
            let document = Document::parse(&marked.xml).expect(&marked.xml);
            let notes: Vec<_> = document.descendants().filter(|n| n.has_tag_name((NAMESPACE, "start"))).collect();
            assert_eq!(notes.len(), 1, "{}", marked.xml);
            let parent = notes[0].parent().expect("a parent");
            assert!(parent.has_tag_name("metadata") && parent.parent() == Some(document.root_element()));
            assert_eq!(document.descendants().filter(|n| n.has_tag_name("metadata")).count(), 1, "{}", marked.xml);
            for kept in ["<devices/>", "<x:y xmlns:x='urn:x'/>", "<!-- </domain> <metadata> -->"] {
                assert_eq!(xml.contains(kept), marked.xml.contains(kept), "{}", marked.xml);
            }
        }
    }

    #[test]
    fn only_the_note_of_an_unfinished_start_says_so() {
        for (text, want) in [(&*note(), true), (RESUMED, false), ("", false)] {
            assert_eq!(says_starting(text), want, "{text}");
        }
    }

    #[test]
    fn a_copy_bears_the_note_whatever_its_source_bore() {
        let resumed = format!("<metadata><quorate:start xmlns:quorate=\"{NAMESPACE}\" phase=\"resumed\"/></metadata>");
        for rest in ["", "<metadata/>", &resumed, &format!("<metadata>{}</metadata>", note())] {
            let xml = arriving(&domain(rest)).expect(rest);
            let document = Document::parse(&xml).expect(&xml);
            let notes: Vec<_> = document.descendants().filter(|n| n.has_tag_name((NAMESPACE, "start"))).collect();
            let phases: Vec<_> = notes.iter().map(|note| note.attribute("phase")).collect();
            assert_eq!(phases, [Some("starting")], "{xml}");
        }
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for xml in [
            "",
            "<domain>",
            "<domain/>",
            "<domain><name>a</name></domain>",
            "<domain><name>a</name><uuid>é</uuid></domain>",
        ] {
            assert!(matches!(mark(xml), Err(VmError::Definition { .. })), "{xml}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(xml in "(?s)[<>/a-z '\"=&;!\\-é\n]{0,200}", cut in 0usize..120) {
            let _ = mark(&xml);
            let whole = domain("<metadata/>");
            let _ = mark(&whole[..cut.min(whole.len())]);
        }
    }
}
