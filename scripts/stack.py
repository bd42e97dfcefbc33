"""Starts the platform for scripts/stack.sh: STATE SYNOD PLUGINS TRAEFIK ELASTICSEARCH [--check]. Each program is given the files that a team's platform is run with
(traefik/, deploy/compose/, alertmanager/, elk/), with the addresses of this machine in place of the names of services."""

import os, shutil, sys, time
from pathlib import Path
import yaml
from edge import Edge, login, plain, serve
from running import Servers, free_port, is_free, run

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "config/examples/three-fields.yaml"
HOST = "localhost"
PORTS = {
    "HTTPS": 8443,
    "HTTP": 8000,
    "EDGE_METRICS": 8082,
    "SYNOD_1": 8080,
    "SYNOD_1_OPERATORS": 8081,
    "SYNOD_2": 8090,
    "SYNOD_2_OPERATORS": 8091,
    "ELASTICSEARCH": 9200,
    "ELASTICSEARCH_NODES": 9300,
    "PROMETHEUS": 9090,
    "ALERTMANAGER": 9093,
}
# A server beside many others on one machine needs little memory, and no time to make its code fast.
ELASTICSEARCH_JAVA = ["-Xms384m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]


# Of an access log, in a check: it is cut when it is longer.
LONG_LOG = 20000


def choose_ports(is_check):
    if is_check:
        return {name: free_port() for name in PORTS}
    chosen = {}
    for name, usual in PORTS.items():
        text = os.environ.get(f"STACK_{name}", str(usual))
        if not text.isdigit() or not 0 < int(text) < 65536:
            sys.exit(f"stack.sh: STACK_{name}: `{text}` is no port")
        if not is_free(int(text)):
            sys.exit(f"stack.sh: port {text} is taken, which is for {name}: stop what listens there, or set STACK_{name} to another one")
        chosen[name] = int(text)
    return chosen


class Stack:
    """What runs, and where."""

    def __init__(self, servers, synod, plugins, traefik, elasticsearch, is_check):
        self.servers, self.state, self.is_check = servers, servers.folder, is_check
        self.synod, self.plugins, self.traefik, self.elasticsearch = synod, plugins, traefik, Path(elasticsearch)
        self.ports = choose_ports(is_check)
        self.certificates, self.configuration = self.state / "certificates", self.state / "synod.yaml"
        self.compose = yaml.safe_load((ROOT / "deploy/compose/compose.yaml").read_text())["services"]
        self.url = f"https://{HOST}:{self.ports['HTTPS']}"
        self.replicas, self.quotas = {}, "{}"

    def at(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def folder(self, name):
        folder = self.state / name
        folder.mkdir(exist_ok=True)
        return folder

    # Synod

    def settings(self, number):
        """What a replica is given beside its configuration; as deploy/compose/compose.yaml has it."""
        return {
            "SYNOD_DATA_DIRECTORY": str(self.state / f"data-{number}"),
            "SYNOD_PLUGINS__DIRECTORY": self.plugins,
            "SYNOD_LISTEN__LIMITS__CONNECTIONS_PER_ADDRESS": "4096",
            "SYNOD_LIMITS__QUOTAS__PRINCIPALS": self.quotas,
            "SYNOD_IDENTITY__SERVER__ISSUER": self.url,
            "SYNOD_SINKS__NODE": f"synod-{number}",
            "SYNOD_SINKS__ELASTICSEARCH__NODES": f'["http://{self.at("ELASTICSEARCH")}"]',
        }

    def configure(self):
        """The configuration of both: the example, and whom anomalies are told to."""
        alerts = {
            "alertmanagers": [f"http://{self.at('ALERTMANAGER')}"],
            "rules": [{"outcome": "block", "severity": "critical"}, {"outcome": "review", "severity": "warning"}],
            "console": self.url,
        }
        more = {"alerts": alerts, **(login(f"{HOST}:{self.ports['HTTPS']}") if self.is_check else {})}
        self.configuration.write_text(EXAMPLE.read_text() + "\n" + yaml.safe_dump(more))

    def command(self, *words, number=1):
        return run("stack.sh", [self.synod, *words, "--config", self.configuration], **self.settings(number))

    def key(self, name, role=None):
        """A key, made once, where only its owner can read it. Those that are made before the replicas part are known to both."""
        path = self.state / f"{name}.key"
        if not path.exists():
            text = self.command("keys", "create", "--role", role or name, "--label", "stack.sh")
            path.touch(0o600)
            path.write_text(text + "\n")
        return path.read_text().strip()

    def prepare(self):
        """The configuration and certificates; and data directories of the replicas, which begin alike and then are each one's own."""
        self.configure()
        run("stack.sh", ["scripts/certificates.sh", self.certificates, "edge", "synod"])
        shutil.copy(self.certificates / "ca.pem", self.state / "ca.pem")
        if (self.state / "data-2").exists():
            return
        # What an interrupted start has left.
        for path in [*self.state.glob("data-*"), *self.state.glob("*.key")]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        rows = self.state / "rows.csv"
        run("stack.sh", [self.synod, "generate", "--kind", "three-fields", "--rows", "2000" if self.is_check else "20000", "--seed", "1", "--output", rows])
        self.command("fit", "--data", rows)
        for role in ["admin", "operator", "scorer"]:
            self.key(role)
        if self.is_check:
            self.key("poor", role="scorer")
        shutil.copytree(self.state / "data-1", self.state / "data-2.new")
        (self.state / "data-2.new").rename(self.state / "data-2")

    def start_replica(self, number):
        ports = self.ports[f"SYNOD_{number}"], self.ports[f"SYNOD_{number}_OPERATORS"]
        process = serve(self.servers, self.synod, f"synod-{number}", self.configuration, self.certificates, *ports, **self.settings(number))
        self.replicas[number] = process

    # What stands around it

    def start_elasticsearch(self):
        home, folder = self.elasticsearch / "home", self.folder("elasticsearch")
        words = [self.elasticsearch / "java", *ELASTICSEARCH_JAVA, "--module-path", home / "lib", "--add-modules", "ALL-MODULE-PATH"]
        words += ["-cp", self.elasticsearch / "classes/launcher", "Launcher", home, folder / "data"]
        words += [f"http.port={self.ports['ELASTICSEARCH']}", f"transport.port={self.ports['ELASTICSEARCH_NODES']}"]
        return self.servers.start("elasticsearch", words, folder)

    def set_up_elasticsearch(self, process):
        port = self.ports["ELASTICSEARCH"]
        healthy = lambda: plain(port, "/_cluster/health?wait_for_status=yellow&timeout=1s").status == 200
        self.servers.until(healthy, "Elasticsearch is ready", 120, process)
        # The library of the codec that Synod's templates ask for is not among the jars.
        body, json_type = '{"template": {"settings": {"index.codec": "default"}}}', {"Content-Type": "application/json"}
        plain(port, "/_component_template/synod@custom", "PUT", body=body, headers=json_type)
        kibana = os.environ.get("STACK_KIBANA")
        more = ["--kibana-url", kibana, "--synod-url", self.url] if kibana else []
        run("stack.sh", [self.synod, "elk", "install", "--url", f"http://127.0.0.1:{port}", *more])

    def words(self, service, **changes):
        """The command of a service of compose.yaml, with its flags of files and folders changed."""
        flags = dict(word.split("=", 1) for word in self.compose[service]["command"])
        flags = {name: value.replace("${EDGE_HOST}", f"{HOST}:{self.ports['HTTPS']}") for name, value in flags.items()}
        flags.update({"--" + name.replace("_", "."): value for name, value in changes.items()})
        return [f"{name}={value}" for name, value in flags.items()]

    def start_prometheus(self):
        """With deploy/compose/prometheus.yml: its names become addresses, and Synod's become those of both replicas."""
        settings = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text())
        names = {
            "synod-administration:8081": {f"synod-{number}": self.at(f"SYNOD_{number}_OPERATORS") for number in (1, 2)},
            "traefik-metrics:8082": {"traefik": self.at("EDGE_METRICS")},
            "localhost:9090": {"prometheus": self.at("PROMETHEUS")},
            "alertmanager:9093": {"alertmanager": self.at("ALERTMANAGER")},
        }
        for entry in settings["scrape_configs"] + settings["alerting"]["alertmanagers"]:
            targets = [target for group in entry["static_configs"] for target in group["targets"]]
            entry["static_configs"] = [
                {"targets": [address], "labels": {"instance": name}} for target in targets for name, address in names[target].items()
            ]
        settings["rule_files"] = [str(ROOT / "alertmanager/rules/*.yaml")]
        if self.is_check:
            settings["global"].update(scrape_interval="1s", scrape_timeout="1s", evaluation_interval="1s")
        folder = self.folder("prometheus")
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        words = self.words("prometheus", config_file=folder / "prometheus.yml", storage_tsdb_path=folder / "data")
        # An alert that fires before Prometheus has found Alertmanager is sent with the next repetition, usually after a minute.
        words += ["--rules.alert.resend-delay=2s"] if self.is_check else []
        return self.servers.start("prometheus", ["prometheus", *words, f"--web.listen-address={self.at('PROMETHEUS')}"])

    def start_alertmanager(self):
        words = self.words("alertmanager", config_file=ROOT / "alertmanager/alertmanager.yaml", storage_path=self.folder("alertmanager"))
        return self.servers.start("alertmanager", ["prometheus-alertmanager", *words, f"--web.listen-address={self.at('ALERTMANAGER')}"])

    def start_shipper(self):
        """rsyslog, with elk/rsyslog. In a check the log is cut while it is looked at."""
        folder = self.folder("access-log")
        short = {"ACCESS_LOG_MAXIMUM": str(LONG_LOG), "ACCESS_LOG_EVERY": "1"} if self.is_check else {}
        return self.servers.start(
            "access-log",
            [ROOT / "elk/rsyslog/run.sh"],
            **short,
            ACCESS_LOG_PID=str(folder / "pid"),
            ACCESS_LOG_FILE=str(self.edge.access_log),
            ACCESS_LOG_STATE=str(folder),
            ACCESS_LOG_OUTPUT=str(ROOT / "elk/rsyslog/to-open-elasticsearch.conf"),
            ACCESS_LOG_NAMESPACE="default",
            ELASTICSEARCH_URL=f"http://{self.at('ELASTICSEARCH')}",
        )

    def start_edge(self, name="traefik", ports=True, **environment):
        tools = {"EDGE_PROMETHEUS": f"http://{self.at('PROMETHEUS')}", "EDGE_ALERTMANAGER": f"http://{self.at('ALERTMANAGER')}"}
        for tool in ["GRAFANA", "KIBANA"]:
            if os.environ.get(f"STACK_{tool}"):
                tools[f"EDGE_{tool}"] = os.environ[f"STACK_{tool}"]
        taken = [self.ports[entry] for entry in ("HTTP", "HTTPS", "EDGE_METRICS")] if ports else None
        replicas = ",".join(f"https://{self.at(f'SYNOD_{number}')}" for number in (1, 2))
        return Edge(
            self.servers, self.traefik, name, self.certificates, key=self.key("admin"), host=HOST, ports=taken, EDGE_SYNOD=replicas, **tools, **environment
        )

    def start(self):
        say("Elasticsearch, Prometheus, Alertmanager")
        processes = {"elasticsearch": self.start_elasticsearch(), "alertmanager": self.start_alertmanager(), "prometheus": self.start_prometheus()}
        say("certificates, models, two replicas of Synod")
        self.prepare()
        # Templates come before documents.
        self.set_up_elasticsearch(processes["elasticsearch"])
        for number in (1, 2):
            self.start_replica(number)
        say("Traefik, and what ships its access log")
        self.edge = self.start_edge()
        processes |= {"traefik": self.edge.process, "access-log": self.start_shipper()}
        for name, path in [("prometheus", "/-/ready"), ("alertmanager", "/-/ready")]:
            self.servers.until(lambda: plain(self.ports[name.upper()], path).status == 200, f"{name} is ready", 60, processes[name])
        self.servers.until(lambda: list(self.edge.replicas().values()) == [True, True], "both replicas are well", 60)
        return processes | {f"synod-{number}": process for number, process in self.replicas.items()}


def say(text):
    print(f"\n== {text}", file=sys.stderr, flush=True)


def told(stack):
    state = os.path.relpath(stack.state)
    return f"""
== the platform runs; Ctrl-C stops all of it
   Synod          {stack.url}/v1/score, {stack.url}/console     (trust {state}/ca.pem)
   Prometheus     {stack.url}/prometheus/     or behind the edge, open: http://{stack.at("PROMETHEUS")}
   Alertmanager   {stack.url}/alertmanager/     http://{stack.at("ALERTMANAGER")}
   Elasticsearch  http://{stack.at("ELASTICSEARCH")}/logs-synod.*/_search     (from its jars: without security, lifecycle policies and Kibana)
   replicas       https://{stack.at("SYNOD_1")}, https://{stack.at("SYNOD_2")}; kill one of them (process {stack.replicas[1].pid}, {stack.replicas[2].pid}) and see that nothing is lost
   keys           {state}/admin.key, {state}/operator.key, {state}/scorer.key
   logs, data     {state}/
   Whoever has the role operator gets to Prometheus and Alertmanager behind the edge: by a key, and in a browser once `identity.login` names a provider.
   Grafana and Kibana are not among it, for they are in no package registry: STACK_GRAFANA and STACK_KIBANA name yours. Mail goes nowhere: alertmanager/alertmanager.yaml
   names an example.

   scripts/client.sh --url {stack.url} --ca {state}/ca.pem --key {state}/scorer.key
   curl --cacert {state}/ca.pem -H "Authorization: Bearer $(cat {state}/operator.key)" '{stack.url}/prometheus/api/v1/query?query=synod_verdicts_total'
"""


def watch(processes):
    """Until Ctrl-C. What ends meanwhile is named."""
    while processes:
        for name, process in list(processes.items()):
            if process.poll() is not None:
                print(f"{name} has ended ({process.returncode}): {name}.log says why", file=sys.stderr, flush=True)
                del processes[name]
        time.sleep(0.5)


def main():
    state, synod, plugins, traefik, elasticsearch = sys.argv[1:6]
    is_check = sys.argv[6:] == ["--check"]
    os.chdir(ROOT)
    with Servers("stack.sh", Path(state)) as servers:
        stack = Stack(servers, synod, plugins, traefik, elasticsearch, is_check)
        if is_check:
            import stack_checks

            stack_checks.look(stack)
            return
        for log in stack.state.glob("*.log"):
            log.unlink()
        try:
            processes = stack.start()
            print(told(stack), file=sys.stderr, flush=True)
            watch(processes)
        except KeyboardInterrupt:
            say("stopping all")


main()
