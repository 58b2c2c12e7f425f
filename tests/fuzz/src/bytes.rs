//! Doors that take bytes.

use prost::Message;
use quorate_api::proto;
use quorate_core::state::{ClusterState, Entry};
use quorate_node::daemon::cluster::Store;
use quorate_raft::doors;

/// A request is decoded, and what comes as JSON or grammar in it is read.
pub(crate) fn rpc(bytes: &[u8]) {
    let Some((which, body)) = bytes.split_first() else { return };
    match which % 6 {
        0 => drop(proto::ViewRequest::decode(body)),
        1 => drop(proto::ConfigureRequest::decode(body)),
        2 => drop(proto::ResourceRequest::decode(body)),
        3 => drop(proto::NodeRequest::decode(body)),
        4 => drop(proto::JoinRequest::decode(body)),
        _ => drop(serde_json_question(body)),
    }
}

fn serde_json_question(body: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(body).ok()?;
    quorate_node::service::read_question(text).ok().map(drop)
}

pub(crate) fn rpc_seeds() -> Vec<Vec<u8>> {
    let request_id = Some(proto::RequestId { client: "c".to_owned(), serial: 7 });
    let view = proto::ViewRequest { kind: 2, argument: "vm1".to_owned() };
    let configure = proto::ConfigureRequest {
        request_id: request_id.clone(),
        base_revision: Some(3),
        text: "primitive vm1 vm:fake".to_owned(),
        mode: 1,
        force: true,
        dry_run: true,
    };
    let node = proto::NodeRequest { request_id, verb: 5, node: "n1".to_owned(), session: Some("s".to_owned()) };
    let with = |which: u8, body: Vec<u8>| [vec![which], body].concat();
    vec![
        with(0, view.encode_to_vec()),
        with(1, configure.encode_to_vec()),
        with(3, node.encode_to_vec()),
        with(5, br#"{"info":{"agent":"ocf:heartbeat:IPaddr2"}}"#.to_vec()),
        with(5, br#"{"validate":{"agent":"Dummy","params":{"a":"b"}}}"#.to_vec()),
    ]
}

/// As they come, and as the body of an envelope whose sum is right; what is a command is applied.
pub(crate) fn log(bytes: &[u8]) {
    doors::read(bytes);
    doors::read_body(bytes);
    if let Some(entry) = doors::command::<Store>(bytes) {
        let mut state = ClusterState::default();
        state.apply(1, &entry);
        // Once more: a state that one entry made must take another.
        state.apply(2, &entry);
    }
    doors::state::<Store>(bytes);
}

pub(crate) fn log_seeds() -> Vec<Vec<u8>> {
    use quorate_core::id::{NodeId, SessionId};
    use quorate_core::state::Command;
    use quorate_core::time::Timestamp;
    let (node, session) = (NodeId::from("n1"), SessionId::from("s1"));
    let commands = [
        Command::ConfirmOff { node: node.clone(), session: session.clone(), by: "root".to_owned() },
        Command::Condemn { target: node.clone(), session: session.clone() },
        Command::FenceCallOff { target: node, session },
        Command::Plan { cancel: Vec::new(), add: Vec::new() },
    ];
    let entries = commands.map(|command| Entry { at: Timestamp(5), request: None, command });
    let mut seeds: Vec<Vec<u8>> = entries.iter().filter_map(doors::write_command::<Store>).collect();
    seeds.extend(doors::seeds());
    seeds.extend(doors::write_state(&Store(ClusterState::default())));
    seeds
}

/// The first byte says which of the packets is expected.
pub(crate) fn bmc(bytes: &[u8]) {
    quorate_agents::fence::doors::bmc_packet(bytes);
}

pub(crate) fn bmc_seeds() -> Vec<Vec<u8>> {
    quorate_agents::fence::doors::bmc_packets()
}

/// A document, whichever was asked for.
pub(crate) fn redfish(bytes: &[u8]) {
    quorate_agents::fence::doors::redfish_answer(bytes);
}

pub(crate) fn redfish_seeds() -> Vec<Vec<u8>> {
    quorate_agents::fence::doors::redfish_answers()
}

/// The first two bytes are the exit code and how it ended; the rest is what it printed.
pub(crate) fn fence_output(bytes: &[u8]) {
    let [code, how, said @ ..] = bytes else { return };
    quorate_agents::fence::doors::agent_output(*code, *how, said);
}

pub(crate) fn fence_seeds() -> Vec<Vec<u8>> {
    vec![b"\x00\x00Status: ON\n".to_vec(), b"\x02\x00Status: OFF\n".to_vec(), b"\x01\x01Failed: no\n".to_vec()]
}
