//! `qrm fence test`

use crate::commands::{Context, view};
use crate::error::CliError;
use quorate_api::proto::ViewKind;
use quorate_core::view::{DeviceTest, FenceTest};

pub(super) async fn run(context: &Context, node: &str) -> Result<(), CliError> {
    let found = view::<FenceTest>(&context.client().await?, ViewKind::FenceTest, node).await?;
    context.output.answer(&found.raw, || text(&found.read))?;
    match found.read.is_good() {
        true => Ok(()),
        false => Err(CliError::refused(format!("{node} could not be proven off by all of its devices"), None)),
    }
}

fn text(test: &FenceTest) -> String {
    let lines = test.devices.iter().map(|device| one(test, device));
    let armed = match (&test.arming, test.is_armed) {
        (None, true) => format!("{} is armed", test.node),
        (Some(why), true) => format!("{} is armed, but {why}", test.node),
        (why, false) => format!("{} is not armed: {}", test.node, why.as_deref().unwrap_or("see `qrm status`")),
    };
    lines.chain([armed]).collect::<Vec<_>>().join("\n")
}

fn one(test: &FenceTest, it: &DeviceTest) -> String {
    let power = match (&it.power, &it.error) {
        (Some(power), _) => format!("reads {power}"),
        (None, error) => format!("does not answer: {}", error.as_deref().unwrap_or("no reason was given")),
    };
    let proof = if it.proves {
        "an off reading proves it off"
    } else {
        "an off reading proves nothing (proves_off=true would)"
    };
    format!(
        "{} ({}), level {}, asked from {}: {power}, after {:.1} s\n  whose: {}\n  worth: {}; {proof}",
        it.device,
        it.agent,
        it.level,
        test.from,
        std::time::Duration::from_millis(it.took_ms).as_secs_f64(),
        it.whose,
        it.strength,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swapped_address_is_told_and_is_not_good() {
        let device = DeviceTest {
            device: "fence-n1".into(),
            agent: "stonith:ipmi".to_owned(),
            level: 1,
            power: Some("on".to_owned()),
            error: None,
            guid: Some("00112233445566778899aabbccddeeff".to_owned()),
            own: Some(false),
            whose: "n2's, by the system GUID it shows: addresses are swapped".to_owned(),
            strength: "power-verified".to_owned(),
            proves: true,
            took_ms: 40,
        };
        let mut test = FenceTest {
            node: "n1".into(),
            from: "n3".into(),
            devices: vec![device],
            is_armed: false,
            arming: Some("x".to_owned()),
        };
        assert!(!test.is_good());
        let shown = text(&test);
        assert!(shown.contains("reads on, after 0.0 s\n  whose: n2's"), "{shown}");
        test.devices[0].own = None;
        assert!(test.is_good());
        test.devices[0].power = Some("unknown (it says `maybe`)".to_owned());
        assert!(!test.is_good());
        test.devices.clear();
        assert!(!test.is_good(), "nothing is no device that works");
    }
}
