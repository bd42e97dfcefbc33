"""What scripts/check-compose.sh asks of the platform that Compose has read: WORK NAME. Writes WORK/synod.env, what Synod is given."""

import json, re, sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit
import yaml

work = Path(sys.argv[1])
root = work / "synod"
project = json.loads((work / f"{sys.argv[2]}.json").read_text())
services = project["services"]
mistakes = []

# Whoever writes among its own files at the start, where it cannot be told otherwise.
WRITES = {"elasticsearch", "kibana"}
# Capabilities that somebody needs.
MAY = {"certificates": {"CHOWN", "DAC_OVERRIDE", "FOWNER"}}
OWN_IMAGES = {"synod:local", "synod-certificates:local", "synod-access-log:local"}


def expect(holds, text):
    if not holds:
        mistakes.append(text)


def is_once(service):
    return service.get("restart") == "no"


def hardened(name, service):
    expect(service.get("read_only") or name in WRITES, f"{name}: its root is not read-only")
    expect(service.get("cap_drop") == ["ALL"], f"{name}: capabilities are not dropped")
    expect(set(service.get("cap_add", [])) == MAY.get(name, set()), f"{name}: it adds capabilities {service.get('cap_add')}")
    expect("no-new-privileges:true" in service.get("security_opt", []), f"{name}: no-new-privileges is missing")
    expect(not service.get("privileged"), f"{name}: it is privileged")
    user = service.get("user", "")
    expect(re.fullmatch(r"\d+:\d+", user) and (user != "0:0" or name == "certificates"), f"{name}: its user is `{user}`")
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    expect({"cpus", "memory", "pids"} <= set(limits), f"{name}: its limits are {limits}")
    expect(service["image"] in OWN_IMAGES or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: {service['image']} is no exact version")
    expect(is_once(service) or service.get("healthcheck", {}).get("test"), f"{name}: it has no health check")
    expect(service.get("logging", {}).get("options", {}).get("max-size"), f"{name}: its log grows without end")
    expect(service.get("profiles"), f"{name}: it has no profile")
    expect(not service.get("ports") or name == "traefik", f"{name}: it publishes ports")
    for variable, value in service.get("environment", {}).items():
        is_file = (value or "").startswith(("/", "certificates/"))
        expect(is_file or not re.search(r"(PASSWORD|TOKEN|SECRET|KEY)(__FILE|_FILE)?$", variable), f"{name}: {variable} is a secret in the environment")


def dependencies(name, service):
    for other, how in service.get("depends_on", {}).items():
        if other not in services:
            expect(not how.get("required", True), f"{name}: it waits for {other}, which is not there")
            continue
        wanted = "service_completed_successfully" if is_once(services[other]) else "service_healthy"
        expect(how["condition"] == wanted, f"{name}: it waits for {other} to be {how['condition']}, and not {wanted}")
        expect(set(service["profiles"]) <= set(services[other]["profiles"]) or not how.get("required", True), f"{name}: {other} is not in all of its profiles")


def mounts(name, service):
    used = set()
    for volume in service.get("volumes", []):
        if volume["type"] == "bind":
            expect(Path(volume["source"]).exists(), f"{name}: there is no {volume['source']}")
            expect(volume.get("read_only"), f"{name}: {volume['source']} can be written")
        else:
            used.add(volume["source"])
    for secret in service.get("secrets", []):
        expect(Path(project["secrets"][secret["source"]]["file"]).is_file(), f"{name}: there is no secret {secret['source']}")
    # Every file of a mounted folder that a setting names lies below some mount, or is of the image.
    targets = [volume["target"] for volume in service.get("volumes", [])]
    targets += [secret.get("target") if secret.get("target", "").startswith("/") else f"/run/secrets/{secret['source']}" for secret in service.get("secrets", [])]
    targets += [entry.split(":")[0] for entry in service.get("tmpfs", [])] + ["/var/lib/synod", "/prometheus", "/alertmanager"]
    said = json.dumps([service.get("environment"), service.get("command"), service.get("healthcheck")])
    for path in re.findall(r"(?<![\w.-])/(?:run|etc|var|certificates|acme|authority|prometheus|alertmanager)(?:/[A-Za-z0-9._-]+)*", said):
        path_is_url = f"http://{path}" in said or re.search(r"https?://[^\" ]*" + re.escape(path), said)
        expect(path_is_url or any(path == target or path.startswith(target + "/") for target in targets), f"{name}: nothing is mounted at {path}")
    return used


def hosts():
    """Ports by the names under which each is reached, with the networks that know the name."""
    known = {}
    for name, service in services.items():
        ports = {str(port) for port in service.get("expose", [])} | {str(port["target"]) for port in service.get("ports", [])}
        for network, settings in (service.get("networks") or {}).items():
            for alias in [name, (settings or {}).get("ipv4_address"), *((settings or {}).get("aliases") or [])]:
                if alias:
                    known.setdefault(alias, {})[network] = ports
    return known


def reached(name, service, text, known):
    """Every host and port that a service is told is there, in a network that both are in."""
    own = set(service.get("networks") or {})
    for scheme, host, port in re.findall(r"(https?)://([A-Za-z0-9.-]+):(\d+)", text):
        if host == "localhost":
            expect(port in {str(entry) for entry in service.get("expose", [])}, f"{name}: it asks itself on {port}")
            continue
        ways = known.get(host, {})
        expect(ways, f"{name}: there is no host {host}")
        expect(own & set(ways), f"{name}: {host} is in none of its networks")
        expect(not ways or any(port in ports for ports in ways.values()), f"{name}: {host} does not listen on {port}")


def edge(known):
    static = yaml.safe_load((root / "traefik/traefik.yaml").read_text())
    ports = {entry["address"].rsplit(":", 1)[1] for entry in static["entryPoints"].values()}
    service = services["traefik"]
    given = {str(port["target"]) for port in service["ports"]} | set(service["expose"])
    expect(ports == given, f"traefik: it listens on {ports}, and compose says {given}")
    expect(not {str(port["target"]) for port in service["ports"]} & {"8082"}, "traefik: metrics are published")
    version = re.search(r"^# Traefik ([0-9.]+),", (root / "traefik/traefik.yaml").read_text())[1]
    expect(service["image"] == f"traefik:v{version}", f"traefik: {service['image']} is not {version}")
    templates = "".join(path.read_text() for path in (root / "traefik/dynamic").glob("*.yaml"))
    asked, readme = set(re.findall(r'env "(EDGE_\w+)"', templates)) | set(re.findall(r'"(EDGE_\w+)"', templates)), (root / "traefik/README.md").read_text()
    for variable in asked:
        expect(f"`{variable}`" in readme, f"traefik/README.md: {variable} is missing")
    for variable in service["environment"]:
        expect(variable in asked, f"traefik: nothing reads {variable}")
    for folder in re.findall(r"(/var/lib/traefik|/etc/traefik/dynamic)", json.dumps(static)):
        expect(any(volume["target"] == folder for volume in service["volumes"]), f"traefik: {folder} is not mounted")
    address = service["networks"]["edge"]["ipv4_address"]
    expect(json.loads(services["synod"]["environment"]["SYNOD_LISTEN__PROXIES"]) == [address], "synod: it believes another proxy than Traefik")
    expect(services["grafana"]["environment"]["GF_AUTH_PROXY_WHITELIST"] == address, "grafana: it believes another proxy than Traefik")


def watching(known):
    asked = yaml.safe_load((root / "deploy/compose/prometheus.yml").read_text())
    entries = asked["scrape_configs"] + asked["alerting"]["alertmanagers"]
    for target in [target for entry in entries for group in entry["static_configs"] for target in group["targets"]]:
        reached("prometheus", services["prometheus"], f"http://{target}", known)
    host = next(entry for entry in asked["scrape_configs"] if entry["job_name"] == "synod")["static_configs"][0]["targets"][0].split(":")[0]
    expect(set(known.get(host, {})) == {"monitoring"}, f"prometheus: {host} is known elsewhere than in `monitoring`, or nowhere")
    administration = services["synod"]["environment"]["SYNOD_LISTEN__ADMINISTRATION"]
    expect(administration == services["synod"]["networks"]["monitoring"]["ipv4_address"] + ":8081", f"synod: operators' address is {administration}")
    for path in (root / "deploy/grafana/provisioning").rglob("*.yaml"):
        text = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#") and "jaeger" not in line)
        reached("grafana", services["grafana"], text, known)
    told = yaml.safe_load((root / "alertmanager/alertmanager.yaml").read_text())
    targets = {secret.get("target") for secret in services["alertmanager"]["secrets"]}
    expect(told["global"]["smtp_auth_password_file"] in targets, "alertmanager: the password of its mail server is not where it looks")


def main():
    known, used = hosts(), {}
    for name, service in services.items():
        hardened(name, service)
        dependencies(name, service)
        for volume in mounts(name, service):
            used.setdefault(volume, set()).add(name)
        reached(name, service, json.dumps([service.get("environment"), service.get("command"), service.get("healthcheck")]), known)
    declared = set(yaml.safe_load((root / "deploy/compose/compose.yaml").read_text())["volumes"])
    expect(set(used) == declared, f"volumes: {set(used) ^ declared} are declared or used, not both")
    expect(used["authority-key"] == {"certificates"}, f"the authority's key is seen by {used['authority-key']}")
    for service in services.values():
        for network, settings in (service.get("networks") or {}).items():
            ranges = project["networks"][network]["ipam"]["config"][0]
            address = (settings or {}).get("ipv4_address")
            free = not address or (ip_address(address) in ip_network(ranges["subnet"]) and ip_address(address) not in ip_network(ranges["ip_range"]))
            expect(free, f"{network}: {address} may be given to somebody else")
    for network in ["data", "monitoring"]:
        expect(project["networks"][network].get("internal"), f"the network {network} leads outside")
    edge(known)
    watching(known)
    image = {"SYNOD_CONFIG": "/etc/synod/synod.yaml", "SYNOD_DATA_DIRECTORY": "/var/lib/synod", "SYNOD_PLUGINS__DIRECTORY": "/usr/lib/synod/plugins"}
    dockerfile = (root / "deploy/Dockerfile").read_text()
    for variable, value in image.items():
        expect(f"{variable}={value}" in dockerfile, f"deploy/Dockerfile: {variable} is not {value}")
    # The key of the sink is made by a service; a file that is not there yet is not what is looked at here.
    given = {**image, **{name: value for name, value in services["synod"]["environment"].items() if name.startswith("SYNOD_")}}
    (work / "synod.env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    for mistake in mistakes:
        print(f"check-compose: {mistake}", file=sys.stderr)
    print(f"  {len(services)} services, {len(declared)} volumes, {len(known)} names of hosts")
    sys.exit(bool(mistakes))


main()
