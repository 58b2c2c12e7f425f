//! A stand-in for systemd where none can run: `org.freedesktop.systemd1` on a private bus, with real processes.
//!
//! Units come from unit files, drop-ins count when the manager was told to reload, jobs take the place of each other or
//! merge, and what changes is told by signals to those that subscribed. A unit's processes are those of its session: there
//! are no cgroups, so what makes a session of its own escapes.

pub mod bus;
pub mod file;
pub mod notify;
pub mod processes;
pub mod service;
