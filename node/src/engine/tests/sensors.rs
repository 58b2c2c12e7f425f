//! Sensors: when they are read, and what of it the log is told.

use super::super::SensorReport;
use super::*;
use quorate_core::config::Colour;
use quorate_core::state::SensorSign;

/// What the sensors of every device say.
#[derive(Default)]
pub(super) struct Sensed {
    signs: Vec<SensorSign>,
    error: Option<String>,
    /// How often they were read.
    times: u32,
}

impl Sensed {
    pub(super) fn read(&mut self) -> Result<SensorReport, String> {
        self.times += 1;
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(SensorReport { signs: self.signs.clone(), sensors: 3, events: 0 }),
        }
    }
}

fn hot(value: &str) -> Vec<SensorSign> {
    let what = "above its upper critical threshold".to_owned();
    vec![SensorSign { colour: Colour::Red, sensor: "CPU Temp".to_owned(), what, value: Some(value.to_owned()) }]
}

fn calm(properties: &str) -> Leader {
    let mut leader = Leader::new();
    leader.configure(&format!(
        "primitive i3 stonith:ipmi params ip=x username=u password=p target=n3\n\
         primitive f2 stonith:fake params state=/y target=n2\n{properties}"
    ));
    leader.answers = vec!["n2".into(), "n3".into()];
    leader.run(Duration::from_secs(5));
    leader
}

/// The attribute that n3 has of it.
fn told(leader: &Leader) -> Option<String> {
    leader.state.attributes_of(&"n3".into()).get("#health-ipmi").cloned()
}

#[test]
fn they_are_read_only_where_something_follows() {
    let mut leader = calm("");
    leader.run(Duration::from_secs(700));
    assert_eq!(leader.sensed.times, 0);
    let mut leader = calm("property node-health-strategy=migrate-on-red\n");
    leader.run(Duration::from_secs(700));
    assert_eq!(leader.sensed.times, 3, "each five minutes, of the one device that has some");
}

#[test]
fn the_log_is_told_what_two_readings_say_and_no_more() {
    let mut leader = calm("property node-health-strategy=migrate-on-red node-health-interval=60s\n");
    leader.run(Duration::from_secs(20));
    let index = leader.state.index;
    leader.sensed.signs = hot("97 °C");
    leader.run(Duration::from_secs(55));
    assert_eq!((told(&leader), leader.state.index), (None, index), "one reading may be wrong");
    leader.run(Duration::from_secs(15));
    assert_eq!(told(&leader).as_deref(), Some("red"));
    let index = leader.state.index;
    leader.sensed.signs = hot("99 °C");
    leader.run(Duration::from_secs(200));
    assert_eq!(leader.state.index, index, "a value that moves is no change");
    leader.sensed.error = Some("no answer".to_owned());
    leader.run(Duration::from_secs(200));
    assert_eq!(told(&leader).as_deref(), Some("red"), "who does not answer has not said that it is well");
    leader.sensed = Sensed::default();
    leader.run(Duration::from_secs(100));
    assert_eq!(told(&leader), None);
}
