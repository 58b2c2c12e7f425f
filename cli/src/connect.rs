//! Which daemon is asked, and how long it may take.

use crate::certificate;
use crate::error::CliError;
use clap::Args;
use quorate_api::{Client, ClientOptions, DEFAULT_PORT, Remote, SOCKET_PATH};
use quorate_core::grammar;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the daemon is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Whom to ask")]
pub(crate) struct Connection {
    /// The socket of this host's daemon
    #[arg(long, global = true, env = "QRM_SOCKET", hide_env_values = true, value_name = "PATH", default_value = SOCKET_PATH)]
    pub(crate) socket: PathBuf,
    /// A member to ask over the network instead; needs --ca, --cert and --key
    #[arg(long, global = true, env = "QRM_HOST", hide_env_values = true, value_name = "ADDRESS[:PORT]")]
    pub(crate) host: Option<String>,
    /// The cluster's CA certificate
    #[arg(long, global = true, env = "QRM_CA", hide_env_values = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Your certificate, signed by that CA
    #[arg(long, global = true, env = "QRM_CERT", hide_env_values = true, value_name = "FILE")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, global = true, env = "QRM_KEY", hide_env_values = true, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// How long to ask again while there is no leader or no answer
    #[arg(long, global = true, value_name = "TIME", default_value = "20s", value_parser = patience)]
    pub(crate) patience: Duration,
}

impl Connection {
    pub(crate) async fn open(&self) -> Result<Client, CliError> {
        let options = ClientOptions { patience: self.patience, ..ClientOptions::default() };
        let Some(host) = &self.host else {
            return Ok(Client::connect_socket(&self.socket, options).await?);
        };
        let remote = Remote {
            address: with_port(host),
            ca_pem: self.pem("--ca", self.ca.as_deref())?,
            cert_pem: self.pem("--cert", self.cert.as_deref())?,
            key_pem: self.pem("--key", self.key.as_deref())?,
        };
        certificate::check(&remote.ca_pem, &remote.cert_pem)?;
        Ok(Client::connect_tls(&remote, options).await?)
    }

    fn pem(&self, option: &str, path: Option<&Path>) -> Result<String, CliError> {
        let path = path.ok_or_else(|| CliError::usage(format!("--host needs {option} too"), None))?;
        std::fs::read_to_string(path).map_err(|source| CliError::Read { path: path.to_path_buf(), source })
    }
}

fn patience(text: &str) -> Result<Duration, String> {
    let time = grammar::duration(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| "a time such as 20s or 2m".to_owned())
}

/// The address with the default port where it names none; IPv6 addresses with a port stand in brackets.
pub(crate) fn with_port(address: &str) -> String {
    let is_v6 = address.parse::<std::net::Ipv6Addr>().is_ok();
    let has_port = address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match (is_v6, has_port) {
        (true, _) => format!("[{address}]:{DEFAULT_PORT}"),
        (false, true) => address.to_owned(),
        (false, false) => format!("{address}:{DEFAULT_PORT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_the_default_port_unless_it_has_one() {
        let check = |given: &str, wanted: &str| assert_eq!(with_port(given), wanted);
        check("10.0.0.1", &format!("10.0.0.1:{DEFAULT_PORT}"));
        check("10.0.0.1:7000", "10.0.0.1:7000");
        check("fd00::1", &format!("[fd00::1]:{DEFAULT_PORT}"));
        check("[fd00::1]", &format!("[fd00::1]:{DEFAULT_PORT}"));
        check("[fd00::1]:7000", "[fd00::1]:7000");
        check("host1.example", &format!("host1.example:{DEFAULT_PORT}"));
    }
}
