//! What a Redfish service says, read from its JSON: which systems it has, the power of one, how that is switched, and what
//! it has to say of an error. Pure, and total on any bytes.

use serde_json::Value;

use super::super::PowerReading;

/// Systems, messages and reset types that are looked at; a service has a handful.
const MOST: usize = 64;
/// Characters of one word or message that are kept.
const LONGEST: usize = 200;

/// One computer system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct System {
    pub(super) power: PowerReading,
    /// Lower-case hexadecimal digits without dashes, where it shows one.
    pub(super) uuid: Option<String>,
    /// How its power is switched, where it says so.
    pub(super) reset: Option<Reset>,
}

/// The action that switches the power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reset {
    /// Where it is posted to.
    pub(super) target: String,
    /// The kinds of reset it lists; empty where it lists none.
    pub(super) allowed: Vec<String>,
}

/// The JSON of a document; why it is none.
pub(super) fn json(bytes: &[u8]) -> Result<Value, String> {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err("the JSON is no object".to_owned()),
        Err(error) => Err(format!("no JSON ({error})")),
    }
}

/// Where the list of systems is, by the service's root.
pub(super) fn systems(root: &Value) -> Result<String, String> {
    path(&root["Systems"], "Systems")
}

/// Where the one system is, by the list of them.
pub(super) fn only_system(list: &Value) -> Result<String, String> {
    let members = list["Members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found: Vec<String> = members.iter().take(MOST).filter_map(|member| path(member, "a member").ok()).collect();
    match &found[..] {
        [one] if members.len() == 1 => Ok(one.clone()),
        [] => Err("it lists no systems".to_owned()),
        _ => {
            Err(format!("it lists {} systems: name the node's own with systems_uri={}", members.len(), found.join("|")))
        }
    }
}

/// What one system says.
pub(super) fn system(document: &Value) -> Result<System, String> {
    let power = match document["PowerState"].as_str() {
        Some("On") => PowerReading::On,
        Some("Off") => PowerReading::Off,
        // All of these have power: none may be taken for off.
        Some("PoweringOn" | "PoweringOff" | "Paused") => PowerReading::On,
        Some(other) => PowerReading::Unknown(format!("PowerState is {}", clean(other))),
        None => PowerReading::Unknown("it shows no PowerState".to_owned()),
    };
    let reset = match &document["Actions"]["#ComputerSystem.Reset"] {
        Value::Object(action) => {
            let target = action.get("target").and_then(Value::as_str).unwrap_or_default();
            let listed = action.get("ResetType@Redfish.AllowableValues").and_then(Value::as_array);
            let words = listed.into_iter().flatten().take(MOST).filter_map(Value::as_str);
            Some(Reset { target: checked(target, "the reset's target")?, allowed: words.map(clean).collect() })
        }
        _ => None,
    };
    Ok(System { power, uuid: document["UUID"].as_str().and_then(digits), reset })
}

/// What the service says of an error: its messages, or nothing.
pub(super) fn error(bytes: &[u8]) -> String {
    let Ok(document) = json(bytes) else { return String::new() };
    let error = &document["error"];
    let extended = error["@Message.ExtendedInfo"].as_array().into_iter().flatten().take(4);
    let told: Vec<String> = extended.filter_map(|info| info["Message"].as_str()).map(clean).collect();
    match (told.is_empty(), error["message"].as_str()) {
        (false, _) => told.join("; "),
        (true, Some(message)) => clean(message),
        (true, None) => String::new(),
    }
}

/// The path that a reference names.
fn path(reference: &Value, what: &str) -> Result<String, String> {
    match reference["@odata.id"].as_str() {
        Some(path) => checked(path, what),
        None => Err(format!("{what} has no @odata.id")),
    }
}

/// A path on the same service and nothing else: the password is not carried to where a service points.
pub(super) fn checked(path: &str, what: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"#?\"<>\\^`{|}".contains(&byte);
    if path.starts_with('/') && !path.starts_with("//") && path.len() <= LONGEST && path.bytes().all(plain) {
        return Ok(path.to_owned());
    }
    Err(format!("{what} is {}, which is no path of this service", clean(path)))
}

fn digits(uuid: &str) -> Option<String> {
    let digits: String = uuid.chars().filter(|c| *c != '-').map(|c| c.to_ascii_lowercase()).collect();
    let is_one = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Of a board that was never given one.
    let is_blank = digits.bytes().all(|byte| byte == b'0') || digits.bytes().all(|byte| byte == b'f');
    (is_one && !is_blank).then_some(digits)
}

/// Fit to be shown: short, and without control characters.
pub(super) fn clean(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_word_off_is_off() {
        let read = |state: Value| system(&json!({ "PowerState": state })).map(|system| system.power);
        assert_eq!(read(json!("Off")), Ok(PowerReading::Off));
        for on in ["On", "PoweringOn", "PoweringOff", "Paused"] {
            assert_eq!(read(json!(on)), Ok(PowerReading::On), "{on}");
        }
        for odd in [json!("off"), json!(""), json!(null), json!(0), json!(["Off"])] {
            assert!(matches!(read(odd.clone()), Ok(PowerReading::Unknown(_))), "{odd}");
        }
    }

    #[test]
    fn one_system_is_the_hosts_and_several_need_a_name() {
        let list = |paths: &[&str]| {
            let members: Vec<Value> = paths.iter().map(|path| json!({ "@odata.id": path })).collect();
            only_system(&json!({ "Members": members }))
        };
        assert_eq!(list(&["/redfish/v1/Systems/1"]), Ok("/redfish/v1/Systems/1".to_owned()));
        assert!(list(&[]).is_err_and(|error| error.contains("no systems")));
        let several = list(&["/redfish/v1/Systems/1", "/redfish/v1/Systems/2"]);
        assert!(several.is_err_and(|error| error.contains("systems_uri=/redfish/v1/Systems/1|/redfish/v1/Systems/2")));
        // One that is left out is no reason to take the other.
        assert!(list(&["https://elsewhere/1", "/redfish/v1/Systems/2"]).is_err());
    }

    #[test]
    fn nothing_leads_to_another_service() {
        for bad in ["", "Systems/1", "//host/x", "https://host/x", "/a b", "/a\r\nHost: x", "/a?b", "/ä"] {
            let document = json!({ "PowerState": "On", "Actions": { "#ComputerSystem.Reset": { "target": bad } } });
            assert!(system(&document).is_err_and(|error| error.contains("no path of this service")), "{bad:?}");
        }
    }

    #[test]
    fn a_uuid_is_sixteen_bytes_that_somebody_chose() {
        let shown = |uuid: &str| system(&json!({ "UUID": uuid })).ok().and_then(|system| system.uuid);
        let plain = Some("33221100554477668899aabbccddeeff".to_owned());
        assert_eq!(shown("33221100-5544-7766-8899-AABBCCDDEEFF"), plain);
        for bad in ["", "1", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"] {
            assert_eq!(shown(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_error_is_told_in_the_services_words() {
        let told = error(
            br#"{"error":{"code":"Base.1.0","message":"see below","@Message.ExtendedInfo":[
            {"Message":"The action failed\u0007."},{"MessageId":"x"},{"Message":"Power is locked."}]}}"#,
        );
        assert_eq!(told, "The action failed .; Power is locked.");
        assert_eq!(error(br#"{"error":{"message":"no"}}"#), "no");
        assert_eq!(error(b"<html>"), "");
        let long = error(format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(5000)).as_bytes());
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
