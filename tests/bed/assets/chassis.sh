#!/bin/sh
# chassis.sh N get power | set power "0|1" | set reset 1 | ...: what ipmi_sim runs for host N.
# `get` prints "name:value"; a non-zero exit becomes an IPMI error. ipmi_sim serves one request at a time and reads to the
# end of file, so nothing in the background may keep its stdout. The file bmc/nN/mode says how this BMC misbehaves.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
. "${0%/*}/bed.env"
n=$1 op=$2
shift 2
bmc=$BED_DIR/bmc/n$n
mode=ok arg=
[ -f "$bmc/mode" ] && read -r mode arg <"$bmc/mode"
[ "$mode" = slow ] && sleep "${arg:-5}"

power_is() {
    if [ "$mode" = lying ] && [ -f "$bmc/lie" ]; then echo 0; return; fi
    populated=0
    [ -f "$BED_CG/n$n/cgroup.events" ] && read -r _ populated <"$BED_CG/n$n/cgroup.events"
    echo "$populated"
}

switch() {
    case $mode in
    stuck) return 0 ;;
    lying) if [ "$1" = off ]; then : >"$bmc/lie"; else rm -f "$bmc/lie"; fi; return 0 ;;
    esac
    "$BED_DIR/power.sh" "$n" "$1" </dev/null >>"$bmc/power.log" 2>&1
}

echo "$(date +%s.%N) $mode $op $*" >>"$bmc/chassis.log"
if [ "$op" = get ]; then
    for what; do
        case $what in
        power) echo "power:$(power_is)" ;;
        boot) echo "boot:default" ;;
        *) exit 1 ;;
        esac
    done
    exit 0
fi
while [ $# -ge 2 ]; do
    case $1 in
    power) if [ "$2" = 0 ]; then switch off; else switch on; fi || exit 1 ;;
    reset) switch off && switch on || exit 1 ;;
    shutdown) switch off || exit 1 ;;
    boot | identify) ;;
    *) exit 1 ;;
    esac
    shift 2
done
exit 0
