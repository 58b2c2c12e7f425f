//! Writes what a bed's directory has to hold before its hosts are switched on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::layout::{Layout, cache};
use crate::options::DaemonCommand;

const SCRIPTS: &[(&str, &str)] = &[
    ("power.sh", include_str!("../../assets/power.sh")),
    ("chassis.sh", include_str!("../../assets/chassis.sh")),
    ("own.sh", include_str!("../../assets/own.sh")),
    ("host-init.sh", include_str!("../../assets/host-init.sh")),
    ("libvirt.sh", include_str!("../../assets/libvirt.sh")),
];

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// Replaces the placeholders of [`DaemonCommand::argv`].
pub(crate) fn fill(layout: &Layout, host: &str, template: &str) -> Result<String> {
    let cgroup = layout.host_cgroup(host)?.join("quorated");
    Ok(template
        .replace("{name}", host)
        .replace("{n}", &layout.number(host)?.to_string())
        .replace("{addr}", &layout.address(host)?)
        .replace("{hardware_id_file}", "/run/quorate-bed/product_uuid")
        .replace("{cgroup}", &cgroup.to_string_lossy()))
}

pub(crate) fn write_bed_files(layout: &Layout, guest: &Path, daemon: Option<&DaemonCommand>) -> Result<()> {
    let path = |path: &Path| quote(&path.to_string_lossy());
    let env = format!(
        "BED_DIR={}\nBED_CG={}\nBED_NETNS={}\nBED_CACHE={}\nBED_GUEST={}\n",
        path(&layout.dir),
        path(&layout.cgroup()?),
        quote(&layout.netns()),
        path(&cache()),
        path(guest)
    );
    write(&layout.dir.join("bed.env"), &env, 0o644)?;
    for (name, text) in SCRIPTS {
        write(&layout.dir.join(name), text, 0o755)?;
    }
    fs::create_dir_all(layout.shared())?;
    for host in layout.names() {
        host_files(layout, &host)?;
        if let Some(daemon) = daemon {
            daemon_script(layout, &host, daemon)?;
        }
    }
    Ok(())
}

fn host_files(layout: &Layout, host: &str) -> Result<()> {
    let home = layout.home(host);
    for dir in ["etc-libvirt", "log/libvirt", "state"] {
        fs::create_dir_all(home.join(dir))?;
    }
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").context("make a hardware id")?;
    fs::write(home.join("product_uuid"), &uuid)?;
    fs::write(home.join("hostname"), format!("{host}\n"))?;
    // Without these every first connection waits seconds for a name server that is not there.
    let mut hosts = "127.0.0.1 localhost\n".to_owned();
    for other in layout.names() {
        hosts.push_str(&format!("{} {other}\n", layout.address(&other)?));
    }
    fs::write(home.join("hosts"), hosts)?;
    write_libvirt_files(&home.join("etc-libvirt"), &layout.address(host)?, uuid.trim())
}

/// What a libvirtd of the bed is configured with.
pub(crate) fn write_libvirt_files(dir: &Path, address: &str, uuid: &str) -> Result<()> {
    let libvirtd = format!(
        "host_uuid = \"{uuid}\"
auth_unix_rw = \"none\"
auth_unix_ro = \"none\"
unix_sock_rw_perms = \"0700\"
listen_tls = 0
listen_tcp = 1
listen_addr = \"{address}\"
auth_tcp = \"none\"
log_outputs = \"2:file:/var/log/libvirt/libvirtd.log\"
"
    );
    fs::write(dir.join("libvirtd.conf"), libvirtd)?;
    // QEMU runs as root without confinement: the host is the sandbox.
    let qemu = format!(
        "user = \"root\"
group = \"root\"
dynamic_ownership = 0
remember_owner = 0
security_driver = \"none\"
namespaces = []
cgroup_controllers = []
stdio_handler = \"file\"
migration_address = \"0.0.0.0\"
migration_host = \"{address}\"
max_core = 0
"
    );
    fs::write(dir.join("qemu.conf"), qemu)?;
    Ok(())
}

fn daemon_script(layout: &Layout, host: &str, daemon: &DaemonCommand) -> Result<()> {
    let cgroup = layout.host_cgroup(host)?.join("quorated/daemon/cgroup.procs");
    let mut script = format!(
        "#!/bin/sh\n# The daemon of {host}.\ncd /\nexec >>{} 2>&1 </dev/null\necho 0 >{}\necho $$ >/run/quorate-bed/daemon.pid\n",
        quote(&layout.daemon_log(host).to_string_lossy()),
        quote(&cgroup.to_string_lossy())
    );
    for (name, value) in &daemon.env {
        script.push_str(&format!("export {name}={}\n", quote(&fill(layout, host, value)?)));
    }
    let mut argv = Vec::new();
    for word in &daemon.argv {
        argv.push(quote(&fill(layout, host, word)?));
    }
    script.push_str(&format!("exec {} \"$@\"\n", argv.join(" ")));
    let home = layout.home(host);
    write(&home.join("daemon.sh"), &script, 0o755)?;
    if daemon.autostart {
        fs::write(home.join("autostart"), "")?;
    }
    Ok(())
}
