#!/bin/sh
# Process 1 of a guest: loads the drivers, answers the power button and hands over to the program that writes the evidence.
mount -t devtmpfs d /dev
mount -t proc p /proc
mount -t sysfs s /sys
exec </dev/console >/dev/console 2>&1
for m in $(cat /m/order); do insmod "/m/$m"; done
acpid -f -l /dev/null -c /etc/acpi >/dev/null 2>&1 &
i=0
while [ ! -b /dev/vdc ] && [ $i -lt 100 ]; do sleep 0.05; i=$((i + 1)); done
for a in $(cat /proc/cmdline); do case $a in guest=*) name=${a#guest=} ;; esac done
hostname "${name:-guest}"
/bin/tick "${name:-guest}" /dev/vdb /dev/vdc
echo "GUEST-TICK-ENDED"
poweroff -f
