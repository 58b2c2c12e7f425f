//! What is read of the sensors of a node's BMC.

use super::world::World;
use quorate_core::config::Colour;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{Command, SensorSign, SensorWord};

impl World {
    /// Verbs about sensors.
    pub(super) fn of_a_reading(&mut self, words: &[&str]) -> Option<Result<(), String>> {
        Some(match *words {
            ["sensors", device, node, ref signs @ ..] => self.sensors(&device.into(), &node.into(), signs),
            _ => return None,
        })
    }

    /// `red|yellow NAME`, again and again; nothing: all is well.
    fn sensors(&mut self, device: &ResourceId, node: &NodeId, signs: &[&str]) -> Result<(), String> {
        let sign = |pair: &[&str]| {
            let colour = match pair[0] {
                "red" => Colour::Red,
                "yellow" => Colour::Yellow,
                other => return Err(format!("'{other}' is no colour of a sensor")),
            };
            let sensor = (*pair.get(1).ok_or("which sensor?")?).to_owned();
            Ok(SensorSign { colour, sensor, what: "beyond its limit".to_owned(), value: None })
        };
        let signs = signs.chunks(2).map(sign).collect::<Result<Vec<_>, String>>()?;
        let (by, node, device, revision) = (NodeId::new("n9"), node.clone(), device.clone(), self.state.revision);
        self.tell(Command::Sensors(SensorWord { by, node, device, revision, signs }));
        Ok(())
    }
}
