"""From start to the first right answer, memory at rest, and size, beside MLServer and BentoML. scripts/bench-start.sh calls it; tests/bench/README.md says
how to read it."""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from pathlib import Path

import contenders
import processes

# How long a server may take to answer, and how long it rests before its memory is read.
PATIENCE_SECONDS = 120
REST_SECONDS = 2.0


def main():
    options = arguments()
    chosen = [contender for contender in contenders.all_of(options) if not options.only or options.only in contender.name]
    if not chosen:
        sys.exit(f"no contender has \"{options.only}\" in its name")
    found = {contender.name: [] for contender in chosen}
    for number in range(options.starts):
        for contender in chosen:
            found[contender.name].append(once(contender, options.work))
            print(f"start {number + 1} of {options.starts}: {contender.name}: {found[contender.name][-1]['ready'] * 1000:.0f} ms", file=sys.stderr)
    print(table(chosen, found))
    print(sizes(options))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--synod", type=Path, required=True, help="the binary")
    parser.add_argument("--image", type=Path, help="the image's root, to be weighed")
    parser.add_argument("--plugins", type=Path, required=True, help="folder of the plugins' components")
    parser.add_argument("--example", type=Path, required=True, help="the configuration with three detectors")
    parser.add_argument("--work", type=Path, required=True, help="folder of the models, the data directories and the environments mlserver and bentoml")
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--only", help="contenders whose name has this text")
    parser.add_argument("--json", type=Path, help="write every start's figures here")
    return parser.parse_args()


def once(contender, work):
    """Starts a server, waits for its first right answer, lets it rest, and stops it."""
    address = free_address()
    start = contender.prepare(address)
    with open(work / "server.log", "wb") as log:
        began = time.perf_counter()
        server = subprocess.Popen(start.command, cwd=start.folder, env=start.environment, stdout=log, stderr=log, start_new_session=True)
        try:
            first_answer(server, contender, address, began, log.name)
            ready, cpu = time.perf_counter() - began, processes.cpu_seconds(server.pid)
            time.sleep(REST_SECONDS)
            resident, proportional = processes.memory(server.pid)
            count = len(processes.tree(server.pid))
        finally:
            stop(server)
    return {"ready": ready, "cpu": cpu, "resident": resident, "proportional": proportional, "processes": count}


def first_answer(server, contender, address, began, log):
    request = urllib.request.Request(f"http://{address}{contender.path}", json.dumps(contender.body).encode(), {"Content-Type": "application/json", **contender.headers})
    while True:
        if server.poll() is not None:
            sys.exit(f"{contender.name} has ended: {log}")
        if time.perf_counter() - began > PATIENCE_SECONDS:
            sys.exit(f"{contender.name} has not answered within {PATIENCE_SECONDS} s: {log}")
        try:
            answer = urllib.request.urlopen(request, timeout=5).read().decode()
        except (urllib.error.URLError, OSError):
            time.sleep(0.002)
            continue
        if contender.expected not in answer.replace(" ", ""):
            sys.exit(f"{contender.name} answers {answer[:300]}, without {contender.expected}")
        return


def stop(server):
    """The server and what it has started: they are a session of their own."""
    for word, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 15)):
        try:
            os.killpg(server.pid, word)
            server.wait(patience)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def table(chosen, found):
    lines = ["| server | start to first answer, ms | best | CPU ms | RSS at rest, MB | PSS | processes |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for contender in chosen:
        starts = found[contender.name]
        median = {key: statistics.median(start[key] for start in starts) for key in starts[0]}
        best = min(start["ready"] for start in starts)
        lines.append(f"| {contender.name} | {median['ready'] * 1e3:,.0f} | {best * 1e3:,.0f} | {median['cpu'] * 1e3:,.0f} | {median['resident'] / 1e6:,.1f} "
                     f"| {median['proportional'] / 1e6:,.1f} | {median['processes']:.0f} |")
    return "\n".join(lines) + "\n"


def sizes(options):
    lines = ["| what has to be there | MB |", "| --- | ---: |"]
    if options.image:
        lines.append(f"| Synod's whole image | {weight(options.image) / 1e6:,.1f} |")
    for name in ("mlserver", "bentoml"):
        folder = next((options.work / name / "lib").glob("python3.*/site-packages"))
        # What only serves to install is left out.
        lines.append(f"| the libraries that {name} brings with scikit-learn | {weight(folder, ('pip', 'setuptools')) / 1e6:,.1f} |")
    library = Path(sysconfig.get_paths()["stdlib"])
    python = weight(library, ("site-packages", "dist-packages", "test", "idlelib", "ensurepip", "turtledemo")) + Path(sys.executable).resolve().stat().st_size
    lines.append(f"| Python {sys.version_info.major}.{sys.version_info.minor} below them: interpreter and standard library, without tests | {python / 1e6:,.1f} |")
    return "\n".join(lines) + "\n"


def weight(folder, without=()):
    """Bytes of a folder's files, each once; compiled Python, which a first start makes, is not counted."""
    seen = {}
    for directory, folders, files in os.walk(folder):
        if Path(directory) == Path(folder):
            folders[:] = [name for name in folders if not name.startswith(without)] if without else folders
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in files:
            entry = os.lstat(os.path.join(directory, name))
            seen[entry.st_dev, entry.st_ino] = entry.st_size
    return sum(seen.values())


if __name__ == "__main__":
    main()
