//! A guest that Debian's `ocf:heartbeat:VirtualDomain`, as it is, runs and sends live. Whether it was restarted is read from
//! its own record.

use std::time::SystemTime;

use anyhow::{Result, ensure};

use crate::migration::{PATIENCE, another, arrived, writes_from};
use crate::stage::Stage;

/// It goes to another host without a restart; that host loses power, and after the proof the guest boots anew.
pub(crate) fn live(stage: &mut Stage) -> Result<()> {
    let hosts = stage.bed().hosts();
    stage.bed().create_guest("vm1")?;
    // The agent tells libvirt the names of nodes, which have to lead somewhere.
    let mut names = String::from("127.0.0.1 localhost\n");
    for host in &hosts {
        names.push_str(&format!("{} {host}\n", stage.bed().layout().address(host)?));
    }
    for host in &hosts {
        let known =
            format!("printf '{}' >/run/hosts && mount --bind /run/hosts /etc/hosts", names.replace('\n', "\\n"));
        stage.bed().exec(host, &["sh", "-c", &known])?.ok()?;
    }
    let contact = stage.cluster.contact()?;
    let words = "configure primitive vm1 ocf:heartbeat:VirtualDomain params config=/run/quorate-bed/shared/vm1.xml \
                 hypervisor=qemu:///system migration_transport=tcp autoset_utilization_cpu=false \
                 autoset_utilization_host_memory=false autoset_utilization_hv_memory=false";
    let operations = "op monitor interval=2s timeout=20s op start timeout=60s op stop timeout=60s op migrate_to timeout=90s \
                      op migrate_from timeout=60s meta allow-migrate=true";
    let words: Vec<&str> = words
        .split_whitespace()
        .chain(["migrate_options=--unsafe --p2p"])
        .chain(operations.split_whitespace())
        .collect();
    stage.bed().qrm(&contact, &words)?.ok()?;
    let begin = SystemTime::now();
    stage.cluster.wait_running(&["vm1"], PATIENCE, |_| true)?;
    let first = stage.cluster.processes()?["vm1"].host.clone();
    writes_from(stage, "vm1", &first, begin)?;

    let second = another(stage, &[&first])?;
    let begin = SystemTime::now();
    stage.cluster.qrm(&contact, &["resource", "move", "vm1", &second])?;
    arrived(stage, &["vm1"], &second, begin)?;
    stage.ensure_no_fence()?;

    let begin = SystemTime::now();
    stage.bed().power_off(&second)?;
    stage.cluster.wait_reborn(&stage.auditor, &["vm1"], begin)?;
    stage.fences_of(&second, 1)?;
    let last = stage.cluster.processes()?["vm1"].host.clone();
    ensure!(last != second, "it runs where there is no power");
    stage.note(format!("from {first} to {second} alive, and after the proof anew on {last}"));
    Ok(())
}
