//! Quorate's pure part: what the cluster should be (`config`, `grammar`), what was observed and decided
//! (`state`), and what to do next (`planner`).
//!
//! Nothing here reads a clock, draws a random number, does IO, or iterates in hash order: every member must
//! reach the same state from the same log.

pub mod cib;
pub mod config;
pub mod explain;
pub mod grammar;
pub mod id;
pub mod import;
pub mod pill;
pub mod planner;
pub mod planted;
pub mod rule;
pub mod scheduler;
pub mod score;
pub mod state;
pub mod suppose;
pub mod text;
pub mod time;
pub mod view;
pub mod vmdef;
pub mod watchdog;
