#!/bin/sh
# AGENT keeps one program running. It is called once for each action, and answers with its exit code.
: "${OCF_RESKEY_pidfile:=${HA_RSCTMP:-/run}/AGENT-$OCF_RESOURCE_INSTANCE.pid}"
SUCCESS=0; ERROR=1; UNIMPLEMENTED=3; NOT_INSTALLED=5; NOT_CONFIGURED=6; NOT_RUNNING=7
fail() { echo "ocf-exit-reason:$2" >&2; exit "$1"; }
pid() { cat "$OCF_RESKEY_pidfile" 2>/dev/null; }
runs() { [ -n "$(pid)" ] && kill -0 "$(pid)" 2>/dev/null; }
validate() {
    [ -n "$OCF_RESKEY_program" ] || fail $NOT_CONFIGURED "the parameter program is missing"
    [ -x "$OCF_RESKEY_program" ] || fail $NOT_INSTALLED "$OCF_RESKEY_program cannot be executed here"
}
case $1 in
meta-data) cat <<XML
<?xml version="1.0"?>
<resource-agent name="AGENT" version="1.0"><version>1.1</version>
<longdesc lang="en">Keeps one program running.</longdesc><shortdesc lang="en">Keeps one program running</shortdesc>
<parameters><parameter name="program" required="1"><shortdesc lang="en">The program</shortdesc><content type="string"/></parameter>
<parameter name="options"><shortdesc lang="en">Its arguments</shortdesc><content type="string"/></parameter>
<parameter name="pidfile" unique="1"><shortdesc lang="en">Where its process id is kept</shortdesc><content type="string"/></parameter></parameters>
<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s" interval="10s"/>
<action name="validate-all" timeout="5s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>
XML
    ;;
validate-all) validate ;;
monitor) runs || exit $NOT_RUNNING ;;
start) validate; runs || { "$OCF_RESKEY_program" $OCF_RESKEY_options >/dev/null 2>&1 & echo $! >"$OCF_RESKEY_pidfile"; runs || fail $ERROR "it ended at once"; } ;;
stop) while runs; do kill "$(pid)"; sleep 0.2; done; rm -f "$OCF_RESKEY_pidfile" ;;  # the timeout ends what does not end
*) exit $UNIMPLEMENTED ;;
esac
