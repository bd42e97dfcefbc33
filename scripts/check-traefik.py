"""What scripts/check-traefik.sh asks of the edge. Started by it: WORK SYNOD TRAEFIK."""

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

    def __init__(self, name, is_good=True, **environment):
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


def all_is_enabled(edge):
    for kind in ["routers", "services", "middlewares"]:
        entries = [entry for entry in edge.ask(kind) if entry["provider"] == "file"]
        wrong = [entry for entry in entries if entry["status"] != "enabled" or entry.get("error")]
        check(entries and not wrong, f"{len(entries)} {kind} are enabled: {' '.join(entry['name'].split('@')[0] for entry in entries)}", wrong)
    wrong = [line for line in edge.log.read_text().splitlines() if re.search(r'"level":"(error|fatal|warn)', line)]
    check(not wrong, "and nothing is complained of", "\n".join(wrong))


def redirection_and_tls(edge):
    answer = plain(edge.web, "/v1/score?a=b", "POST", host="synod.test")
    check((answer.status, answer.headers["location"]) == (308, "https://synod.test/v1/score?a=b"), "HTTP is sent to HTTPS", answer)
    for version, good in [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)]:
        try:
            works = edge.call("GET", "/readyz", version=version).status == 200
        except (ssl.SSLError, OSError):
            works = False
        check(works == good, f"{version.name} is {'spoken' if good else 'refused'}")
    try:
        edge.call("GET", "/readyz", server="other.test")
        refused = False
    except ssl.SSLError as error:
        refused = "UNRECOGNIZED_NAME" in str(error).upper() or "ALERT" in str(error).upper()
    check(refused, "a name without a certificate is refused in the handshake")
    check(edge.call("GET", "/readyz", host="other.test").status == 404, "another Host leads nowhere")


def requests_and_headers(edge):
    answer = edge.call("POST", "/v1/score", row)
    check(answer.status == 200 and b'"verdict"' in answer.body, "a row is scored", answer)
    answer = edge.call("GET", "/console", authorised=False)
    wanted = {"strict-transport-security": "max-age=31536000", "x-content-type-options": "nosniff", "referrer-policy": "strict-origin-when-cross-origin"}
    check(answer.status == 200 and all(answer.headers.get_all(name) == [value] for name, value in wanted.items()), "headers of security are there, once each", answer.headers)
    check("frame-ancestors 'none'" in answer.headers["content-security-policy"], "Synod's own are kept", answer.headers)
    check(edge.call("GET", "/v1/decisions", authorised=False).status == 401, "who has no credential gets Synod's 401")
    answer = edge.call("POST", "/v1/score", b" " * (4 << 20) + b"1")
    check(answer.status == 413, "a body beyond 4 MiB is refused", answer.status)
    answer = edge.call("POST", "/v1/detectors/isolation_forest/versions", b"0" * (5 << 20))
    check(answer.status in (400, 415, 422), "an upload may be longer", (answer.status, answer.body[:200]))
    answer = edge.call("GET", "/v1/entities/a%2Fb%3Fc")
    check(answer.status != 400 or b"problem" in str(answer.headers["content-type"]).encode(), "encoded characters of keys reach Synod", answer)
    answers = {edge.call(method, path, authorised=False).status for method, path in [("GET", "/dashboard/"), ("GET", "/api/rawdata"), ("GET", "/metrics"), ("GET", "/ping")]}
    check(not answers & set(range(200, 400)), "neither API nor metrics are to be had outside", answers)


def grpc(edge):
    """`ServerLive`, whose message is empty: five bytes that say so. Its status comes in a trailer."""
    url = f"https://synod.test:{edge.tls}/inference.GRPCInferenceService/ServerLive"
    (work / "empty").write_bytes(bytes(5))
    words = ["curl", "-sS", "--http2", "-D", "-", "-o", str(work / "answer"), "--cacert", str(certificates / "ca.pem"), "--resolve", f"synod.test:{edge.tls}:127.0.0.1"]
    words += ["-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary", f"@{work}/empty", url]
    fields = subprocess.run(words, capture_output=True, text=True, timeout=30)
    check("HTTP/2 200" in fields.stdout and "grpc-status: 0" in fields.stdout, "gRPC passes, with its trailer", fields)


def log_and_metrics(edge):
    until(lambda: len(edge.requests()) > 10, "the access log is written")
    text = edge.log.read_text()
    check(key not in text and "/v1/" not in "".join(line for line in text.splitlines() if "DownstreamStatus" in line), "the access log has neither credentials nor paths")
    scored = next(entry for entry in edge.requests() if entry.get("RouterName") == "score@file" and entry["DownstreamStatus"] == 200)
    fields = {"StartUTC", "Duration", "ClientHost", "RequestMethod", "RequestHost", "DownstreamStatus", "ServiceName", "TLSVersion", "downstream_X-Request-Id"}
    check(fields <= set(scored), "and what ECS wants", scored)
    metrics = plain(edge.inner, "/metrics").body.decode()
    check(re.search(r'traefik_service_requests_total\{code="200",method="POST",protocol="http",service="synod@file"\}', metrics), "metrics are told inside")


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


def a_killed_replica(edge, replicas):
    edge.call("POST", "/v1/score", row)
    until(lambda: any(entry.get("RouterName") == "score@file" for entry in edge.requests()), "the request is in the log")
    used = [entry["ServiceAddr"] for entry in edge.requests() if entry.get("RouterName") == "score@file" and "ServiceAddr" in entry]
    check(len(set(used)) == 1, "an address always reaches the same replica", used)
    statuses, over = collections.Counter(), threading.Event()

    def load(method, path, body):
        while not over.is_set():
            try:
                statuses[method, edge.call(method, path, body).status] += 1
            except OSError as error:
                statuses[method, repr(error)] += 1

    threads = [threading.Thread(target=load, args=arguments) for arguments in [("POST", "/v1/score", row)] * 4 + [("GET", "/v1/detectors", None)] * 2]
    for thread in threads:
        thread.start()
    time.sleep(2)
    before = dict(statuses)
    replica = replicas[int(used[-1].rsplit(":", 1)[1])]
    replica.kill()
    replica.wait()
    time.sleep(4)
    over.set()
    for thread in threads:
        thread.join()
    strange = [entry for entry in edge.requests() if entry["DownstreamStatus"] >= 500]
    lost = {what: count for what, count in statuses.items() if what[1] != 200}
    after = sum(statuses.values()) - sum(before.values())
    check(not lost and after > 20, f"of {sum(statuses.values())} requests while a replica is killed, {after} of them afterwards, none is lost", (statuses, strange))
    others = {entry["ServiceAddr"] for entry in edge.requests() if entry.get("RouterName") == "score@file" and "ServiceAddr" in entry}
    check(len(others) == 2, "the other replica took over", others)


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


def gates(edge):
    for tool in ["kibana", "grafana", "prometheus", "alertmanager"]:
        check(edge.call("GET", f"/{tool}/", authorised=False).status == 401, f"{tool}: nobody gets in unknown, by no spelling of the path")
        check(edge.call("GET", f"/{tool}/", headers={"Cookie": "__Host-synod=bad"}, authorised=False).status == 403, f"{tool}: nor who may not")
        for sneaky in [f"/{tool}", f"//{tool}/", f"/x/../{tool}/", f"/%{ord(tool[0]):x}{tool[1:]}/", f"/{tool}/..%2f{tool}/"]:
            answer = edge.call("GET", sneaky, authorised=False)
            if answer.status not in (301, 308, 400, 401, 404):
                check(False, f"{tool}: nobody gets in by {sneaky}", answer)
    answer = edge.call("GET", "/grafana/d/1?a=b", headers={"Accept": "text/html", "X-Forwarded-Uri": "/x", "X-Forwarded-Method": "HEAD"}, authorised=False)
    check((answer.status, answer.headers["location"]) == (302, "/console/login?return_to=/grafana/d/1?a=b"), "a browser is sent to the login", answer)
    sent = {"Cookie": "__Host-synod=good; sid=1", "X-Synod-User": "mallory", "X-Synod-Roles": "admin", "X-Forwarded-For": "192.0.2.1"}
    seen = json.loads(edge.call("GET", "/grafana/d/1", headers=sent, authorised=False).body)
    told = {name: seen["headers"].get(name) for name in ["x-synod-user", "x-synod-roles", "cookie", "authorization", "x-forwarded-for"]}
    wanted = {"x-synod-user": "ana", "x-synod-roles": "operator", "cookie": "sid=1", "authorization": None, "x-forwarded-for": "127.0.0.1"}
    check((seen["path"], told) == ("/grafana/d/1", wanted), "who may gets in; the tool hears who it is from Synod alone, and no credential", seen)
    seen = json.loads(edge.call("GET", "/prometheus/graph", headers={"Authorization": "Bearer good"}, authorised=False).body)
    check(seen["path"] == "/graph" and "authorization" not in seen["headers"], "Prometheus is asked without the prefix", seen)


def limits(edge):
    answers = collections.Counter()

    def ask(path):
        answers[edge.call("GET", path, source="127.0.0.9").status] += 1

    threads = [threading.Thread(target=ask, args=("/slow",)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(answers == {200: 2, 429: 4}, "of six at a time two are let in, four get 429", answers)
    time.sleep(1.5)
    answers.clear()
    for _ in range(30):
        ask("/x")
    check(answers[429] > 0 and answers[200] >= 10, "who calls too often gets 429", answers)
    statuses = [edge.call("POST", "/v1/score", row).status for _ in range(4)] + [edge.call("GET", "/x").status]
    check(statuses == [503] * 4 + [200], "503 of a replica is passed on, and puts it not out of service", statuses)


def main():
    ports = [free_port(), free_port()]
    replicas = {port: serve(number, port) for number, port in enumerate(ports, 1)}
    edge = Edge("traefik", EDGE_SYNOD=",".join(f"https://127.0.0.1:{port}" for port in ports), EDGE_KIBANA="http://127.0.0.1:9", EDGE_GRAFANA="http://127.0.0.1:9")
    healthy = lambda: [len([1 for state in entry.get("serverStatus", {}).values() if state == "UP"]) for entry in edge.ask("services") if entry["name"] == "synod@file"] == [2]
    until(healthy, "both replicas are well")
    all_is_enabled(edge)
    redirection_and_tls(edge)
    requests_and_headers(edge)
    grpc(edge)
    log_and_metrics(edge)
    a_killed_replica(edge, replicas)

    stub = Quiet(("127.0.0.1", 0), Stub)
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{stub.server_port}"
    tools = {f"EDGE_{tool}": address for tool in ["SYNOD", "KIBANA", "GRAFANA", "PROMETHEUS", "ALERTMANAGER"]}
    edge = Edge("traefik-tools", **tools)
    all_is_enabled(edge)
    gates(edge)
    edge = Edge("traefik-limits", EDGE_SYNOD=address, EDGE_RATE="1", EDGE_BURST="12", EDGE_IN_FLIGHT="2")
    limits(edge)
    mistakes(1, {"EDGE_HOST": "", "EDGE_SYNOD": address}, "EDGE_HOST is not set")
    mistakes(2, {"EDGE_CERTIFICATE": "", "EDGE_SYNOD": address}, "there is no certificate")
    mistakes(3, {}, "EDGE_SYNOD is not set")


def mistakes(number, environment, needle):
    """What is left out is named in the log, and nothing is served meanwhile."""
    edge = Edge(f"traefik-wrong-{number}", is_good=False, **environment)
    until(lambda: needle in edge.log.read_text(), f"`{needle}` is said")
    check(not [entry for entry in edge.ask("routers") if entry["provider"] == "file"], f"`{needle}` is said, and nothing is served")


try:
    main()
finally:
    for process in started:
        process.terminate()
    for process in started:
        process.wait()
