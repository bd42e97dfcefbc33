"""What a row costs here and in other libraries, in one run. scripts/bench-peers.sh calls it; tests/bench/README.md says how to read it."""

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path

# One thread each, before any library is loaded that has some of its own.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")

import numpy as np

import ours
import peers
import report

BATCHES = (1, 32, 1024)
PASS_SECONDS = 0.02
PASSES = 3


def main():
    options = arguments()
    work = options.work
    work.mkdir(parents=True, exist_ok=True)
    results, cases = [], []
    for make in (forest, local_outlier_factor, nearest_neighbours, ecod, robust_z_score, small_network, large_network):
        name = make.__name__.replace("_", " ")
        if not options.only or options.only in name:
            cases.append((name, make))
    for name, make in cases:
        print(f"== {name}", file=sys.stderr)
        contenders = make(options)
        results.append({"case": name, "contenders": measure(contenders, options.rounds)})
        for contender in contenders:
            contender.close()
    print(report.tables(results))
    if options.json:
        options.json.write_text(json.dumps({"versions": peers.versions(), "results": results}, indent=1) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, required=True, help="synod-bench-peers")
    parser.add_argument("--plugins", type=Path, required=True, help="folder of the plugins' components")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made on the way")
    parser.add_argument("--data", type=Path, help="folder with training.csv and queries.csv: numbers without a header; noise if left out")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--references", type=int, default=100_000, help="training rows of the neighbours' detectors, where there are as many")
    parser.add_argument("--only", help="cases whose name has this text")
    parser.add_argument("--json", type=Path, help="write all rounds' figures here")
    return parser.parse_args()


def measure(contenders, rounds):
    """Rounds in which all take turns, for each size of batch: the best of each counts."""
    figures = {contender.name: {} for contender in contenders}
    for batch in BATCHES:
        for _ in range(rounds):
            for contender in contenders:
                figures[contender.name].setdefault(batch, []).append(contender.round(batch))
    return figures


class Library:
    """A function of another library that scores rows."""

    def __init__(self, name, score, queries):
        self.name, self.score, self.queries = name, score, np.ascontiguousarray(queries)
        assert len(np.ravel(score(self.queries))) >= len(queries), name

    def round(self, batch):
        """Nanoseconds a row: the best of some passes."""
        batches = [self.queries[start : start + batch] for start in range(0, len(self.queries) - batch + 1, batch)]
        best, at = float("inf"), 0
        for _ in range(PASSES):
            calls, begun = 0, time.perf_counter()
            while (spent := time.perf_counter() - begun) < PASS_SECONDS or calls == 0:
                self.score(batches[at % len(batches)])
                calls, at = calls + 1, at + 1
            best = min(best, spent / calls / batch * 1e9)
        return best

    def close(self):
        pass


def libraries(functions, queries):
    """Those that could be made; a library that is missing is said so and left out."""
    made = []
    for name, make in functions:
        try:
            made.append(Library(name, make(), queries))
        except Exception as error:  # whatever a library raises, the others are measured
            print(f"{name} is left out: {type(error).__name__}: {error}", file=sys.stderr)
    return made


def forest(options):
    training, queries = ours.data(options, 10_000)
    own = ours.contenders(options, "isolation-forest", {"trees": 100, "max_samples": 256}, training, queries)
    return own + libraries(peers.forests(training.rows, options.work), queries.rows)


def local_outlier_factor(options):
    training, queries = ours.data(options, options.references)
    own = ours.contenders(options, "local-outlier-factor", {"neighbours": 20}, training, queries)
    return own + libraries(peers.outlier_factors(training.rows), queries.rows)


def nearest_neighbours(options):
    training, queries = ours.data(options, options.references)
    own = ours.contenders(options, "k-nearest-neighbours", {"neighbours": 20}, training, queries)
    return own + libraries(peers.neighbours(training.rows), queries.rows)


def ecod(options):
    training, queries = ours.data(options, 10_000)
    return ours.contenders(options, "ecod", {}, training, queries) + libraries(peers.ecods(training.rows), queries.rows)


def robust_z_score(options):
    training, queries = ours.data(options, 10_000)
    own = ours.contenders(options, "robust-z-score", {}, training, queries)
    return own + libraries(peers.z_scores(training.rows), queries.rows)


def small_network(options):
    return network(options, 8, [16, 8, 4, 8, 16])


def large_network(options):
    return network(options, 30, [256, 128, 256])


def network(options, width, hidden):
    """Our own network, the same one written as ONNX in our sandbox, and that file in onnxruntime."""
    training, queries = ours.noise(options, 2_000, 3, width), ours.noise(options, 4_096, 4, width)
    exported = options.work / f"network-{width}.onnx"
    parameters = {"hidden": hidden, "activation": "tanh", "epochs": 2}
    own = ours.contenders(options, "autoencoder", parameters, training, queries, export=exported)
    own += ours.contenders(options, "onnx", {}, training, queries, artifact=exported)
    return own + libraries(peers.networks(exported), queries.rows.astype(np.float32))


if __name__ == "__main__":
    main()
