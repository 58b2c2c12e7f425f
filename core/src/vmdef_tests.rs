//! What is read from libvirt's XML, and that no text makes the reader panic.

use proptest::prelude::*;

use super::*;

const UUID: &str = "11111111-2222-3333-4444-555555555501";

fn domain_with(devices: &str) -> String {
    format!(
        "<domain type='qemu'>\n  <name>vm1</name>\n  <uuid>{UUID}</uuid>\n  <devices>{devices}</devices>\n</domain>"
    )
}

#[test]
fn only_writable_disks_that_are_not_shared_count() {
    let rows = [
        ("<disk type='file'><source file='/a//b/./c.qcow2'/><target dev='vda'/></disk>", Some("file:/a/b/c.qcow2")),
        ("<disk type='block'><source dev='/dev/vg/lv1'/><target dev='vda'/></disk>", Some("file:/dev/vg/lv1")),
        (
            "<disk type='network'><source protocol='rbd' name='pool/vm1'><host name='m1'/></source></disk>",
            Some("network:rbd:pool/vm1"),
        ),
        ("<disk type='volume'><source pool='p' volume='v'/></disk>", Some("volume:p:v")),
        ("<disk type='nvme'><source type='pci' namespace='1'/></disk>", Some("nvme:namespace=1,type=pci")),
        ("<disk type='file'><source file='/a'/><readonly/></disk>", None),
        ("<disk type='file'><source file='/a'/><shareable/></disk>", None),
        ("<disk type='file' device='cdrom'><source file='/a.iso'/></disk>", None),
        ("<disk type='file' device='floppy'/>", None),
        ("<!-- <disk type='file'><source file='/a'/></disk> -->", None),
    ];
    for (devices, want) in rows {
        let got = parse(&domain_with(devices)).expect(devices);
        let sources: Vec<&str> = got.disks.iter().map(|d| d.source.as_str()).collect();
        assert_eq!(sources, want.into_iter().collect::<Vec<_>>(), "{devices}");
        assert_eq!((got.name.as_str(), got.uuid.as_str()), ("vm1", UUID));
    }
}

#[test]
fn errors_say_where_and_how_to_mend() {
    let rows = [
        ("<domain>\n <name>vm1</name>\n</domain>", "line 1, column 1: the domain has no <uuid>; without one"),
        ("<domain><name/></domain>", "line 1, column 1: the domain has no <name>; write for example"),
        ("<domain><name>a</name>\n<name>b</name></domain>", "line 2, column 1: a second <name>; keep one"),
        ("<domain><name>a/b</name></domain>", "line 1, column 9: the name `a/b` contains '/'"),
        ("<domain><name>a</name>\n <uuid>7</uuid></domain>", "line 2, column 2: `7` is not a UUID; write 32"),
        ("<network/>", "line 1, column 1: the outermost element is <network>"),
        ("<domain>\n <name>", "the domain XML cannot be read: "),
        ("", "the domain XML cannot be read: "),
    ];
    for (xml, want) in rows {
        let got = parse(xml).expect_err(xml).to_string();
        assert!(got.starts_with(want), "{xml}\n  got  {got}\n  want {want}");
    }
    let got = parse(&domain_with("\n<disk type='file'><target dev='vdb'/></disk>")).expect_err("no source").to_string();
    assert!(got.starts_with("line 5, column 1: the writable disk vdb has a source that names no storage"), "{got}");
    let got = parse("<domain>\n <name>").expect_err("cut off").to_string();
    assert_eq!(got.matches("line").count() + got.matches(" at ").count(), 1, "the position is named once: {got}");
}

#[test]
fn a_uuid_is_compared_in_one_spelling() {
    let rows = [
        ("11111111222233334444555555555501", Some(UUID)),
        ("ABCDEF00-2222-3333-4444-555555555501", Some("abcdef00-2222-3333-4444-555555555501")),
        ("00000000-0000-0000-0000-000000000000", None),
        ("1111111-2222-3333-4444-555555555501", None),
        ("gggggggg-2222-3333-4444-555555555501", None),
        ("é1111112222333344445555555555", None),
    ];
    for (text, want) in rows {
        assert_eq!(normal_uuid(text).as_deref(), want, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(xml in "(?s)[<>/a-z '\"=&;!\\-é\n]{0,200}") {
        let _ = parse(&xml);
    }

    #[test]
    fn no_cut_of_a_definition_makes_it_panic(cut in 0usize..200) {
        let xml = domain_with("<disk type='file'><source file='/a'/></disk>");
        let cut = cut.min(xml.len());
        let _ = parse(&xml[..cut]);
    }
}
