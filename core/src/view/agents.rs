//! What resource agents there are and what they say of themselves, as people are shown it.

use super::Document;
use serde::{Deserialize, Serialize};

/// The classes of agents, with who brought some.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentClasses {
    /// Each class.
    pub classes: Vec<ClassView>,
}

/// One class of agents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassView {
    /// `ocf`
    pub class: String,
    /// `heartbeat`; none where the class has no providers.
    pub providers: Vec<String>,
}

/// The agents of a class, as they are written in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentList {
    /// `ocf:heartbeat:IPaddr2`
    pub agents: Vec<String>,
}

/// What an agent says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// As it is written in a configuration.
    pub agent: String,
    /// Its version.
    pub version: String,
    /// What it is, in a line.
    pub short: String,
    /// What it is, at length.
    pub long: String,
    /// What it may be given.
    pub parameters: Vec<ParameterView>,
    /// What it can do.
    pub actions: Vec<ActionView>,
    /// What is odd in its meta-data.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One parameter of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterView {
    /// Its name.
    pub name: String,
    /// `string`, `integer`, `boolean`, `select` …
    pub kind: String,
    /// The values of a `select`.
    pub options: Vec<String>,
    /// What holds where it is not given.
    pub default: Option<String>,
    /// It has to be given.
    pub required: bool,
    /// No two resources of this agent may have the same value.
    pub unique: bool,
    /// Those of one group may not be the same together.
    #[serde(default)]
    pub group: Option<String>,
    /// A change of it needs no restart.
    #[serde(default)]
    pub reloadable: bool,
    /// It is not to be used any more.
    pub deprecated: bool,
    /// What it is, in a line.
    pub short: String,
    /// What it is, at length.
    pub long: String,
}

/// One action of an agent, as its author advises it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionView {
    /// start, stop, monitor …
    pub name: String,
    /// How long it may take.
    pub timeout: Option<String>,
    /// How often it should be repeated.
    pub interval: Option<String>,
    /// Of which depth of looking this is.
    pub depth: Option<String>,
    /// In which role.
    pub role: Option<String>,
}

/// What is wrong with the parameters of a resource that is not configured yet, by its agent on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentCheck {
    /// Whether it can be used so.
    pub ok: bool,
    /// What the meta-data says against it.
    pub complaints: Vec<String>,
    /// How the agent's own `validate-all` ended; `None` where it was not run.
    pub validate_all: Option<String>,
    /// On which node it was asked.
    pub node: String,
}

impl Document for AgentClasses {
    const SCHEMA: &'static str = "ra-classes/1";
}

impl Document for AgentList {
    const SCHEMA: &'static str = "ra-list/1";
}

impl Document for AgentInfo {
    const SCHEMA: &'static str = "ra-info/1";
}

impl Document for AgentCheck {
    const SCHEMA: &'static str = "ra-validate/1";
}

/// What is asked of a daemon about its agents: the argument of the view, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgentQuestion {
    /// Which classes are there?
    Classes,
    /// Which agents has a class?
    List {
        /// Which class; of every one, where it is empty.
        class: String,
        /// Of which provider only.
        provider: Option<String>,
    },
    /// What does an agent say of itself?
    Info {
        /// Which agent.
        agent: String,
    },
    /// Would it take these parameters?
    Validate {
        /// Which agent.
        agent: String,
        /// With which parameters.
        params: std::collections::BTreeMap<String, String>,
    },
}
