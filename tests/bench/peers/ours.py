"""Our own detectors: a process that has fitted one, and measures a round whenever it is asked."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

QUERIES = 4_096


@dataclass
class Rows:
    file: Path
    rows: np.ndarray


def data(options, count):
    """Training rows and queries: the user's own, or noise."""
    if options.data is None:
        return noise(options, count, 1), noise(options, QUERIES, 2)
    training, queries = (np.loadtxt(options.data / name, delimiter=",", ndmin=2) for name in ("training.csv", "queries.csv"))
    return written(options, f"training-{count}", training[:count]), written(options, "queries", queries[:QUERIES])


def written(options, name, rows):
    file = options.work / f"{name}.csv"
    np.savetxt(file, rows, delimiter=",", fmt="%.17g")
    return Rows(file, rows)


def noise(options, count, seed, width=8):
    """Rows that synod-bench-peers makes."""
    file = options.work / f"noise-{count}-{width}-{seed}.csv"
    if not file.exists():
        command = [options.program, "rows", f"--count={count}", f"--width={width}", f"--seed={seed}", f"--output={file}.new"]
        subprocess.run(command, check=True)
        Path(f"{file}.new").rename(file)
    return Rows(file, np.loadtxt(file, delimiter=",", ndmin=2))


def contenders(options, plugin, parameters, training, queries, artifact=None, export=None):
    """The plugin in the sandbox, and natively where it is compiled in; none if there is no such plugin."""
    component = options.plugins / f"{plugin}.wasm"
    if not component.exists():
        print(f"{plugin} is left out: there is no {component}", file=sys.stderr)
        return []
    command = [options.program, "serve", f"--component={component}", f"--parameters={json.dumps(parameters)}"]
    command += [f"--training={training.file}", f"--queries={queries.file}"]
    command += [f"--artifact={artifact}"] if artifact else []
    command += [f"--export={export}"] if export else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    said = process.stdout.readline()
    if not said:
        raise SystemExit(f"{plugin} could not be fitted")
    facts = json.loads(said)
    print(f"{plugin}: fitted in {facts['fit_ms']:.0f} ms, a model of {facts['model_bytes']} bytes", file=sys.stderr)
    return [Own("tract, native" if place == "tract" else f"{plugin}, {place}", process, place) for place in facts["places"]]


class Own:
    def __init__(self, name, process, place):
        self.name, self.process, self.place = name, process, place

    def round(self, batch):
        self.process.stdin.write(f"{self.place} {batch}\n")
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended")
        return float(answer)

    def close(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait()
