#!/bin/sh
echo "GUEST-ACPI-POWEROFF" >/dev/console
sync
poweroff -f
