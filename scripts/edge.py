"""Traefik with the shipped files, and what stands behind it: for the scripts that run it without Docker."""

import collections, http.client, http.server, json, shutil, socket, ssl, time
from pathlib import Path
from running import free_port

Answer = collections.namedtuple("Answer", "status headers body")
row = json.dumps({"Transaction_Amount": 150.75, "Average_Transaction_Amount": 120.0, "Frequency_of_Transactions": 3})


def plain(port, path, method="GET", host="127.0.0.1", body=None, headers=()):
    """Asks a server of the loopback, without TLS."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body=body, headers={"Host": host, **dict(headers)})
    response = connection.getresponse()
    return Answer(response.status, response.headers, response.read())


class Edge:
    """A Traefik with the shipped files: ports and folders are put in their places, and its API is opened to be asked what it made of them.

    `ports` are those of the entry points web, websecure and metrics; free ones are taken if it is left out. Redirections lead to the second of
    them if they are given: people come that way."""

    def __init__(self, servers, traefik, name, certificates, key=None, host="synod.test", ports=None, is_good=True, acme=None, **environment):
        self.web, self.tls, self.inner = ports or (free_port() for _ in range(3))
        self.api, self.host, self.key, self.authority = free_port(), host, key, certificates / "ca.pem"
        folder = servers.folder / name
        shutil.rmtree(folder / "dynamic", ignore_errors=True)
        (folder / "data").mkdir(parents=True, exist_ok=True)
        shutil.copytree("traefik/dynamic", folder / "dynamic")
        text = Path("traefik/traefik.yaml").read_text()
        for old, new in [
            ("address: :8000", f"address: 127.0.0.1:{self.web}"),
            ("address: :8443", f"address: 127.0.0.1:{self.tls}"),
            ("address: :8082", f"address: 127.0.0.1:{self.inner}"),
            ("  metrics:\n", f"  traefik:\n    address: 127.0.0.1:{self.api}\n    http:\n      aliasHeadersStrategy: delete\n  metrics:\n"),
            ("to: ':443'", f"to: ':{self.tls}'" if ports else "to: ':443'"),
            ("/etc/traefik/dynamic", str(folder / "dynamic")),
            ("/var/log/traefik", str(folder)),
            ("/var/lib/traefik/l", f"{folder}/data/l"),
            ("/var/lib/traefik/s", f"{folder}/data/s"),
        ]:
            assert old in text, old
            text = text.replace(old, new, 1)
        if acme:
            text = text.replace("    acme:\n", f"    acme:\n      caServer: {acme}\n", 1)
        (folder / "traefik.yaml").write_text(text + "\napi:\n  insecure: true\n  dashboard: false\n")
        self.log, self.access_log = servers.folder / f"{name}.log", folder / "access.log"
        given = {
            "EDGE_HOST": host,
            "EDGE_CERTIFICATE": str(certificates / "edge/edge.pem"),
            "EDGE_AUTHORITY": str(self.authority),
            **environment,
        }
        self.process = servers.start(name, [traefik, f"--configFile={folder}/traefik.yaml"], **given)
        servers.until(lambda: plain(self.inner, "/ping").status == 200, f"{name} answers the ping", process=self.process)
        if is_good:
            servers.until(lambda: any(entry["provider"] == "file" for entry in self.ask("routers")), f"{name} has read its files")

    def ask(self, kind):
        return json.loads(plain(self.api, f"/api/http/{kind}?per_page=1000").body)

    def replicas(self):
        """Whether each replica is well, by its URL, as the edge sees it."""
        service = next(entry for entry in self.ask("services") if entry["name"] == "synod@file")
        return {url: state == "UP" for url, state in service.get("serverStatus", {}).items()}

    def call(self, method, path, body=None, headers=(), host=None, server=None, version=None, source="127.0.0.1", authorised=True):
        context = ssl.create_default_context(cafile=self.authority)
        if version:
            # Old versions are tried as well: this side must not be what refuses them.
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
        raw = socket.create_connection(("127.0.0.1", self.tls), timeout=30, source_address=(source, 0))
        with context.wrap_socket(raw, server_hostname=server or self.host) as encrypted:
            connection = http.client.HTTPConnection(host or self.host)
            connection.sock = encrypted
            own = {"Authorization": f"Bearer {self.key}"} if authorised else {}
            try:
                connection.request(method, path, body=body, headers={**own, **dict(headers)})
            except OSError:
                pass  # What is too long is answered before it is sent as a whole.
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())

    def requests(self):
        """The lines of the access log so far."""
        if not self.access_log.exists():
            return []
        return [json.loads(line) for line in self.access_log.read_text().splitlines(keepends=True) if line.endswith("\n")]


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """A health check that goes away is no news."""


class Stub(http.server.BaseHTTPRequestHandler):
    """Stands for a tool, which says what it was sent, and for a Synod that is slow or overloaded."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps({"path": self.path, "headers": {name.lower(): value for name, value in self.headers.items()}})
        if self.path.startswith("/slow"):
            time.sleep(1)
        self.send_response(200)
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


def login(host):
    """A section of Synod's configuration: a login by an identity provider that is away. Browsers are sent to it; nobody gets through."""
    provider = {"issuer": "https://127.0.0.1:9", "audiences": ["synod"], "private": True, "roles": {}}
    return {"identity": {"issuers": {"away": provider}, "login": {"issuer": "away", "client_id": "synod", "redirect": f"https://{host}/console/callback"}}}


def serve(servers, synod, name, configuration, certificates, data, administration, **environment):
    """Starts a replica, which listens by TLS."""
    folder = certificates / "synod"
    return servers.start(
        name,
        [synod, "serve", "--config", configuration],
        SYNOD_LISTEN__DATA=f"127.0.0.1:{data}",
        SYNOD_LISTEN__ADMINISTRATION=f"127.0.0.1:{administration}",
        SYNOD_LISTEN__PROXIES='["127.0.0.1"]',
        SYNOD_LISTEN__TLS__CERTIFICATE=str(folder / "synod.pem"),
        SYNOD_LISTEN__TLS__KEY=str(folder / "synod.key"),
        **environment,
    )
