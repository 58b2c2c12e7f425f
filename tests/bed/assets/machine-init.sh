#!/bin/sh
# Process 1 of a machine's initrd: drivers, then this machine's own root, read-only, with a layer in memory above it.
mount -t devtmpfs d /dev
mount -t proc p /proc
mount -t sysfs s /sys
exec </dev/console >/dev/console 2>&1
for m in $(cat /m/order); do insmod "/m/$m" || echo "no driver $m"; done
mount -t tmpfs t /layer && mkdir /layer/upper /layer/work
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=524288 root /lower &&
    mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work root /new || exec sh
for a in $(cat /proc/cmdline); do case $a in init2=*) init=${a#init2=} ;; esac done
for d in dev proc sys; do mount --move "/$d" "/new/$d"; done
exec switch_root /new "$init"
