"""What scripts/check-traefik.sh asks of the edge. Started by it: WORK SYNOD TRAEFIK."""

import collections, json, re, shutil, ssl, subprocess, sys, threading, time
from functools import partial
from pathlib import Path
import edge as shipped
from edge import Quiet, Stub, plain, row
from running import Servers, free_port, said

work, synod, traefik = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
admin, operator, scorer = ((work / f"{role}.key").read_text().strip() for role in ("admin", "operator", "scorer"))
certificates = work / "certificates"
servers = Servers("check-traefik", work)
start, until, check = servers.start, servers.until, servers.check
Edge = partial(shipped.Edge, servers, traefik, certificates=certificates, key=admin)


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
    wanted = {"strict-transport-security": "max-age=31536000", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
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
    text = edge.access_log.read_text()
    check(admin not in text + edge.log.read_text() and "/v1/" not in text, "the access log has neither credentials nor paths")
    scored = next(entry for entry in edge.requests() if entry.get("RouterName") == "score@file" and entry["DownstreamStatus"] == 200)
    fields = {"StartUTC", "Duration", "ClientHost", "RequestMethod", "RequestHost", "DownstreamStatus", "ServiceName", "TLSVersion", "downstream_X-Request-Id"}
    check(fields <= set(scored), "and what ECS wants", scored)
    metrics = plain(edge.inner, "/metrics").body.decode()
    check(re.search(r'traefik_service_requests_total\{code="200",method="POST",protocol="http",service="synod@file"\}', metrics), "metrics are told inside")


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


def gates(edge):
    for tool in ["kibana", "grafana", "prometheus", "alertmanager"]:
        check(edge.call("GET", f"/{tool}/", authorised=False).status == 401, f"{tool}: nobody gets in unknown, by no spelling of the path")
        check(edge.call("GET", f"/{tool}/", headers={"Authorization": f"Bearer {scorer}"}, authorised=False).status == 403, f"{tool}: nor who may not")
        for sneaky in [f"/{tool}", f"//{tool}/", f"/x/../{tool}/", f"/%{ord(tool[0]):x}{tool[1:]}/", f"/{tool}/..%2f{tool}/"]:
            answer = edge.call("GET", sneaky, authorised=False)
            if answer.status not in (301, 308, 400, 401, 404):
                check(False, f"{tool}: nobody gets in by {sneaky}", answer)
    answer = edge.call("GET", "/grafana/d/1?a=b", headers={"Accept": "text/html", "X-Forwarded-Uri": "/x", "X-Forwarded-Method": "HEAD"}, authorised=False)
    check((answer.status, answer.headers["location"]) == (302, "/console/login?return_to=%2Fgrafana%2Fd%2F1%3Fa%3Db"), "a browser is sent to the login", answer)
    as_operator = {"Authorization": f"Bearer {operator}"}
    sent = {**as_operator, "Cookie": "__Host-synod=ended; sid=1", "X-Synod-User": "mallory", "X-Synod-Roles": "admin", "X-Forwarded-For": "192.0.2.1"}
    answer = edge.call("GET", "/grafana/d/1", headers=sent, authorised=False)
    check(answer.headers["referrer-policy"] == "same-origin", "pages of tools tell nobody else where somebody was", answer.headers)
    seen = json.loads(answer.body)
    told = {name: seen["headers"].get(name) for name in ["x-synod-user", "x-synod-roles", "cookie", "authorization", "x-forwarded-for"]}
    wanted = {"x-synod-user": f"api-key:{operator.split('_')[1]}", "x-synod-roles": "operator", "cookie": "sid=1", "authorization": None, "x-forwarded-for": "127.0.0.1"}
    check((seen["path"], told) == ("/grafana/d/1", wanted), "who may gets in; the tool hears who it is from Synod alone, and no credential", seen)
    seen = json.loads(edge.call("GET", "/prometheus/graph", headers=as_operator, authorised=False).body)
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


def by_acme(address):
    """A certificate from Pebble, an authority for tests: it looks at the challenge on the edge's own port."""
    if not shutil.which("pebble"):
        return said("ACME is skipped: there is no pebble (Debian's package pebble)")
    folder, acme, management, dns, control = work / "pebble", *(free_port() for _ in range(4))
    folder.mkdir()
    own = {"certificate": str(certificates / "synod/synod.pem"), "privateKey": str(certificates / "synod/synod.key")}
    given = {"EDGE_SYNOD": address, "EDGE_CERTIFICATE": "", "EDGE_RESOLVER": "letsencrypt", "LEGO_CA_CERTIFICATES": str(certificates / "ca.pem")}
    edge = Edge("traefik-acme", is_good=False, acme=f"https://localhost:{acme}/dir", **given)
    settings = {"listenAddress": f"127.0.0.1:{acme}", "managementListenAddress": f"127.0.0.1:{management}", "httpPort": edge.web, "tlsPort": edge.tls, **own}
    (folder / "pebble.json").write_text(json.dumps({"pebble": {**settings, "certificateValidityPeriod": 3600}}))
    words = ["pebble-challtestsrv", "-dns01", f"127.0.0.1:{dns}", "-management", f"127.0.0.1:{control}", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""]
    start("dns", words + ["-http01", "", "-https01", "", "-tlsalpn01", ""])
    start("pebble", ["pebble", "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns}"], PEBBLE_VA_NOSLEEP="1")
    # Traefik was there first, and asks again when its files change.
    until(lambda: (work / "pebble.log").exists() and "Listening on" in (work / "pebble.log").read_text(), "pebble is there")
    (work / "traefik-acme/dynamic/again.yaml").write_text("http: {middlewares: {again: {compress: {}}}}\n")

    def issuer():
        words = ["openssl", "s_client", "-connect", f"127.0.0.1:{edge.tls}", "-servername", "synod.test"]
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10).stdout

    until(lambda: "Pebble Intermediate CA" in issuer(), "a certificate comes by ACME", 40)
    said("a certificate comes by ACME")


def main():
    ports = [free_port(), free_port()]
    replicas = {
        port: shipped.serve(servers, synod, f"synod-{number}", work / f"synod-{number}.yaml", certificates, port, free_port())
        for number, port in enumerate(ports, 1)
    }
    addresses = ",".join(f"https://127.0.0.1:{port}" for port in ports)
    edge = Edge("traefik", EDGE_SYNOD=addresses, EDGE_KIBANA="http://127.0.0.1:9", EDGE_GRAFANA="http://127.0.0.1:9")
    until(lambda: list(edge.replicas().values()) == [True, True], "both replicas are well")
    all_is_enabled(edge)
    redirection_and_tls(edge)
    requests_and_headers(edge)
    grpc(edge)
    log_and_metrics(edge)

    stub = Quiet(("127.0.0.1", 0), Stub)
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{stub.server_port}"
    tools = {f"EDGE_{tool}": address for tool in ["KIBANA", "GRAFANA", "PROMETHEUS", "ALERTMANAGER"]}
    tools = Edge("traefik-tools", EDGE_SYNOD=addresses, **tools)
    all_is_enabled(tools)
    gates(tools)
    a_killed_replica(edge, replicas)
    edge = Edge("traefik-limits", EDGE_SYNOD=address, EDGE_RATE="1", EDGE_BURST="12", EDGE_IN_FLIGHT="2")
    limits(edge)
    by_acme(address)
    mistakes(1, {"EDGE_HOST": "", "EDGE_SYNOD": address}, "EDGE_HOST is not set")
    mistakes(2, {"EDGE_CERTIFICATE": "", "EDGE_SYNOD": address}, "there is no certificate")
    mistakes(3, {}, "EDGE_SYNOD is not set")


def mistakes(number, environment, needle):
    """What is left out is named in the log, and nothing is served meanwhile."""
    edge = Edge(f"traefik-wrong-{number}", is_good=False, **environment)
    until(lambda: needle in edge.log.read_text(), f"`{needle}` is said")
    check(not [entry for entry in edge.ask("routers") if entry["provider"] == "file"], f"`{needle}` is said, and nothing is served")


with servers:
    main()
