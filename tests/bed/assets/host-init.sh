#!/bin/bash
# host-init.sh N: process 1 of a simulated host, in its own pid, mount, uts, ipc and network namespaces.
# Everything a second host must not share is bind-mounted from the host's own directory.
. "${0%/*}/bed.env"
n=$1 name=n$1 home=$BED_DIR/n$1 cg=$BED_CG/n$1
. "${0%/*}/own.sh"
hostname "$name"
own "$home/state" /var/lib/quorate
mount --bind "$home/hosts" /etc/hosts
mount --bind "$home/hostname" /etc/hostname
mount --bind "$home/boot_id" /proc/sys/kernel/random/boot_id

# A power cut loses /run. The directory stays readable from outside as nN/run.
rm -rf --one-file-system "$home/run"
own "$home/run" /run
mkdir -p /run/libvirt /run/lock /run/quorate /run/resource-agents /run/quorate-bed
own "$BED_DIR/shared" /run/quorate-bed/shared
own "$BED_GUEST" /run/quorate-bed/guest
cp "$home/product_uuid" /run/quorate-bed/product_uuid
# The guest reads on which host and in which boot it runs: the file has the same path and another content everywhere.
printf '%s %s %s\n' "$n" "$name" "$(cat "$home/boot_id")" >/run/quorate-bed/host.img
truncate -s 4096 /run/quorate-bed/host.img

"$BED_DIR/libvirt.sh"
[ -f "$home/daemon.sh" ] && [ -f "$home/autostart" ] && setsid "$home/daemon.sh" </dev/null &
cp "$home/boot_id" /run/quorate-bed/booted
# Reaps what is orphaned to it.
while :; do sleep 1000 & wait $!; done
