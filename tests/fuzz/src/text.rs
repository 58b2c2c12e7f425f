//! Doors that take text.

use quorate_agents::ocf::{check_params, exit_reason, parse_metadata};
use quorate_core::cib;
use quorate_core::config::validate::validate;
use quorate_core::grammar;
use quorate_core::import::import;
use quorate_core::scheduler::schedule;
use quorate_core::vmdef;
use quorate_node::security::{Token, ca, names};

/// Longer inputs find nothing that shorter ones do not.
const LONGEST: usize = 1 << 16;

fn text(bytes: &[u8]) -> Option<std::borrow::Cow<'_, str>> {
    (bytes.len() <= LONGEST).then(|| String::from_utf8_lossy(bytes))
}

/// What is accepted is printed, and what is printed is accepted as the same.
pub(crate) fn grammar(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut domain = |name: &str| match name.starts_with("no") {
        true => Err("no such file".to_owned()),
        false => Ok(format!("<domain><name>{name}</name></domain>")),
    };
    let Ok(config) = grammar::read(&text, &mut domain) else { return };
    let report = validate(&config);
    if report.is_ok() {
        let printed = grammar::print(&config);
        let again = grammar::read(&printed, &mut domain);
        assert_eq!(again.as_ref(), Ok(&config), "what is printed reads as something else:\n{printed}");
    }
}

pub(crate) fn grammar_seeds() -> Vec<Vec<u8>> {
    [
        "node n1 attributes rack=a utilization cpu=8\nprimitive vm1 vm:libvirt params xml=@vm1 meta priority=3 op start timeout=60s",
        "primitive f stonith:ipmi params target=n1 ip=::1 username=a password=\"b c\"\nfencing_topology n1: f,g h",
        "primitive ip ocf:heartbeat:IPaddr2 ip=1.2.3.4 op monitor interval=10s on-fail=fence OCF_CHECK_LEVEL=10",
        "location l vm1 -inf: n1\ncolocation c inf: a b\norder o Serialize: a b symmetrical=false\nproperty a=b \\\n c=d",
        "rsc_defaults priority=1\nop_defaults timeout=PT1M\nset vm1.op.10s.timeout 5\ndelete --force vm1\nrename a b # c",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// What is read is planned; what is imported is accepted by our own grammar.
pub(crate) fn cib(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(model) = cib::read(&text, None, 0) {
        schedule(model);
    }
    let Ok(imported) = import(&text, &mut |_| Err("not here".to_owned())) else { return };
    let mut domain = |name: &str| Ok(format!("<domain><name>{name}</name></domain>"));
    let read = grammar::read(&imported.text, &mut domain);
    assert!(read.is_ok(), "what was imported is refused: {read:?}\n{}", imported.text);
}

pub(crate) fn cib_seeds() -> Vec<Vec<u8>> {
    let household = include_str!("../../../core/tests/pacemaker/household.xml");
    vec![household.as_bytes().to_vec()]
}

pub(crate) fn domain_xml(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let _ = vmdef::parse(&text);
    let _ = quorate_agents::vm::definition::mark(&text);
    quorate_agents::vm::definition::says_starting(&text);
}

pub(crate) fn domain_seeds() -> Vec<Vec<u8>> {
    let whole = "<domain type='kvm'>\n<name>vm1</name>\n<uuid>6f1d2c3a-0b4e-4c5d-8e9f-001122334455</uuid><metadata/>\
        <devices><disk type='file'><source file='/a'/><target dev='vda'/></disk><disk type='network'><source protocol='rbd' \
        name='p/v'/><target dev='vdb'/><shareable/></disk></devices></domain>";
    let entity = "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain><name>&a;</name></domain>";
    [whole, entity, "<quorate:start xmlns:quorate=\"urn:quorate:domain:1\" phase=\"starting\"/>"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

pub(crate) fn agent_output(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Some(reason) = exit_reason(&text) {
        assert!(reason.chars().count() <= 401 && !reason.contains('\u{1b}'), "{reason:?}");
    }
    if let Ok(metadata) = parse_metadata(&text) {
        let params = metadata.parameters.iter().map(|it| (it.name.clone(), it.default.clone().unwrap_or_default()));
        check_params("ocf:a:b", &metadata, &params.collect());
    }
}

pub(crate) fn agent_seeds() -> Vec<Vec<u8>> {
    let metadata = "<?xml version=\"1.0\"?>\n<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">\n<resource-agent name=\"x\" version=\"1\">\
        <longdesc lang=\"en\">l</longdesc><shortdesc>s</shortdesc><parameters><parameter name=\"a\" unique=\"1\" required=\"1\">\
        <content type=\"integer\" default=\"3\"/></parameter><parameter name=\"m\"><content type=\"select\"><option value=\"a\"/>\
        </content><deprecated/></parameter></parameters><actions><action name=\"start\" timeout=\"20s\" depth=\"0\"/></actions></resource-agent>";
    [metadata, "ERROR: x\nocf-exit-reason:no such device\n", "ocf-exit-reason:\u{1b}[31m\n"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

pub(crate) fn identity(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(token) = Token::parse(&text) {
        let again = Token::parse(&token.reveal()).map(|again| again.hash());
        assert_eq!(again.ok(), Some(token.hash()));
    }
    let _ = ca::fingerprint(&text);
    let _ = ca::holder_pem(&text);
    let _ = ca::holder(bytes);
    let _ = ca::remaining(&text);
    let _ = ca::key_fingerprint(&text);
    let _ = ca::Csr::parse(&text);
    let _ = ca::fingerprint_der(bytes);
    let _ = names::check_node_name(&text);
    let _ = names::check_address(&text);
    let _ = names::check_hardware_id(&text);
}

pub(crate) fn identity_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![b"n1".to_vec(), b"10.0.0.1:7800".to_vec(), b"[::1]:1".to_vec()];
    if let Ok(authority) = ca::Ca::create("house") {
        let members = ["10.0.0.1:7800".parse(), "[::1]:7800".parse()].into_iter().flatten();
        let fingerprint = ca::fingerprint(&authority.certificate_pem).unwrap_or_default();
        seeds.extend(Token::create(members, &fingerprint).ok().map(|token| token.reveal().into_bytes()));
        seeds.push(authority.certificate_pem.into_bytes());
    }
    if let Ok(key) = ca::new_key() {
        seeds.extend(ca::request(&key).ok().map(String::into_bytes));
        seeds.push(key.into_bytes());
    }
    seeds
}
