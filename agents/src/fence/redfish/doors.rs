//! Documents as a Redfish service might send them: for fuzzing.

use super::super::PowerReading;
use super::document;

pub(in crate::fence) fn answer(bytes: &[u8]) {
    let told = document::error(bytes);
    assert!(!told.contains(char::is_control) && told.len() <= 4096, "an error is shown as it came");
    let Ok(value) = document::json(bytes) else { return };
    for path in [document::systems(&value), document::only_system(&value)].into_iter().flatten() {
        assert!(path.starts_with('/') && !path.starts_with("//"), "{path} leads elsewhere");
    }
    let Ok(system) = document::system(&value) else { return };
    let is_off = system.power == PowerReading::Off;
    assert!(!is_off || value["PowerState"] == "Off", "off was believed of {}", value["PowerState"]);
    if let Some(reset) = system.reset {
        assert!(reset.target.starts_with('/') && !reset.target.starts_with("//"), "{} leads elsewhere", reset.target);
    }
}

pub(in crate::fence) fn answers() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"Systems":{"@odata.id":"/redfish/v1/Systems"}}"#,
        r#"{"Members":[{"@odata.id":"/redfish/v1/Systems/1"}],"Members@odata.count":1}"#,
        r##"{"PowerState":"Off","UUID":"33221100-5544-7766-8899-aabbccddeeff","Actions":{"#ComputerSystem.Reset":
            {"target":"/redfish/v1/Systems/1/Actions/ComputerSystem.Reset",
             "ResetType@Redfish.AllowableValues":["On","ForceOff"]}}}"##,
        r#"{"error":{"message":"no","@Message.ExtendedInfo":[{"Message":"The power is locked."}]}}"#,
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
