//! How a VM goes to another host, and how far it is.

/// The way of one migration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Way {
    /// The other host's name.
    pub host: String,
    /// The other libvirtd, as this one reaches it.
    pub uri: String,
    /// Where QEMU sends to; the other host's own choice when empty.
    pub data_uri: Option<String>,
    /// MiB in a second at most; 0 is no limit.
    pub speed: u64,
    /// Milliseconds that the guest may stand still at the end; 0 is QEMU's own choice.
    pub downtime: u64,
    /// The disks' caching is safe although libvirt cannot tell.
    pub is_unsafe: bool,
    /// A guest that writes too fast is slowed down.
    pub auto_converge: bool,
    /// Compressed.
    pub compressed: bool,
    /// Encrypted by QEMU.
    pub tls: bool,
    /// Through the libvirtds.
    pub tunnelled: bool,
    /// By the libvirtds among themselves, as what is tunnelled always is.
    pub peer_to_peer: bool,
}

/// How far a migration is, and at its end what it came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Transfer {
    /// For how long it goes on, in milliseconds.
    pub took_ms: u64,
    /// For how long the guest stands still, in milliseconds.
    pub paused_ms: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes left.
    pub left: u64,
}
