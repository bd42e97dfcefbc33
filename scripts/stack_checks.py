"""What scripts/stack.sh --check asks of the platform as a whole: one request, seen by every part of it; what is lost when a replica dies; who is told to
wait by whom; who gets to the tools; whether an alert arrives."""

import base64, collections, http.client, json, ssl, threading, time
from urllib.parse import quote, urlencode
import yaml
from edge import plain, row

ANOMALY = json.dumps({"Transaction_Amount": 90000.0, "Average_Transaction_Amount": 20.0, "Frequency_of_Transactions": 60})
# A key whose quota is as good as none: so many requests at once, then one in a minute.
POOR = 2


class Platform:
    """The platform, and what is asked of its parts."""

    def __init__(self, stack):
        self.stack, self.servers, self.check, self.until = stack, stack.servers, stack.servers.check, stack.servers.until
        self.edge, self.scored = stack.edge, 0

    def score(self, **arguments):
        answer = self.edge.call("POST", "/v1/score", row, **arguments)
        self.scored += answer.status == 200
        return answer

    def found(self, stream, **terms):
        """The documents of a stream with these values, whose names have `__` for a dot."""
        clauses = [{"term": {name.replace("__", "."): value}} for name, value in terms.items()]
        body = json.dumps({"query": {"bool": {"filter": clauses}}, "size": 100})
        port, path = self.stack.ports["ELASTICSEARCH"], f"/logs-synod.{stream}-default"
        plain(port, path + "/_refresh", "POST")
        answer = plain(port, path + "/_search", "POST", body=body, headers={"Content-Type": "application/json"})
        # A stream is there once it has a document.
        return [hit["_source"] for hit in json.loads(answer.body)["hits"]["hits"]] if answer.status == 200 else []

    def prometheus(self, query):
        """The values of a query, by their labels; of one without labels the number."""
        result = json.loads(plain(self.stack.ports["PROMETHEUS"], "/api/v1/query?query=" + quote(query)).body)["data"]["result"]
        return {json.dumps(entry["metric"], sort_keys=True): float(entry["value"][1]) for entry in result}

    def number(self, query):
        return next(iter(self.prometheus(query).values()), 0.0)

    def alerts(self, name):
        path = "/api/v2/alerts?filter=" + quote(f'alertname="{name}"')
        return json.loads(plain(self.stack.ports["ALERTMANAGER"], path).body)


def all_are_watched(platform):
    port = platform.stack.ports["PROMETHEUS"]

    def up():
        targets = json.loads(plain(port, "/api/v1/targets").body)["data"]["activeTargets"]
        return sorted(target["labels"]["instance"] for target in targets if target["health"] == "up")

    wanted = ["alertmanager", "prometheus", "synod-1", "synod-2", "traefik"]
    platform.until(lambda: up() == wanted, "Prometheus reads both replicas, Traefik, Alertmanager and itself")
    groups = json.loads(plain(port, "/api/v1/rules").body)["data"]["groups"]
    failing = [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]
    platform.check(groups and not failing, f"{len(groups)} groups of rules are in force", failing)
    wrong = [entry for kind in ("routers", "services", "middlewares") for entry in platform.edge.ask(kind) if entry["status"] != "enabled"]
    platform.check(not wrong, "Traefik has taken all of its files", wrong)


def a_request_is_seen_by_all(platform):
    """A client with a token scores through the edge, over TLS; its request, and its decision, are found by its id wherever they should be."""
    key = platform.stack.key("scorer")
    basic = base64.b64encode(f"{key.split('_')[1]}:{key}".encode()).decode()
    fields = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
    answer = platform.edge.call("POST", "/oauth2/token", urlencode({"grant_type": "client_credentials"}), headers=fields, authorised=False)
    platform.check(answer.status == 200, "a token is given for an API key", answer)
    bearer = {"Authorization": "Bearer " + json.loads(answer.body)["access_token"]}
    answer = platform.score(headers=bearer, authorised=False)
    platform.check(answer.status == 200, "a client with a token scores a row through Traefik, over TLS", answer)
    request, decision = answer.headers["x-request-id"], json.loads(answer.body)["decision"]
    for stream, what, terms in [
        ("decision", "its decision", {"synod__decision__id": decision}),
        ("access", "Synod's document of the request", {"http__request__id": request}),
        ("edge", "Traefik's document of the request", {"http__request__id": request}),
    ]:
        platform.until(lambda: platform.found(stream, **terms), f"{what} is in Elasticsearch", 60)
        platform.check(len(platform.found(stream, **terms)) == 1, f"{what} is in Elasticsearch, once")
    [document] = platform.found("edge", http__request__id=request)
    seen = {name: document.get(name) for name in ["http.response.status_code", "synod.edge.router", "source.ip", "tls.version", "url.domain"]}
    wanted = {"http.response.status_code": 200, "synod.edge.router": "score@file", "source.ip": "127.0.0.1", "tls.version": "1.3", "url.domain": "localhost"}
    platform.check(seen == wanted, "Traefik's document says what it should", document)
    listed = {field["name"] for field in yaml.safe_load(open("elk/fields.yaml"))["fields"] if field["streams"] == "all" or "edge" in field["streams"]}
    platform.check(set(document) <= listed, "and nothing that elk/fields.yaml does not list", set(document) - listed)
    text = json.dumps([document, *platform.found("access", http__request__id=request)]) + platform.edge.access_log.read_text()
    told = [secret for secret in (key, bearer["Authorization"][7:], "/v1/score?", "Transaction_Amount") if secret in text]
    platform.check(not told, "neither has credentials, queries or rows", told)


def requests_are_counted(platform):
    """Exactly as many as were sent, by both."""
    for who, query in {
        "Synod": 'sum(synod_http_requests_total{route="/v1/score",status="200"})',
        "Traefik": 'sum(traefik_router_requests_total{router="score@file",code="200"})',
    }.items():
        platform.until(lambda: platform.number(query) == platform.scored, f"Prometheus has {platform.scored} requests to score of {who}")
        before, platform_before = platform.number(query), platform.scored
        for _ in range(20):
            platform.score()
        platform.until(lambda: platform.number(query) >= before + 20, f"Prometheus has 20 more of {who}")
        time.sleep(2.5)
        grown = platform.number(query) - before
        platform.check(grown == platform.scored - platform_before == 20, f"the counter of {who} has grown by the 20 requests that were sent, and by no more", grown)


def a_cut_log_is_read_on(platform):
    """The shipper cuts the access log when it is long, and ships what comes then."""
    former = platform.edge.access_log.with_suffix(".log.1")
    platform.until(lambda: platform.score() and former.exists(), "the long access log is cut")
    request = platform.score().headers["x-request-id"]
    platform.until(lambda: len(platform.found("edge", http__request__id=request)) == 1, "the access log is shipped on after it was cut", 60)
    platform.check(True, "the access log is shipped on after it was cut")


def a_killed_replica(platform):
    """Nothing fails for clients; what they were told is on a replica's disk; the alert about it is on its way."""
    edge, stack = platform.edge, platform.stack
    scores = lambda: [entry for entry in edge.requests() if entry.get("RouterName") == "score@file" and "ServiceAddr" in entry]
    used = platform.until(lambda: platform.score() and scores(), "the access log has a request")[-1]["ServiceAddr"]
    number = next(number for number in (1, 2) if stack.at(f"SYNOD_{number}") == used)
    results, decisions, over = collections.Counter(), set(), threading.Event()

    def load(method, path, body):
        while not over.is_set():
            try:
                answer = edge.call(method, path, body)
                results[method, answer.status] += 1
                if method == "POST" and answer.status == 200:
                    decisions.add(json.loads(answer.body)["decision"])
            except OSError as error:
                results[method, repr(error)] += 1

    threads = [threading.Thread(target=load, args=arguments) for arguments in [("POST", "/v1/score", row)] * 3 + [("GET", "/v1/detectors", None)]]
    for thread in threads:
        thread.start()
    time.sleep(2)
    before = sum(results.values())
    stack.replicas[number].kill()
    stack.replicas[number].wait()
    time.sleep(4)
    over.set()
    for thread in threads:
        thread.join()
    lost = {what: count for what, count in results.items() if what[1] != 200}
    after = sum(results.values()) - before
    platform.check(not lost and after > 20, f"of {before + after} requests while a replica is killed, {after} of them afterwards, none is lost", results)
    platform.until(lambda: edge.replicas()[f"https://{used}"] is False, "Traefik knows that it is gone")
    pending = f'ALERTS{{alertname="SynodDown",instance="synod-{number}"}}'
    platform.until(lambda: platform.prometheus(pending), "Prometheus has noticed")
    platform.check(True, "the alert SynodDown is on its way (it fires after two minutes)")
    stack.start_replica(number)
    platform.until(lambda: list(edge.replicas().values()) == [True, True], "the replica is back", 60)
    missing = decisions - of_both(platform, decisions)
    platform.check(decisions and not missing, f"each of the {len(decisions)} decisions that clients were told of is on a replica's disk", missing)


def of_both(platform, decisions):
    """Those of these decisions that a replica has, asked itself."""
    context = ssl.create_default_context(cafile=platform.edge.authority)
    fields = {"Authorization": f"Bearer {platform.stack.key('admin')}"}
    found = set()
    for number in (1, 2):
        connection = http.client.HTTPSConnection("127.0.0.1", platform.stack.ports[f"SYNOD_{number}"], timeout=10, context=context)
        for decision in decisions - found:
            connection.request("GET", f"/v1/decisions/{decision}", headers=fields)
            response = connection.getresponse()
            body = response.read()
            if response.status == 200 and json.loads(body)["id"] == decision:
                found.add(decision)
    return found


def limits(platform):
    """Both tell to wait, and a client can tell which of them it was."""
    poor = {"Authorization": f"Bearer {platform.stack.key('poor')}"}
    answers = [platform.edge.call("POST", "/v1/score", row, headers=poor, authorised=False) for _ in range(POOR + 2)]
    statuses = [answer.status for answer in answers]
    platform.check(statuses == [200] * POOR + [429] * 2, "beyond a key's quota Synod answers 429", statuses)
    problem, fields = json.loads(answers[-1].body), answers[-1].headers
    says_when = problem["code"] == "quota_exceeded" and fields["ratelimit"] and fields["retry-after"]
    platform.check(says_when, "it says which quota, and when to come again", answers[-1])
    strict = platform.stack.start_edge("traefik-strict", ports=False, EDGE_RATE="1", EDGE_BURST="3")
    answers = [strict.call("GET", "/v1/detectors") for _ in range(20)]
    refused = [answer for answer in answers if answer.status == 429]
    statuses = collections.Counter(answer.status for answer in answers)
    platform.check(len(refused) >= 10 and set(statuses) == {200, 429}, "beyond the edge's rate Traefik answers 429", statuses)
    looks_like_synod = [answer for answer in refused if answer.headers["ratelimit"] or answer.body.startswith(b"{")]
    platform.check(not looks_like_synod, "and is told apart: without RateLimit, and no problem details", looks_like_synod)


def gates(platform):
    """The tools are behind Synod's roles: the real Prometheus and Alertmanager, and the replica's own answers."""
    paths = {"prometheus": "/prometheus/api/v1/query?query=1", "alertmanager": "/alertmanager/api/v2/status"}
    for tool, path in paths.items():

        def ask(**fields):
            return platform.edge.call("GET", path, headers=fields, authorised=False)

        answer = ask(Authorization=f"Bearer {platform.stack.key('operator')}")
        platform.check(answer.status == 200 and json.loads(answer.body), f"{tool}: an operator gets in", answer)
        statuses = ask(Authorization=f"Bearer {platform.stack.key('scorer')}").status, ask().status
        platform.check(statuses == (403, 401), f"{tool}: a scorer does not, nor does nobody", statuses)
        answer = ask(Accept="text/html")
        wanted = "/console/login?return_to=" + quote(path, safe="")
        platform.check((answer.status, answer.headers["location"]) == (302, wanted), f"{tool}: a browser without a session is sent to the login", answer)


def alerts_arrive(platform):
    platform.until(lambda: platform.alerts("SynodWatchdog"), "an alert of Prometheus is at Alertmanager")
    platform.check(True, "an alert of Prometheus' rules (SynodWatchdog) is at Alertmanager")
    answer = platform.edge.call("POST", "/v1/score", ANOMALY)
    decision = json.loads(answer.body)
    platform.check(decision["verdict"]["outcome"] in ("review", "block"), "an anomaly is found", decision)
    at = lambda: [alert for alert in platform.alerts("SynodAnomaly") if decision["decision"] in alert["annotations"].values()]
    platform.until(at, "the anomaly is at Alertmanager")
    platform.check(True, "the anomaly is at Alertmanager, with its decision")


def look(stack):
    """Starts the platform and asks everything of it."""
    stack.prepare()
    poor = stack.key("poor", role="scorer")
    stack.quotas = json.dumps({f"api-key:{poor.split('_')[1]}": {"requests": "1/m", "burst": POOR}})
    stack.start()
    platform = Platform(stack)
    began = time.monotonic()
    for question in [all_are_watched, a_request_is_seen_by_all, requests_are_counted, a_cut_log_is_read_on, limits, gates, alerts_arrive, a_killed_replica]:
        question(platform)
    print(f"  all of it in {time.monotonic() - began:.0f} s, after the start", flush=True)
