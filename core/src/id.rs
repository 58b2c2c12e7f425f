//! The identities of SAFETY.md as distinct types, so that one is never taken for another.
//!
//! A node has a name, hardware, a store, a raft id, sessions (boots) and incarnations (daemon starts). None stands
//! for another: a session is never the store, the process or the raft id.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a text; what is allowed in it is checked where it enters (grammar, hello, join).
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into().into())
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    };
}

text_id!(
    /// A node's name in the configuration.
    NodeId
);
text_id!(
    /// A resource's name in the configuration; fence devices are resources too.
    ResourceId
);
text_id!(
    /// A host's hardware: its DMI UUID where there is one.
    HardwareId
);
text_id!(
    /// One data directory, from its creation to its loss.
    StoreId
);
text_id!(
    /// One boot of one host: the kernel's boot id.
    SessionId
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The one that follows.
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number_id!(
    /// One start of the daemon within a session; granted by `hello`.
    Incarnation
);
number_id!(
    /// A member's id in Raft; never used again once its store was lost.
    RaftId
);
number_id!(
    /// One planned action.
    ActionId
);
number_id!(
    /// The operation number of a resource on a node: it rises at every grant, accepted result and hello, and an
    /// observation that began under an older number is dropped.
    Operation
);

/// Names one request of one client, so that a retry is recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestId {
    /// Who asks; unique for each client process.
    pub client: String,
    /// Rises with each request of that client.
    pub serial: u64,
}
