//! How a VM is migrated: the parameters of `vm:libvirt` that say so, in the words of Pacemaker's VirtualDomain agent.

use super::Attributes;

/// The parameters, with their defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationOptions {
    /// `migration_transport`, how one libvirtd reaches the other: `tls`, `tcp` or `ssh`; libvirt's default, TLS, where
    /// it is left out.
    pub transport: Option<String>,
    /// `migration_speed`, MiB in a second at most; 0 is no limit.
    pub speed: u64,
    /// `migration_downtime`, milliseconds that the guest may stand still at the end; 0 is QEMU's own choice.
    pub downtime: u64,
    /// `--unsafe`: the disks' caching is safe here although libvirt cannot tell.
    pub is_unsafe: bool,
    /// `--auto-converge`: a guest that writes faster than can be sent is slowed down.
    pub auto_converge: bool,
    /// `--compressed`
    pub compressed: bool,
    /// `--tls`: what is sent is encrypted by QEMU.
    pub tls: bool,
    /// `--tunnelled`: what is sent goes through the libvirtds.
    pub tunnelled: bool,
    /// `--p2p`: the libvirtds carry it out among themselves.
    pub peer_to_peer: bool,
}

/// The parameters that are read here.
pub const MIGRATION_PARAMETERS: &[&str] =
    &["migrate_options", "migration_downtime", "migration_speed", "migration_transport"];

/// What a migration always is, or must not be; accepted where it says nothing new.
const IMPLIED: &[&str] = &["--live"];

impl MigrationOptions {
    /// Reads them; what is not understood is named, with what may stand there.
    ///
    /// # Errors
    /// The parameter and what is wrong with it.
    pub fn read(params: &Attributes) -> Result<Self, (&'static str, String)> {
        let number = |name: &'static str, unit: &str| match params.get(name) {
            None => Ok(0),
            Some(text) => {
                text.parse::<u64>().map_err(|_| (name, format!("{name}={text} is not understood: a number of {unit}")))
            }
        };
        let mut read = Self {
            speed: number("migration_speed", "MiB in a second")?,
            downtime: number("migration_downtime", "milliseconds")?,
            ..Self::default()
        };
        if let Some(transport) = params.get("migration_transport") {
            if !["tls", "tcp", "ssh"].contains(&transport.as_str()) {
                let why = format!("migration_transport={transport} is not understood: tls, tcp or ssh");
                return Err(("migration_transport", why));
            }
            read.transport = Some(transport.clone());
        }
        for word in params.get("migrate_options").map_or("", String::as_str).split_whitespace() {
            match word {
                "--unsafe" => read.is_unsafe = true,
                "--auto-converge" => read.auto_converge = true,
                "--compressed" => read.compressed = true,
                "--tls" => read.tls = true,
                "--tunnelled" => read.tunnelled = true,
                "--p2p" => read.peer_to_peer = true,
                word if IMPLIED.contains(&word) => {}
                _ => {
                    let known = "--unsafe, --auto-converge, --compressed, --tls, --tunnelled and --p2p";
                    return Err((
                        "migrate_options",
                        format!("migrate_options {word} is not understood: there are {known}"),
                    ));
                }
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_virtualdomain_names_them() {
        let read = |pairs: &[(&str, &str)]| {
            MigrationOptions::read(&pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
        };
        assert_eq!(read(&[]), Ok(MigrationOptions::default()));
        let all = read(&[
            ("migration_transport", "tcp"),
            ("migration_speed", "40"),
            ("migration_downtime", "200"),
            ("migrate_options", "--live --p2p --unsafe --auto-converge"),
        ]);
        let wanted = MigrationOptions {
            transport: Some("tcp".into()),
            speed: 40,
            downtime: 200,
            is_unsafe: true,
            auto_converge: true,
            peer_to_peer: true,
            ..MigrationOptions::default()
        };
        assert_eq!(all, Ok(wanted));
        for (name, value) in [
            ("migration_speed", "fast"),
            ("migration_downtime", "-1"),
            ("migration_transport", "carrier"),
            // It would let the target run by itself.
            ("migrate_options", "--postcopy"),
            ("migrate_options", "--unsafe --persistent"),
        ] {
            let (parameter, why) = read(&[(name, value)]).expect_err(value);
            assert!(parameter == name && why.contains("is not understood"), "{why}");
        }
    }
}
