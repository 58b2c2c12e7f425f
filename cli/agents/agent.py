#!/usr/bin/env python3
"""AGENT keeps one program running. It is called once for each action, and answers with its exit code."""
import os, shlex, signal, subprocess, sys, time
SUCCESS, ERROR, UNIMPLEMENTED, NOT_INSTALLED, NOT_CONFIGURED, NOT_RUNNING = 0, 1, 3, 5, 6, 7
PROGRAM, OPTIONS = (os.environ.get("OCF_RESKEY_" + name, "") for name in ("program", "options"))
PIDFILE = os.environ.get("OCF_RESKEY_pidfile") or f'{os.environ.get("HA_RSCTMP", "/run")}/AGENT-{os.environ.get("OCF_RESOURCE_INSTANCE")}.pid'
META_DATA = """<?xml version="1.0"?>
<resource-agent name="AGENT" version="1.0"><version>1.1</version>
<longdesc lang="en">Keeps one program running.</longdesc><shortdesc lang="en">Keeps one program running</shortdesc>
<parameters><parameter name="program" required="1"><shortdesc lang="en">The program</shortdesc><content type="string"/></parameter>
<parameter name="options"><shortdesc lang="en">Its arguments</shortdesc><content type="string"/></parameter>
<parameter name="pidfile" unique="1"><shortdesc lang="en">Where its process id is kept</shortdesc><content type="string"/></parameter></parameters>
<actions><action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s" interval="10s"/>
<action name="validate-all" timeout="5s"/><action name="meta-data" timeout="5s"/></actions></resource-agent>"""
def fail(code, reason): sys.exit(print("ocf-exit-reason:" + reason, file=sys.stderr) or code)
def runs(send=0):
    try: return os.kill(int(open(PIDFILE).read()), send) is None
    except (OSError, ValueError): return False
def validate():
    if not PROGRAM: fail(NOT_CONFIGURED, "the parameter program is missing")
    if not os.access(PROGRAM, os.X_OK): fail(NOT_INSTALLED, PROGRAM + " cannot be executed here")
def start():
    if validate() or runs(): return
    child = subprocess.Popen([PROGRAM, *shlex.split(OPTIONS)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    open(PIDFILE, "w").write(str(child.pid))
def stop():
    while runs(signal.SIGTERM): time.sleep(0.2)  # the timeout ends what does not end
    if os.path.exists(PIDFILE): os.remove(PIDFILE)
ACTIONS = {"start": start, "stop": stop, "monitor": lambda: runs() or sys.exit(NOT_RUNNING), "validate-all": validate, "meta-data": lambda: print(META_DATA)}
ACTIONS.get(sys.argv[1] if len(sys.argv) > 1 else "", lambda: sys.exit(UNIMPLEMENTED))()
