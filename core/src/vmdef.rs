//! What a libvirt domain definition says about identity: its name, its UUID and the disks it may write.
//!
//! The **one-disk** rule needs all three to be unique in the cluster, checked when a definition is entered.
//! This file only reads text: it does not ask libvirt, open a disk, or judge anything else in the XML.

use std::fmt;

use roxmltree::{Document, Node};

/// A place in the XML text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a domain definition cannot be managed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VmDefError {
    /// The text is not well-formed XML.
    #[error("the domain XML cannot be read: {message} ({at})")]
    NotXml {
        /// Where reading stopped.
        at: Position,
        /// What the parser met.
        message: String,
    },
    /// The outermost element is not `<domain>`.
    #[error("{at}: the outermost element is <{found}>; a VM needs a libvirt <domain>, as `virsh dumpxml` prints it")]
    NotDomain {
        /// The element.
        at: Position,
        /// Its name.
        found: String,
    },
    /// An element that identity needs is absent or empty.
    #[error("{at}: the domain has no <{element}>; {mend}")]
    Missing {
        /// The element that lacks it.
        at: Position,
        /// What is missing.
        element: &'static str,
        /// What to write.
        mend: &'static str,
    },
    /// An element that identity needs occurs twice.
    #[error("{at}: a second <{element}>; keep one")]
    Twice {
        /// The second one.
        at: Position,
        /// Its name.
        element: &'static str,
    },
    /// The UUID is not one.
    #[error(
        "{at}: `{found}` is not a UUID; write 32 hexadecimal digits such as 6f1d2c3a-0b4e-4c5d-8e9f-001122334455 (`cat /proc/sys/kernel/random/uuid` makes one)"
    )]
    BadUuid {
        /// The element.
        at: Position,
        /// Its text.
        found: String,
    },
    /// The name holds a character libvirt or the host's paths refuse.
    #[error("{at}: the name `{found}` contains {bad:?}; use letters, digits, `-`, `_`, `.`")]
    BadName {
        /// The element.
        at: Position,
        /// Its text.
        found: String,
        /// The character.
        bad: char,
    },
    /// A writable disk whose storage cannot be named, so nobody can tell whether another VM has it.
    #[error("{at}: the writable disk {target} has a source that names no storage; {mend}")]
    UnnamedDisk {
        /// The disk.
        at: Position,
        /// Its target device, `vda`.
        target: String,
        /// What to write.
        mend: &'static str,
    },
}

/// Storage a domain writes and does not share: no second running domain may have it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Disk {
    /// The storage, comparable between definitions: `file:/srv/vm1.qcow2`, `network:rbd:pool/vm1`.
    pub source: String,
    /// The device the guest sees: `vda`.
    pub target: String,
}

/// The identity of one VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmDefinition {
    /// libvirt's domain name.
    pub name: String,
    /// Lower case, with dashes.
    pub uuid: String,
    /// Writable, non-shareable disks in the order of the XML.
    pub disks: Vec<Disk>,
}

/// Reads a domain definition.
///
/// # Errors
/// Says what is wrong and where in the text; the first problem only.
pub fn parse(xml: &str) -> Result<VmDefinition, VmDefError> {
    let document = document(xml)?;
    let domain = domain(&document)?;
    let name = name(&domain)?;
    let uuid = uuid(&domain)?;
    let mut disks = Vec::new();
    for devices in elements(&domain, "devices") {
        for disk in elements(&devices, "disk") {
            disks.extend(writable(&disk)?);
        }
    }
    Ok(VmDefinition { name, uuid, disks })
}

fn document(xml: &str) -> Result<Document<'_>, VmDefError> {
    Document::parse(xml).map_err(|e| {
        let at = e.pos();
        // roxmltree ends its messages with the position, which the error carries by itself.
        let message = e.to_string();
        let message = message.strip_suffix(&format!(" at {at}")).unwrap_or(&message).to_owned();
        VmDefError::NotXml { at: Position { line: at.row, column: at.col }, message }
    })
}

fn domain<'a, 'i>(document: &'a Document<'i>) -> Result<Node<'a, 'i>, VmDefError> {
    let root = document.root_element();
    if root.tag_name().name() == "domain" {
        return Ok(root);
    }
    Err(VmDefError::NotDomain { at: position(&root), found: root.tag_name().name().to_owned() })
}

fn name(domain: &Node<'_, '_>) -> Result<String, VmDefError> {
    let node = only(domain, "name", "write for example <name>vm1</name>")?;
    let name = text(&node);
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | ':' | '@' | ' ');
    match name.chars().find(|c| !fits(*c)) {
        Some(bad) => Err(VmDefError::BadName { at: position(&node), found: name, bad }),
        None => Ok(name),
    }
}

fn uuid(domain: &Node<'_, '_>) -> Result<String, VmDefError> {
    let node = only(
        domain,
        "uuid",
        "without one each start would get another; add <uuid>…</uuid> with the output of `cat /proc/sys/kernel/random/uuid`",
    )?;
    let found = text(&node);
    normal_uuid(&found).ok_or_else(|| VmDefError::BadUuid { at: position(&node), found })
}

/// A UUID as libvirt reads it (dashes anywhere between digits), as libvirt prints it.
pub fn normal_uuid(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let d = digits.to_ascii_lowercase();
    if d.as_bytes().chunks(2).all(|byte| byte == &d.as_bytes()[..2]) {
        return None; // libvirt refuses one whose bytes are all the same.
    }
    Some(format!("{}-{}-{}-{}-{}", &d[..8], &d[8..12], &d[12..16], &d[16..20], &d[20..]))
}

/// The disk's storage when the guest may write it alone.
fn writable(disk: &Node<'_, '_>) -> Result<Option<Disk>, VmDefError> {
    let has = |name| elements(disk, name).next().is_some();
    let device = disk.attribute("device").unwrap_or("disk");
    if has("readonly") || has("shareable") || device == "cdrom" {
        return Ok(None);
    }
    let target = elements(disk, "target").next().and_then(|t| t.attribute("dev")).unwrap_or("?").to_owned();
    let Some(source) = elements(disk, "source").next() else {
        if device == "floppy" {
            return Ok(None); // an empty drive
        }
        let mend = "add <source file='…'/>, or <readonly/> or <shareable/> if it is meant so";
        return Err(VmDefError::UnnamedDisk { at: position(disk), target, mend });
    };
    let kind = disk.attribute("type").unwrap_or("file");
    match storage(kind, &source) {
        Some(source) => Ok(Some(Disk { source, target })),
        None => {
            let mend = "give <source> the attribute its disk type needs (file, dev, dir, name, or pool and volume)";
            Err(VmDefError::UnnamedDisk { at: position(&source), target, mend })
        }
    }
}

/// A comparable name for the storage. Hosts of a network disk are left out on purpose: the same volume is
/// often written with its monitors in another order, and calling two volumes one is the safe mistake.
fn storage(kind: &str, source: &Node<'_, '_>) -> Option<String> {
    let attribute = |name: &str| source.attribute(name).filter(|v| !v.trim().is_empty());
    match kind {
        "file" => attribute("file").map(|v| format!("file:{}", tidy(v))),
        // A block device can be given as a file too: both names mean the same storage.
        "block" => attribute("dev").map(|v| format!("file:{}", tidy(v))),
        "dir" => attribute("dir").map(|v| format!("file:{}", tidy(v))),
        "network" => {
            let protocol = attribute("protocol").unwrap_or("?");
            attribute("name").map(|v| format!("network:{protocol}:{}", v.trim_matches('/')))
        }
        "volume" => Some(format!("volume:{}:{}", attribute("pool")?, attribute("volume")?)),
        _ => {
            let mut pairs: Vec<String> = source.attributes().map(|a| format!("{}={}", a.name(), a.value())).collect();
            pairs.sort();
            (!pairs.is_empty()).then(|| format!("{kind}:{}", pairs.join(",")))
        }
    }
}

/// A path without doubled or trailing slashes and `.` parts; `..` is left alone (links make it undecidable).
fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    let lead = if path.starts_with('/') { "/" } else { "" };
    format!("{lead}{}", parts.join("/"))
}

fn only<'a, 'i>(parent: &Node<'a, 'i>, element: &'static str, mend: &'static str) -> Result<Node<'a, 'i>, VmDefError> {
    let mut found = elements(parent, element);
    let first = found.next().filter(|n| !text(n).is_empty());
    let Some(first) = first else {
        return Err(VmDefError::Missing { at: position(parent), element, mend });
    };
    match found.next() {
        Some(second) => Err(VmDefError::Twice { at: position(&second), element }),
        None => Ok(first),
    }
}

fn elements<'a, 'i: 'a>(parent: &Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> + use<'a, 'i> {
    parent.children().filter(move |c| c.is_element() && c.tag_name().name() == name)
}

fn text(node: &Node<'_, '_>) -> String {
    node.text().unwrap_or("").trim().to_owned()
}

fn position(node: &Node<'_, '_>) -> Position {
    let at = node.document().text_pos_at(node.range().start);
    Position { line: at.row, column: at.col }
}

#[cfg(test)]
#[path = "vmdef_tests.rs"]
mod tests;
