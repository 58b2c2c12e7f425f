#!/bin/sh
# power.sh N on|off|state|reboot BOOT: the mains switch of one simulated host. The one place that turns a host on or off,
# used by the bed and by the BMCs alike. "off" returns only when no process of the host is left.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
. "${0%/*}/bed.env"
n=$1 op=$2
name=n$n cg=$BED_CG/n$n sw=$BED_NETNS-sw ns=$BED_NETNS-n$n home=$BED_DIR/n$n

# The kernel's own word on the whole subtree: the first line of cgroup.events is "populated 0|1".
populated() { [ -f "$cg/cgroup.events" ] && read -r _ p <"$cg/cgroup.events" && [ "$p" = 1 ]; }

remove_network() {
    ip -n "$sw" link del "$name" 2>/dev/null
    ip netns del "$ns" 2>/dev/null
    :
}

# A new network namespace at every boot: a real power cut leaves no half-closed sockets behind to speak later.
create_network() {
    remove_network
    ip netns add "$ns" &&
        ip -n "$sw" link add "$name" type veth peer name eth0 address "02:99:00:00:00:$(printf %02x "$n")" netns "$ns" &&
        ip -n "$sw" link set "$name" master br0 up &&
        ip -n "$ns" addr add "10.99.0.$n/24" dev eth0 &&
        ip -n "$ns" link set eth0 up &&
        ip -n "$ns" link set lo up
}

off() {
    # The link goes first: else the dying kernel sends the FIN and RST that no power cut sends.
    ip -n "$sw" link set "$name" down 2>/dev/null
    [ -d "$cg" ] || return 0
    echo 1 >"$cg/cgroup.kill"
    # What hung in the kernel loses its power like everything else.
    [ -f "$home/stuck" ] && read -r stuck <"$home/stuck" && echo THAWED >"$stuck/freezer.state"
    tries=0
    while populated; do
        tries=$((tries + 1))
        [ $tries -gt 3000 ] && { echo "host $name: processes survive cgroup.kill" >&2; return 1; }
        sleep 0.01
    done
    remove_network
    find "$cg" -mindepth 1 -depth -type d -exec rmdir {} + 2>/dev/null
    [ -f "$home/stuck" ] && rmdir "$stuck" 2>/dev/null && rm -f "$home/stuck"
    :
}

on() {
    populated && return 0
    mkdir -p "$cg/init" "$cg/exec" "$cg/quorated/daemon" "$cg-firmware" "$home/log" || return 1
    echo 0 >"$cg/cgroup.freeze"
    create_network || return 1
    cat /proc/sys/kernel/random/uuid >"$home/boot_id"
    date +%s.%N >"$home/powered_on_at"
    # The outer shell is the firmware: when the host reboots itself (in a pid namespace reboot(2) ends process 1 as if by
    # SIGHUP), it is switched off and on.
    setsid sh -c 'echo 0 >"$1-firmware/cgroup.procs"; sh -c "$5" sh "$@"
        [ $? = 129 ] && exec "$3/power.sh" "$4" reboot "$6"' \
        sh "$cg" "$ns" "$BED_DIR" "$n" 'echo 0 >"$1/init/cgroup.procs" && exec nsenter --net="/run/netns/$2" \
        unshare -p -f --kill-child=SIGKILL -m -u -i --mount-proc --propagation private \
        /bin/bash "$3/host-init.sh" "$4"' "$(cat "$home/boot_id")" </dev/null >>"$home/log/init.log" 2>&1 9>&- &
    tries=0
    until populated; do
        tries=$((tries + 1))
        [ $tries -gt 1000 ] && { echo "host $name does not start: see $home/log/init.log" >&2; return 1; }
        sleep 0.005
    done
}

# Not if somebody else has switched the host off or on meanwhile.
reboot() {
    [ "$(cat "$home/boot_id")" = "$boot" ] && [ ! -f "$home/off" ] && off && on
}

case $op in
state) if populated; then echo on; else echo off; fi ;;
on | off | reboot)
    boot=${3:-}
    exec 9>"$home/power.lock" || exit 1
    flock 9
    case $op in on) rm -f "$home/off" ;; off) : >"$home/off" ;; esac
    $op
    ;;
*) echo "usage: power.sh N on|off|state|reboot BOOT" >&2; exit 2 ;;
esac
