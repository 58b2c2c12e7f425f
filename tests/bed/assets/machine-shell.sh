#!/bin/bash
# Runs what comes over the second serial line, a line each, and says what came of it.
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo
printf '\004ready %s\n' "$(cat /proc/sys/kernel/random/boot_id)" >&3
while IFS= read -r line <&3; do
    said=$(eval "${line#* }" 2>&1 </dev/null 3>&-)
    printf '%s\n\004exit %s %s\n' "$said" "${line%% *}" $? >&3
done
