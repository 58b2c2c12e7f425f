#!/bin/bash
# own.sh: what every machine of the bed has for itself; for its process 1 to source, with its directory in $home.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

# A sysfs of this network namespace, with the cgroup tree put back into it.
mkdir -p "$home/cgroup"
mount --rbind /sys/fs/cgroup "$home/cgroup" && mount -t sysfs sysfs /sys &&
    mount --rbind "$home/cgroup" /sys/fs/cgroup && umount -l "$home/cgroup"

own() { mkdir -p "$1" "$2" && mount --bind "$1" "$2"; }
own "$home/etc-libvirt" /etc/libvirt
own "$home/var-lib-libvirt" /var/lib/libvirt
own "$home/log/libvirt" /var/log/libvirt
# What QEMU can do is probed once and kept for all hosts and beds.
own "$BED_CACHE/libvirt" /var/cache/libvirt
