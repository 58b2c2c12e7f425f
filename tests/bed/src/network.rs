//! The switch between the hosts, and the faults in it. Each host hangs on one port that has its name; BMCs live on the
//! switch itself. A cut drops every frame silently; a link that is down also shows the host a lost carrier.

use anyhow::{Context, Result};

use crate::command::must;
use crate::layout::Layout;

const TABLE: &str = "quorate_bed";
/// The hardware address of the switch, and so of all BMCs. Without one of its own a bridge has its lowest port's, which goes with
/// the power of that port's host: for up to a minute the other hosts would ask the BMCs where nobody is.
const SWITCH: &str = "02:99:00:00:ff:fe";

fn on_switch(layout: &Layout, command: &[&str]) -> Result<String> {
    let namespace = format!("--net=/run/netns/{}", layout.switch());
    let mut arguments = vec![namespace.as_str(), "--"];
    arguments.extend(command);
    must("nsenter", &arguments)
}

/// Creates the switch with the addresses of all BMCs and the (empty) list of cuts.
pub(crate) fn create(layout: &Layout) -> Result<()> {
    let switch = layout.switch();
    must("ip", &["netns", "add", &switch])?;
    must("ip", &["-n", &switch, "link", "set", "lo", "up"])?;
    must("ip", &["-n", &switch, "link", "add", "br0", "address", SWITCH, "type", "bridge"])?;
    must("ip", &["-n", &switch, "link", "set", "br0", "up"])?;
    for host in layout.names() {
        set_bmc_address(layout, &host, true)?;
    }
    // Cuts stand on the way into and out of the bridge, so they also part a host from the BMCs.
    let rules = format!(
        "table bridge {TABLE} {{
            set cut {{ type ifname; }}
            set pairs {{ type ifname . ifname; }}
            chain into {{ type filter hook prerouting priority 0; iifname @cut drop; }}
            chain through {{ type filter hook forward priority 0; iifname . oifname @pairs drop; }}
            chain out {{ type filter hook postrouting priority 0; oifname @cut drop; }}
        }}"
    );
    on_switch(layout, &["nft", &rules]).map(drop)
}

/// A port of the switch for a machine that is emulated as a whole.
pub(crate) fn add_tap(layout: &Layout, port: &str) -> Result<()> {
    let switch = layout.switch();
    must("ip", &["-n", &switch, "tuntap", "add", "dev", port, "mode", "tap"])?;
    must("ip", &["-n", &switch, "link", "set", port, "master", "br0", "up"]).map(drop)
}

/// Gives the address of a host's BMC to the switch, or takes it away.
pub(crate) fn set_bmc_address(layout: &Layout, host: &str, present: bool) -> Result<()> {
    let address = format!("{}/24", layout.bmc_address(host)?);
    let verb = if present { "replace" } else { "del" };
    let addresses = must("ip", &["-n", &layout.switch(), "-o", "addr", "show", "dev", "br0"])?;
    if present == addresses.contains(&format!(" {address} ")) {
        return Ok(());
    }
    must("ip", &["-n", &layout.switch(), "addr", verb, &address, "dev", "br0"]).map(drop)
}

/// Gives the switch an address of its own, for hosts to reach.
pub(crate) fn gateway(layout: &Layout) -> Result<String> {
    let first = layout.names().into_iter().next().context("a bed has hosts")?;
    let own = layout.address(&first)?;
    let (network, _) = own.rsplit_once('.').context("the hosts have IPv4 addresses")?;
    let address = format!("{network}.254");
    must("ip", &["-n", &layout.switch(), "addr", "replace", &format!("{address}/24"), "dev", "br0"])?;
    Ok(address)
}

fn element(layout: &Layout, verb: &str, set: &str, element: &str) -> Result<()> {
    on_switch(layout, &["nft", verb, "element", "bridge", TABLE, set, &format!("{{ {element} }}")]).map(drop)
}

/// Parts a host from everything: other hosts and all BMCs.
pub(crate) fn cut(layout: &Layout, host: &str) -> Result<()> {
    element(layout, "add", "cut", &format!("\"{host}\""))
}

/// Drops what one host sends to another; the other direction stays.
pub(crate) fn cut_one_way(layout: &Layout, from: &str, to: &str) -> Result<()> {
    element(layout, "add", "pairs", &format!("\"{from}\" . \"{to}\""))
}

/// Takes back every cut that touches the host, and brings its link up.
pub(crate) fn heal(layout: &Layout, host: &str) -> Result<()> {
    let cuts = on_switch(layout, &["nft", "list", "set", "bridge", TABLE, "cut"])?;
    let quoted = format!("\"{host}\"");
    if cuts.contains(&quoted) {
        element(layout, "delete", "cut", &quoted)?;
    }
    let pairs = on_switch(layout, &["nft", "list", "set", "bridge", TABLE, "pairs"])?;
    for other in layout.names() {
        for pair in [format!("{quoted} . \"{other}\""), format!("\"{other}\" . {quoted}")] {
            if pairs.contains(&pair) {
                element(layout, "delete", "pairs", &pair)?;
            }
        }
    }
    link(layout, host, true)
}

/// Takes the host's link down or up; a host that is off has none, and gets a new one when switched on.
pub(crate) fn link(layout: &Layout, host: &str, up: bool) -> Result<()> {
    let ports = must("ip", &["-n", &layout.switch(), "-o", "link", "show", "type", "veth"])?;
    if !ports.contains(&format!(" {host}@")) {
        return Ok(());
    }
    must("ip", &["-n", &layout.switch(), "link", "set", host, if up { "up" } else { "down" }]).map(drop)
}
