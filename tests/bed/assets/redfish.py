#!/usr/bin/env python3
"""redfish.py ADDRESS PORT DIRECTORY UUID COMMAND [ARGUMENT ...]: a Redfish service with one system.

The power is switched by COMMAND, called as ipmi_sim calls its own: `get power`, `set power 0|1`. DIRECTORY has the certificate
(redfish.crt), its key (redfish.key) and the password of the user admin (password), read for each request. A file `quirk`
there makes it odd for the tests: "close" ends each connection, "flood" never ends an answer, "html" is no JSON, "two" has two
systems, "graceful" lists no ForceOff.
"""
import base64, hmac, json, os, socket, ssl, subprocess, sys, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS, PORT, DIRECTORY, UUID, COMMAND = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]
ROOT, SYSTEMS, SESSIONS = "/redfish/v1", "/redfish/v1/Systems", "/redfish/v1/SessionService/Sessions"
RESET = SYSTEMS + "/1/Actions/ComputerSystem.Reset"
TOKENS = {}


def read(name):
    try:
        with open(os.path.join(DIRECTORY, name)) as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def chassis(*arguments):
    done = subprocess.run([*COMMAND, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"{' '.join(arguments)} failed")
    return done.stdout


def system():
    power = "On" if "power:1" in chassis("get", "power") else "Off"
    listed = ["On", "GracefulShutdown"] if read("quirk") == "graceful" else ["On", "ForceOff", "ForceRestart"]
    reset = {"target": RESET, "ResetType@Redfish.AllowableValues": listed}
    return {"@odata.id": SYSTEMS + "/1", "@odata.type": "#ComputerSystem.v1_5_0.ComputerSystem", "Id": "1", "Name": "System",
            "PowerState": power, "UUID": UUID, "Actions": {"#ComputerSystem.Reset": reset}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def answer(self, status, document=None, headers=()):
        body = b"" if document is None else json.dumps(document).encode()
        if read("quirk") == "html":
            body = b"<html>login</html>"
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        if read("quirk") == "close":
            self.send_header("Connection", "close")
            self.close_connection = True
        if read("quirk") == "flood":
            self.send_header("Content-Length", str(1 << 40))
            self.end_headers()
            while True:
                self.wfile.write(b" " * 65536)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, message):
        told = {"MessageId": "Base.1.0.GeneralError", "Message": message}
        self.answer(status, {"error": {"code": "Base.1.0.GeneralError", "message": message, "@Message.ExtendedInfo": [told]}})

    def is_let_in(self):
        if self.headers.get("X-Auth-Token", "") in TOKENS:
            return True
        wanted = "Basic " + base64.b64encode(("admin:" + read("password")).encode()).decode()
        if hmac.compare_digest(self.headers.get("Authorization", ""), wanted):
            return True
        self.refuse(401, "The user name or the password is wrong.")
        return False

    def do_GET(self):
        path = self.path.rstrip("/")
        if path == ROOT:
            return self.answer(200, {"@odata.id": ROOT, "Systems": {"@odata.id": SYSTEMS}, "RedfishVersion": "1.6.0"})
        if not self.is_let_in():
            return None
        if path == SYSTEMS:
            names = ["1", "2"] if read("quirk") == "two" else ["1"]
            members = [{"@odata.id": f"{SYSTEMS}/{name}"} for name in names]
            return self.answer(200, {"@odata.id": SYSTEMS, "Members": members, "Members@odata.count": len(members)})
        if path == SYSTEMS + "/1":
            return self.answer(200, system())
        return self.refuse(404, f"There is no resource {path}.")

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), 65536))
        path = self.path.rstrip("/")
        if path == SESSIONS:
            given = json.loads(body)
            if (given.get("UserName"), given.get("Password")) != ("admin", read("password")):
                return self.refuse(401, "The user name or the password is wrong.")
            token = uuid.uuid4().hex
            TOKENS[token] = SESSIONS + "/" + uuid.uuid4().hex
            return self.answer(201, {}, [("X-Auth-Token", token), ("Location", TOKENS[token])])
        if not self.is_let_in():
            return None
        kind = json.loads(body).get("ResetType")
        if path != RESET or kind not in ("On", "ForceOff", "ForceRestart"):
            return self.refuse(400, f"The value {kind} for ResetType is not in the list of acceptable values.")
        try:
            for switched in {"On": "1", "ForceOff": "0", "ForceRestart": "01"}[kind]:
                chassis("set", "power", switched)
        except OSError as error:
            return self.refuse(500, str(error))
        return self.answer(204)

    def do_DELETE(self):
        gone = [token for token, path in TOKENS.items() if path == self.path]
        for token in gone:
            del TOKENS[token]
        return self.answer(204 if gone else 404)

    def log_message(self, *arguments):
        print(self.address_string(), *arguments, len(TOKENS), flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    address_family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET

    def get_request(self):
        connection, peer = super().get_request()
        # The handshake is the thread's: who hangs in it hangs alone.
        return CONTEXT.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), peer

    def handle_error(self, request, client_address):
        print(client_address, sys.exc_info()[1], flush=True)


CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
CONTEXT.load_cert_chain(os.path.join(DIRECTORY, "redfish.crt"), os.path.join(DIRECTORY, "redfish.key"))
Server((ADDRESS, PORT), Handler).serve_forever()
