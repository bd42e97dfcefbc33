"""What scripts/check-traefik.py starts and calls: Traefik with the shipped files, replicas of Synod, stubs."""

import collections, http.client, http.server, json, os, re, shutil, socket, ssl, subprocess, sys, threading, time
from pathlib import Path

work, synod, traefik = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
key = (work / "key").read_text().strip()
certificates = work / "certificates"
row = json.dumps({"Transaction_Amount": 150.75, "Average_Transaction_Amount": 120.0, "Frequency_of_Transactions": 3})
started = []
Answer = collections.namedtuple("Answer", "status headers body")


def said(text):
    print("  " + text, flush=True)


def check(holds, text, detail=""):
    if not holds:
        raise SystemExit(f"check-traefik: {text}: it is not so. {detail}")
    said(text)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(name, words, **environment):
    log = open(work / f"{name}.log", "ab")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SYNOD_", "EDGE_", "TRAEFIK_"))}
    process = subprocess.Popen(words, stdout=log, stderr=log, cwd=work, env={**kept, **environment})
    started.append(process)
    return process


def until(holds, text, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.05)
    logs = "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in work.glob("*.log"))
    raise SystemExit(f"check-traefik: {text}: not within {seconds} s\n{logs}")


def plain(port, path, method="GET", host="127.0.0.1"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": host})
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


class Edge:
    """A Traefik with the shipped files: ports and folders are put in their places, and its API is opened to be asked what it made of them."""

    def __init__(self, name, is_good=True, acme=None, **environment):
        self.web, self.tls, self.inner, self.api = (free_port() for _ in range(4))
        folder = work / name
        (folder / "data").mkdir(parents=True)
        shutil.copytree("traefik/dynamic", folder / "dynamic")
        text = Path("traefik/traefik.yaml").read_text()
        for old, new in [
            ("address: :8000", f"address: 127.0.0.1:{self.web}"),
            ("address: :8443", f"address: 127.0.0.1:{self.tls}"),
            ("address: :8082", f"address: 127.0.0.1:{self.inner}"),
            ("  metrics:\n", f"  traefik:\n    address: 127.0.0.1:{self.api}\n    http:\n      aliasHeadersStrategy: delete\n  metrics:\n"),
            ("/etc/traefik/dynamic", str(folder / "dynamic")),
            ("/var/lib/traefik/l", f"{folder}/data/l"),
            ("/var/lib/traefik/s", f"{folder}/data/s"),
        ]:
            assert old in text, old
            text = text.replace(old, new, 1)
        if acme:
            text = text.replace("    acme:\n", f"    acme:\n      caServer: {acme}\n", 1)
        (folder / "traefik.yaml").write_text(text + "\napi:\n  insecure: true\n  dashboard: false\n")
        self.log = work / f"{name}.log"
        given = {
            "EDGE_HOST": "synod.test",
            "EDGE_CERTIFICATE": str(certificates / "edge/edge.pem"),
            "EDGE_AUTHORITY": str(certificates / "ca.pem"),
            **environment,
        }
        self.process = start(name, [traefik, f"--configFile={folder}/traefik.yaml"], **given)
        until(lambda: plain(self.inner, "/ping").status == 200, f"{name} answers the ping")
        if is_good:
            until(lambda: any(entry["provider"] == "file" for entry in self.ask("routers")), f"{name} has read its files")

    def ask(self, kind):
        return json.loads(plain(self.api, f"/api/http/{kind}?per_page=1000").body)

    def call(self, method, path, body=None, headers=(), host="synod.test", server=None, version=None, source="127.0.0.1", authorised=True):
        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        if version:
            # Old versions are tried as well: this side must not be what refuses them.
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
        raw = socket.create_connection(("127.0.0.1", self.tls), timeout=30, source_address=(source, 0))
        with context.wrap_socket(raw, server_hostname=server or "synod.test") as encrypted:
            connection = http.client.HTTPConnection(host)
            connection.sock = encrypted
            own = {"Authorization": f"Bearer {key}"} if authorised else {}
            try:
                connection.request(method, path, body=body, headers={**own, **dict(headers)})
            except OSError:
                pass  # What is too long is answered before it is sent as a whole.
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def requests(self):
        entries = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [entry for entry in entries if "DownstreamStatus" in entry]


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A health check that goes away is no news."""


class Stub(http.server.BaseHTTPRequestHandler):
    """Stands for Synod's answer to forward-auth and for a tool: it says what it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, more, body = 200, {}, json.dumps({"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}})
        if self.path.startswith("/v1/forward-auth"):
            body = ""
            cookies = self.headers.get("cookie", "")
            if "__Host-synod=good" in cookies or self.headers.get("authorization") == "Bearer good":
                more = {"X-Synod-User": "ana", "X-Synod-Roles": "operator", "Cookie": "sid=1"}
            elif "text/html" in self.headers.get("accept", ""):
                status, more = 302, {"Location": "/console/login?return_to=" + self.headers["x-forwarded-uri"]}
            else:
                status = 403 if cookies else 401
        elif self.path.startswith("/slow"):
            time.sleep(1)
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def serve(number, port):
    folder = certificates / "synod"
    return start(
        f"synod-{number}",
        [synod, "serve", "--config", str(work / f"synod-{number}.yaml")],
        SYNOD_LISTEN__DATA=f"127.0.0.1:{port}",
        SYNOD_LISTEN__ADMINISTRATION=f"127.0.0.1:{free_port()}",
        SYNOD_LISTEN__TLS__CERTIFICATE=str(folder / "synod.pem"),
        SYNOD_LISTEN__TLS__KEY=str(folder / "synod.key"),
    )
