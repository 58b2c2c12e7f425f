//! Who is who: the cluster's own CA, join tokens, mutual TLS, enrolment of new members, and what a member keeps of
//! itself on disk.
//!
//! It decides who may speak, never what happens to a resource. Secrets are never shown by `Debug` and never logged.

pub mod ca;
pub mod enrol;
pub mod files;
pub mod hardware;
mod lost;
pub mod names;
mod recovery;
pub mod tls;
pub mod token;

pub use ca::{Ca, CaError, Credentials};
pub use enrol::{Applicant, Enrolled, Enrolment, enrol};
pub use files::{DataDir, FilesError, Identity};
pub use hardware::{Hardware, boot_id, hardware};
pub use lost::{Loss, LossKind};
pub use tls::PeerIdentity;
pub use token::{Token, TokenError};
