"""What scripts/check-names.sh asks of the files that are read by different programs: whatever one of them names is there in the other. ROOT"""

import json, re, sys
from pathlib import Path
import yaml

ROOT = Path(sys.argv[1])
mistakes = []
# Files that people or programs read, besides the code.
TEXTS = [path for folder in ("alertmanager", "config", "deploy", "elk", "traefik") for path in sorted((ROOT / folder).rglob("*")) if path.is_file()]
TEXTS = [ROOT / "README.md", *(path for path in TEXTS if path.suffix not in (".rs", ".toml", ".lock", ".go", ".sum", ".mod") and "target" not in path.parts)]


def text(path):
    return (ROOT / path).read_text()


def read(path):
    return yaml.safe_load(text(path))


def expect(holds, mistake):
    if not holds:
        mistakes.append(mistake)


def alike(what, **values):
    """Whether several files say the same of a thing."""
    expect(len({str(value) for value in values.values()}) == 1, f"{what} differs: " + ", ".join(f"{name} has {value}" for name, value in values.items()))


# What the program has


def routes():
    """Paths by audience, with an example for each parameter."""
    table = text("core/gateway/src/http/routes.rs")
    named = {}
    for path in (ROOT / "core/gateway/src/http").rglob("*.rs"):
        named.update(re.findall(r'const (\w+): &str = "(/[^"]+)"', path.read_text()))
    found = {"DATA": set(), "ADMINISTRATION": set()}
    for audience, literal, name in re.findall(r'entry\((\w+), "[A-Z]+", (?:"([^"]+)"|(?:\w+::)?([A-Z_]+)),', table):
        found[audience].add(re.sub(r"\{[^}]+\}", "x", literal or named[name]))
    return found


def metrics():
    """Names of series, as queries have them."""
    found = set()
    for kind, family in re.findall(r'= (Counter|Gauge|Histogram|Info) "(\w+)"', text("core/gateway/src/telemetry/names.rs")):
        ends = {"Counter": ["_total", ""], "Info": ["_info"], "Gauge": [""], "Histogram": ["", "_bucket", "_sum", "_count"]}[kind]
        found |= {family + end for end in ends}
    return found


# What the files name


def routes_are_there(known):
    edge = text("traefik/dynamic/synod.yaml")
    for kind, path in re.findall(r"(Path|PathPrefix|PathRegexp)\(`([^`]+)`\)", edge):
        takes = {"Path": lambda route: route == path, "PathPrefix": lambda route: route.startswith(path), "PathRegexp": lambda route: re.search(path, route)}[kind]
        expect(any(map(takes, known["DATA"])), f"traefik/dynamic/synod.yaml: no route is at {kind} {path}")
    for path in re.findall(r"path: (/[a-z]+)", edge):
        expect(path in known["DATA"], f"traefik/dynamic/synod.yaml: replicas have no route {path}")
    tools = text("traefik/dynamic/tools.yaml")
    for path in re.findall(r"\}\}(/v1/[\w-]+)\?", tools):
        expect(path in known["DATA"], f"traefik/dynamic/tools.yaml: there is no route {path}")
    permissions = text("core/gateway/src/access/permission.rs")
    for permission in re.findall(r'"EDGE_\w+" "(\w+:\w+)"', tools):
        expect(f'"{permission}"' in permissions, f"traefik/dynamic/tools.yaml: there is no permission {permission}")
    for template in (ROOT / "deploy/kubernetes/synod/templates").glob("*.yaml"):
        for path in re.findall(r"\bpath: (/[a-z]+)", template.read_text()):
            expect(path in known["ADMINISTRATION"], f"{template.name}: operators have no route {path}")


def metrics_are_there(known):
    recorded = set()
    for path in (ROOT / "alertmanager/rules").glob("*.yaml"):
        recorded |= set(re.findall(r"record: (\S+)", path.read_text()))
    # What looks alike: names of crates, and what Filebeat calls a line.
    others = {path.parent.name for path in ROOT.glob("core/*/Cargo.toml")} | {"monitoring", "elk", "line"}
    for path in TEXTS:
        for name in set(re.findall(r"\bsynod_[a-z][a-z_0-9]*\b(?![*.(/])", path.read_text(errors="ignore"))):
            expect(name in known or name in recorded or name.removeprefix("synod_") in others, f"{path.relative_to(ROOT)}: there is no metric {name}")
    [asked] = re.findall(r"name: (synod_\w+)", text("deploy/kubernetes/synod/templates/horizontalpodautoscaler.yaml"))
    expect(asked in known, f"the chart's autoscaler: there is no metric {asked}")


def ports_are_the_same(compose):
    listen = read("config/synod.yaml")["listen"]
    data, administration = (port(listen[name]) for name in ("data", "administration"))
    values = read("deploy/kubernetes/synod/values.yaml")["listen"]
    exposed = re.search(r"^EXPOSE (\d+) (\d+)$", text("deploy/Dockerfile"), re.M).groups()
    stack = dict(re.findall(r'"(\w+)": (\d+),', text("scripts/stack.py")))
    plain = prometheus("deploy/prometheus/prometheus.yml")
    own = compose["synod"]["environment"]
    composed = {name: port(own[f"SYNOD_LISTEN__{name}"]) for name in ("DATA", "ADMINISTRATION")}
    alike("the port for clients", config=data, chart=values["data"], image=exposed[0], compose=composed["DATA"], stack=stack["SYNOD_1"])
    alike(
        "the port for operators", config=administration, chart=values["administration"], image=exposed[1], compose=composed["ADMINISTRATION"],
        stack=stack["SYNOD_1_OPERATORS"], prometheus=port(plain["synod"][0]),
    )
    entries = {name: entry["address"].lstrip(":") for name, entry in read("traefik/traefik.yaml")["entryPoints"].items()}
    alike("the edge's port", traefik=entries["websecure"], stack=stack["HTTPS"])
    scraped = port(prometheus("deploy/compose/prometheus.yml")["traefik"][0])
    alike("the edge's port for metrics", traefik=entries["metrics"], stack=stack["EDGE_METRICS"], compose=scraped)
    for tool, name in [("prometheus", "PROMETHEUS"), ("alertmanager", "ALERTMANAGER")]:
        alike(f"the port of {tool}", prometheus=port(plain[tool][0]), stack=stack[name], compose=compose[tool]["expose"][0])
    published = {entry.rsplit(":", 2)[1] for entry in compose["traefik"]["ports"]}
    opened = set(re.search(r"define edge = \{ ([\d, ]+) \}", text("deploy/host/nftables.conf"))[1].split(", "))
    alike("the ports that are open to all", compose=sorted(published), firewall=sorted(opened))


def port(address):
    return address.rsplit(":", 1)[1]


def prometheus(path):
    """Targets by job."""
    return {entry["job_name"]: [target for group in entry["static_configs"] for target in group["targets"]] for entry in read(path)["scrape_configs"]}


def jobs_are_there():
    plain, composed = (read(f"deploy/{folder}/prometheus.yml") for folder in ("prometheus", "compose"))
    alike("Prometheus' global settings", prometheus=plain["global"], compose=composed["global"])
    jobs = [set(prometheus(f"deploy/{folder}/prometheus.yml")) for folder in ("prometheus", "compose")]
    expect(jobs[0] <= jobs[1], f"deploy/compose/prometheus.yml: the jobs {jobs[0] - jobs[1]} are missing")
    for path in (ROOT / "alertmanager/rules").glob("*.yaml"):
        for job in set(re.findall(r'\bjob="(\w+)"', path.read_text())):
            expect(job in jobs[0], f"{path.name}: nothing is scraped as the job {job}")
    job = read("deploy/kubernetes/synod/values.yaml")["serviceMonitor"]["job"]
    levels = read("deploy/monitoring/levels.yaml")["job"]
    alike("the job that alerts know Synod by", chart=job, levels=levels, prometheus=next(iter(prometheus("deploy/prometheus/prometheus.yml"))))


def settings_are_there():
    """Variables of the environment that set a key: of a section that can be set so, and a key that the reference has."""
    sections = re.search(r"SECTIONS: \[&str; \d+\] =\s*\[([^\]]+)\]", text("core/gateway/src/config/environment.rs"))[1]
    sections, reference = re.findall(r'"(\w+)"', sections), text("config/synod.yaml")
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.suffix in (".sh", ".py") and path.stem != "check-names"]
    for path in [*TEXTS, *scripts]:
        for name in set(re.findall(r"\bSYNOD_[A-Z]+(?:_[A-Z]+)*__[A-Z_]+[A-Z]\b", path.read_text(errors="ignore"))):
            first, *parts = name.removeprefix("SYNOD_").lower().split("__")
            if first == "section":
                continue
            expect(first in sections, f"{path.relative_to(ROOT)}: {name}: `{first}` cannot be set by the environment")
            for part in parts:
                expect(re.search(rf"\b{part}\b.*:", reference), f"{path.relative_to(ROOT)}: {name}: config/synod.yaml has no `{part}`")


def folders_are_the_same(compose):
    image = dict(re.findall(r"(SYNOD_\w+)=(\S+)", text("deploy/Dockerfile")))
    helpers, unit = text("deploy/kubernetes/synod/templates/_helpers.tpl"), text("deploy/host/synod.service")
    for variable in ("SYNOD_CONFIG", "SYNOD_DATA_DIRECTORY", "SYNOD_PLUGINS__DIRECTORY"):
        folder = image[variable] if variable != "SYNOD_CONFIG" else str(Path(image[variable]).parent)
        expect(folder in unit, f"deploy/host/synod.service: {folder} of the image is not named")
        expect(variable == "SYNOD_PLUGINS__DIRECTORY" or folder in helpers, f"deploy/kubernetes: nothing is mounted at {folder}")
    targets = [volume.split(":")[1] for volume in compose["synod"]["volumes"]]
    expect(image["SYNOD_DATA_DIRECTORY"] in targets and str(Path(image["SYNOD_CONFIG"]).parent) in targets, f"compose.yaml: synod has its data or configuration elsewhere: {targets}")
    provisioning = ROOT / "deploy/grafana/provisioning"
    [provided] = [yaml.safe_load(path.read_text())["providers"] for path in (provisioning / "dashboards").glob("*.yaml")]
    board = provided[0]["options"]["path"]
    expect(any(volume.split(":")[1] == board for volume in compose["grafana"]["volumes"]), f"compose.yaml: no dashboards are mounted at {board}")
    files = [yaml.safe_load(path.read_text()) for path in (provisioning / "datasources").glob("*.yaml")]
    sources = {source["uid"] for file in files for source in file["datasources"]}
    for path in (ROOT / "deploy/grafana/dashboards").glob("*.json"):
        used = set(re.findall(r'"datasource": ?\{[^}]*"uid": ?"([\w-]+)"', path.read_text()))
        expect(used <= sources, f"{path.name}: there are no data sources {used - sources}")


def access_log_is_read(compose):
    static, shipper = read("traefik/traefik.yaml")["accessLog"], text("elk/rsyslog/access-log.conf")
    written = set(static["fields"]["names"]) | {f"{kind}_{name}" for kind in ("request", "downstream") for name in static["fields"]["headers"]["names"]}
    for name in set(re.findall(r"\$!([A-Za-z][\w-]*)", shipper)) - {"fixed", "metadata", "id", "outcome", "message"}:
        expect(name in written, f"elk/rsyslog/access-log.conf: traefik/traefik.yaml writes no {name}")
    listed = {field["name"] for field in read("elk/fields.yaml")["fields"] if "edge" in field["streams"]}
    made = set(re.findall(r'outname="([^"]+)"', shipper))
    of_all = {field["name"] for field in read("elk/fields.yaml")["fields"] if field["streams"] == "all"}
    wrong = (listed - made) | (made - listed - of_all)
    expect(not wrong, f"elk/rsyslog/access-log.conf: {wrong} are made or listed in elk/fields.yaml, not both")
    alike("the version of ECS", fields=read("elk/fields.yaml")["ecs"], rsyslog=re.search(r'fixed!ecs = "([\d.]+)"', shipper)[1])
    dataset = re.search(r'fixed!dataset = "([\w.]+)"', shipper)[1]
    expect((ROOT / f"elk/templates/index/logs-{dataset}.json").is_file(), f"elk/rsyslog/access-log.conf: there is no index template of {dataset}")
    for path in (ROOT / "elk/rsyslog").glob("to-*elasticsearch.conf"):
        expect(f"logs-{dataset}-$ACCESS_LOG_NAMESPACE" in path.read_text(), f"{path.name}: it ships to another data stream than logs-{dataset}")
    alike(
        "where the access log is", traefik=static["filePath"], compose=compose["access-log"]["environment"]["ACCESS_LOG_FILE"],
        logrotate=re.search(r"^(/\S+) \{", text("deploy/logrotate/traefik"), re.M)[1],
    )
    for service in ("traefik", "access-log"):
        folders = [volume.split(":")[1] for volume in compose[service]["volumes"] if volume.startswith("access-log:")]
        expect(folders == [str(Path(static["filePath"]).parent)], f"compose.yaml: {service} has the access log at {folders}")
    for path in (ROOT / "deploy/compose/ships").glob("*.env"):
        given = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line and not line.startswith("#"))
        output = ROOT / "elk/rsyslog" / Path(given["ACCESS_LOG_OUTPUT"]).name
        expect(given["ACCESS_LOG_OUTPUT"].startswith("/opt/synod/rsyslog/") and output.is_file(), f"{path.name}: there is no {given['ACCESS_LOG_OUTPUT']}")
        for variable in set(re.findall(r"\$(ELASTICSEARCH_\w+)", output.read_text() if output.is_file() else "")):
            expect(variable in given or f"{variable}_FILE" in given, f"{path.name}: {variable} is missing, which {output.name} asks for")


def main():
    compose = read("deploy/compose/compose.yaml")["services"]
    known = routes(), metrics()
    routes_are_there(known[0])
    metrics_are_there(known[1])
    ports_are_the_same(compose)
    jobs_are_there()
    settings_are_there()
    folders_are_the_same(compose)
    access_log_is_read(compose)
    tested = re.search(r"version=(9[\d.]+)", text("scripts/elasticsearch.sh"))[1]
    alike("the version of Elasticsearch", compose=port(compose["elasticsearch"]["image"]), tests=tested)
    for mistake in mistakes:
        print(f"check-names: {mistake}", file=sys.stderr)
    print(f"  {sum(map(len, known[0].values()))} routes, {len(known[1])} names of metrics, {len(TEXTS)} files that may name them")
    sys.exit(bool(mistakes))


main()
