"""Runs services of deploy/compose without Docker, as Compose has read them: WORK NAME IMAGE TRAEFIK. For root, in a network and a mount namespace of its
own (`unshare --net --mount`). Each service has its own root (an overlay), mounts, secrets, user and environment; all have one loopback, which has
every address. Those that can be had here take part: Synod in its image's root, Traefik, and Debian's Prometheus and Alertmanager."""

import json, os, shlex, ssl, subprocess, sys, urllib.error, urllib.request
from pathlib import Path
from running import Servers, said

work, name, image, traefik = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
project = json.loads((work / f"{name}.json").read_text())
services = project["services"]
volumes, run = work / "volumes", work / "run"
servers = Servers("run-compose", run)

# The program of each image, its root, and what the image brings along.
PROGRAMS = {
    "synod": ("/usr/bin/synod", image),
    "traefik": ("/usr/local/bin/traefik", "/"),
    "prometheus": ("/usr/bin/prometheus", "/"),
    "alertmanager": ("/usr/bin/prometheus-alertmanager", "/"),
}
IMAGE = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "SYNOD_CONFIG": "/etc/synod/synod.yaml",
    "SYNOD_DATA_DIRECTORY": "/var/lib/synod",
    "SYNOD_PLUGINS__DIRECTORY": "/usr/lib/synod/plugins",
}


def shell(*words):
    subprocess.run(words, check=True)


def network():
    """Fixed addresses as they are; others as Docker would give them. Returns what a name means, for all alike."""
    shell("ip", "link", "set", "lo", "up")
    names, following = {}, 130
    for service, settings in services.items():
        for network, own in (settings.get("networks") or {}).items():
            prefix = project["networks"][network]["ipam"]["config"][0]["subnet"].rsplit(".", 1)[0]
            address, following = (own or {}).get("ipv4_address") or f"{prefix}.{following}", following + 1
            shell("ip", "address", "add", f"{address}/32", "dev", "lo")
            for alias in (own or {}).get("aliases") or []:
                names[alias] = address
            if network == "edge" or service not in names:
                names[service] = address
    # On one loopback a caller has the address that it calls. Synod is called by Traefik, and believes it.
    caller = services["traefik"]["networks"]["edge"]["ipv4_address"]
    shell("ip", "route", "replace", "local", f"{names['synod']}/32", "dev", "lo", "src", caller, "table", "local")
    return "127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in names.items())


def script(service, settings, words):
    """What makes the mounts of a service, in a mount namespace of its own, and becomes it."""
    program, lower = PROGRAMS[service]
    own = run / f"{service}-{len(list(run.glob(service + '-*')))}"
    lines = [f"mkdir -p {own}/upper {own}/lower {own}/root", f"mount -t overlay overlay -o lowerdir={lower},upperdir={own}/upper,workdir={own}/lower {own}/root"]
    lines += [f"cp {traefik} {own}/root{program}"] if service == "traefik" else []
    lines += [f"mkdir -p {own}/root/etc {own}/root/proc {own}/root/dev && rm -f {own}/root/etc/hosts && cp {run}/hosts {own}/root/etc/hosts", f"mount -t proc proc {own}/root/proc"]
    lines += [f"touch {own}/root/dev/{device} && mount --bind /dev/{device} {own}/root/dev/{device}" for device in ["null", "urandom"]]
    binds = [(volume["source"] if volume["type"] == "bind" else str(volumes / volume["source"]), volume["target"]) for volume in settings.get("volumes", [])]
    for secret in settings.get("secrets", []):
        target = secret.get("target") or secret["source"]
        binds.append((project["secrets"][secret["source"]]["file"], target if target.startswith("/") else f"/run/secrets/{target}"))
    for source, target in sorted(binds, key=lambda bind: bind[1]):
        made = f"mkdir -p {own}/root{target}" if Path(source).is_dir() else f"mkdir -p {own}/root{os.path.dirname(target)} && touch {own}/root{target}"
        lines.append(f"{made} && mount --bind {source} {own}/root{target}")
    for entry in settings.get("tmpfs", []):
        target, options = entry.split(":")
        lines.append(f"mkdir -p {own}/root{target} && mount -t tmpfs -o {options} tmpfs {own}/root{target}")
    if settings.get("read_only"):
        lines.append(f"mount -o remount,ro {own}/root")
    environment = {**IMAGE, **{key: value for key, value in settings.get("environment", {}).items() if value is not None}}
    # In Compose's own text a `$` is written twice.
    given = " ".join(shlex.quote(f"{key}={value}".replace("$$", "$")) for key, value in environment.items())
    arguments = " ".join(shlex.quote(word) for word in words)
    become = f"$(command -v chroot) --userspec={settings['user']} --groups= {own}/root"
    lines.append(f"exec env -i {given} $(command -v setpriv) --no-new-privs --inh-caps=-all {become} {program} {arguments}")
    return "set -e\n" + "\n".join(lines)


def prepare(service, words):
    """Runs a command in a service, to its end."""
    text = script(service, services[service], words)
    done = subprocess.run(["unshare", "--mount", "bash", "-c", text], capture_output=True, text=True)
    if done.returncode:
        servers.fail(f"{service} {' '.join(words)}: {done.stdout} {done.stderr}")
    return done.stdout.strip()


def start(service, words):
    servers.start(service, ["unshare", "--mount", "bash", "-c", script(service, services[service], words)])


def until(holds, text):
    servers.until(holds, text, 40)
    said(text)


def get(url):
    with urllib.request.urlopen(url, timeout=5) as response:
        return json.load(response)


def main():
    for volume in project["volumes"]:
        (volumes / volume).mkdir(parents=True, exist_ok=True)
    # Volumes have the owners that the images' folders have.
    for volume, user in [("synod-data", 65532), ("synod-elk", 65532), ("acme", 65532), ("access-log", 65532), ("prometheus-data", 65534), ("alertmanager-data", 65534)]:
        os.chown(volumes / volume, user, user)
    host = services["traefik"]["environment"]["EDGE_HOST"]
    run.mkdir()
    (run / "hosts").write_text(network() + f"10.89.1.2 {host}\n")
    shell("mount", "--bind", str(run / "hosts"), "/etc/hosts")

    prepare("synod", ["generate", "--kind", "three-fields", "--rows", "2000", "--seed", "1", "--output", "/var/lib/synod/rows.csv"])
    prepare("synod", ["fit", "--data", "/var/lib/synod/rows.csv"])
    key = prepare("synod", ["keys", "create", "--role", "admin", "--label", "run-compose.py"])
    start("synod", ["serve"])
    start("traefik", [])
    for service in ["prometheus", "alertmanager"]:
        start(service, services[service]["command"])

    context = ssl.create_default_context(cafile=str(volumes / "authority/ca.pem"))
    row = json.dumps({"Transaction_Amount": 150.75, "Average_Transaction_Amount": 120.0, "Frequency_of_Transactions": 3}).encode()

    def call(path, body=None, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(f"https://{host}:8443{path}", body, headers), timeout=5, context=context) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    until(lambda: call("/readyz")[0] == 200, "Synod is ready, by Traefik and two layers of TLS")
    status, answer = call("/v1/score", row, Authorization=f"Bearer {key}")
    if status != 200 or b'"outcome"' not in answer:
        servers.fail(f"a row is not scored: {status} {answer}")
    said("a row is scored")
    for tool in ["kibana", "grafana", "prometheus", "alertmanager"]:
        if call(f"/{tool}/")[0] != 401:
            servers.fail(f"/{tool}/ lets anybody in: {call(f'/{tool}/')}")
    said("no tool lets anybody in unknown")
    for service in ["synod", "traefik"]:
        words = services[service]["healthcheck"]["test"][1:]
        prepare(service, words[1:])
        said(f"{service}: its own health check says yes")
    wanted = {"synod", "traefik", "prometheus", "alertmanager"}
    up = lambda: {target["labels"]["job"] for target in get("http://prometheus:9090/api/v1/targets")["data"]["activeTargets"] if target["health"] == "up"}
    until(lambda: up() == wanted, "Prometheus reads Synod, Traefik, Alertmanager and itself")
    until(lambda: call("/prometheus/-/ready", Authorization=f"Bearer {key}")[0] == 200, "who may operate Synod gets to it by the edge")
    until(lambda: get("http://prometheus:9090/api/v1/alertmanagers")["data"]["activeAlertmanagers"], "and has found Alertmanager")
    rules = get("http://prometheus:9090/api/v1/rules")["data"]["groups"]
    if not rules or any(rule["health"] == "err" for group in rules for rule in group["rules"]):
        servers.fail("the alert rules are not there, or fail")
    said(f"{len(rules)} groups of rules are in force")


with servers:
    main()
