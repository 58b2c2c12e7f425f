#!/bin/bash
# Process 1 of a machine that is a host of a bed: its disk, its network, its feeder and its daemon; no service manager.
here=${0%/*}
. "$here/env"
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /run/lock /run/quorate /run/resource-agents /var/lib/quorate /sys/fs/cgroup/quorated/daemon
mount -t ext4 /dev/vda /var/lib/quorate
hostname "$NAME"
cp "$here/hosts" /etc/hosts
ip link set lo up
ip addr add "$ADDRESS/24" dev eth0
ip link set eth0 up
"$BINARIES/quorate-feeder" --device /dev/watchdog &
(
    echo 0 >/sys/fs/cgroup/quorated/daemon/cgroup.procs
    # Nobody is there to be asked, and nothing that could fall asleep.
    exec "$BINARIES/quorated" --cgroup /sys/fs/cgroup/quorated --stopping-check "/bin/echo running" --sleep-mask /bin/true
) </dev/null &
bash "$here/shell.sh" &
while :; do sleep 1000 & wait $!; done
