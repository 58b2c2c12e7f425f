#!/bin/bash
# hypervisor.sh: process 1 of a hypervisor that is no host of the cluster: libvirtd, and a server for logins by key.
. "${0%/*}/bed.env"
home=$BED_DIR/hypervisor
. "${0%/*}/own.sh"
hostname hypervisor
own "$home/run" /run
mkdir -p /run/libvirt /run/lock
# The machine's own root has no business with the keys of this one.
sed "s#^root:.*#root:x:0:0:root:$home/root:/bin/bash#" /etc/passwd >"$home/passwd"
mount --bind "$home/passwd" /etc/passwd

cd / || exit 1
virtlogd -d </dev/null >/dev/null 2>&1
libvirtd -d -p /run/libvirtd.pid </dev/null >/dev/null 2>&1
dropbear -E -s -r "$home/host_key" -P /run/dropbear.pid -p "$1:22" </dev/null 2>>"$home/log/dropbear.log"
# Reaps what is orphaned to it.
while :; do sleep 1000 & wait $!; done
