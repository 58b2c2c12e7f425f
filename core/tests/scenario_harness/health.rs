//! What is read of fence devices before they are needed: drills, and sensors.

use super::world::World;
use quorate_core::config::Colour;
use quorate_core::id::{NodeId, ResourceId};
use quorate_core::state::{Command, DrillWord, SensorSign, SensorWord};

impl World {
    /// Verbs about drills and sensors.
    pub(super) fn of_a_reading(&mut self, words: &[&str]) -> Option<Result<(), String>> {
        Some(match *words {
            ["drill", device, node, how, ref rest @ ..] => self.drill(&device.into(), &node.into(), how, rest),
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

    fn drill(&mut self, device: &ResourceId, node: &NodeId, how: &str, rest: &[&str]) -> Result<(), String> {
        let outcome = match how {
            "ok" => Ok(()),
            "failed" => Err("it refuses".to_owned()),
            other => return Err(format!("'{other}' is no end of a drill")),
        };
        let revision = super::world::number(rest, "from")?.unwrap_or(self.state.revision);
        let (by, node, device) = (NodeId::new("n9"), node.clone(), device.clone());
        self.tell(Command::Drilled(DrillWord { by, node, device, revision, outcome }));
        Ok(())
    }

    /// Every device that has to pass a drill does, as on hosts whose BMCs are well.
    pub(super) fn pass_drills(&mut self) {
        let (last, request) = (self.last.clone(), self.request.take());
        let nodes = self.state.nodes.iter();
        let untested =
            nodes.flat_map(|(node, at)| at.drilled.iter().map(move |(device, drilled)| (node, device, drilled)));
        let untested = untested.filter(|(.., drilled)| drilled.passed.is_none());
        let all: Vec<(NodeId, ResourceId)> = untested.map(|(node, device, _)| (node.clone(), device.clone())).collect();
        for (node, device) in all {
            let (by, revision, outcome) = (NodeId::new("n9"), self.state.revision, Ok(()));
            self.tell(Command::Drilled(DrillWord { by, node, device, revision, outcome }));
        }
        (self.last, self.request) = (last, request);
    }
}
