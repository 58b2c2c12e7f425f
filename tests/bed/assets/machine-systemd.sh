#!/bin/bash
# Hands a machine over to the systemd that is installed here, with nothing to start but a bus and the way in.
here=${0%/*}
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
# Else it takes itself for a container's.
rm -f /.dockerenv /run/.containerenv
: >/etc/fstab
# What is started here at boot is not wanted there; what makes units of disks, and hundreds of unit files, take seconds at
# each reload.
mkdir -p /run/units /run/systemd/system
cp -a /lib/systemd/system/*.target /lib/systemd/system/*.slice /lib/systemd/system/dbus.{socket,service} /run/units/
mount --bind /run/units /lib/systemd/system
rm -rf /etc/systemd/system /lib/systemd/system-generators
mkdir -p /etc/systemd/system
cat >/etc/systemd/system/way-in.target <<EOF
[Unit]
Requires=dbus.socket way-in.service
After=dbus.socket
EOF
cat >/etc/systemd/system/way-in.service <<EOF
[Unit]
DefaultDependencies=no
After=dbus.socket
[Service]
ExecStart=/bin/bash $here/shell.sh
EOF
exec /lib/systemd/systemd --unit=way-in.target
