//! Against libvirt's own test driver, whose state lives as long as one connection. It cannot start paused: that is
//! tried with a real libvirtd in tests/libvirt.rs.

use super::*;
use crate::vm::EventKind;

const UUID: &str = "a1a1a1a1-2222-3333-4444-555555555501";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

async fn fresh() -> Libvirt {
    Libvirt::connect("test:///default", Duration::from_secs(10)).await.expect("threads")
}

async fn next_of(events: &mut broadcast::Receiver<VmEvent>, wanted: &str) -> EventKind {
    loop {
        let event = tokio::time::timeout_at(soon(), events.recv()).await.expect("an event").expect("open");
        if let VmEvent::Domain { uuid, kind, .. } = event
            && uuid == wanted
        {
            return kind;
        }
    }
}

#[tokio::test]
async fn a_domain_is_found_listed_and_destroyed_with_an_event() {
    let libvirt = fresh().await;
    let mut events = libvirt.events();
    assert_eq!(libvirt.state(UUID, soon()).await, Ok(DomainState::NotFound));
    let listed = libvirt.list(soon()).await.expect("a list");
    let notes: Vec<_> = listed.iter().map(|d| (d.name.as_str(), &d.state, d.persistent, d.autostart)).collect();
    assert_eq!(notes, [("test", &DomainState::Running, true, false)]);
    let uuid = &listed[0].uuid;
    libvirt.destroy(uuid, soon()).await.expect("destroyed");
    assert_eq!(next_of(&mut events, uuid).await, EventKind::Stopped);
    assert_eq!(libvirt.state(uuid, soon()).await, Ok(DomainState::ShutOff));
    libvirt.destroy(uuid, soon()).await.expect("nothing active to destroy is success");
    libvirt.destroy(UUID, soon()).await.expect("nothing to destroy is success");
}

#[tokio::test]
async fn a_definition_libvirt_refuses_is_an_error_in_its_words() {
    let libvirt = fresh().await;
    let error = libvirt.create_paused(UUID, "<domain type='test'/>".to_owned(), soon()).await.expect_err("refused");
    assert!(matches!(error, VmError::Failed { .. }), "{error}");
    assert!(libvirt.open_calls().is_empty());
}

#[tokio::test]
async fn a_libvirt_that_is_not_there_is_an_answer_at_once() {
    let uri = "qemu+unix:///system?socket=/nonexistent/libvirt-sock";
    let libvirt = Libvirt::connect(uri, Duration::from_millis(300)).await.expect("threads");
    let error = libvirt.state(UUID, soon()).await.expect_err("nobody there");
    assert!(matches!(&error, VmError::Unreachable { why, .. } if why.contains("/nonexistent")), "{error}");
}

#[test]
fn every_state_libvirt_can_name_is_judged_and_none_by_chance_as_stopped() {
    for state in 0..12 {
        let stopped = matches!(judge(state, 1), DomainState::ShutOff | DomainState::NotFound);
        assert_eq!(stopped, state == sys::VIR_DOMAIN_SHUTOFF, "{state}");
    }
    for reason in 0..20 {
        assert!(matches!(judge(sys::VIR_DOMAIN_PAUSED, reason), DomainState::Paused(_)));
    }
}
