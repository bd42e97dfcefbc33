"""Tables of what has been measured, and the ratios that are promised."""

import math

# Case, whose time is divided by whose, rows in a call, and how large the quotient should be at least or at most.
GOALS = [
    ("forest", "scikit-learn IsolationForest", "isolation-forest, sandbox", 1024, "at least", 3.5),
    ("forest", "scikit-learn IsolationForest", "isolation-forest, sandbox", 1, "at least", 2500),
    ("forest", "treelite, compiled to C (tl2cgen)", "isolation-forest, sandbox", 1024, "at least", 2.5),
    ("forest", "isolation-forest, sandbox", "isolation-forest, native", 1024, "at most", 1.35),
    ("local outlier factor", "scikit-learn LocalOutlierFactor", "local-outlier-factor, sandbox", 1024, "at least", 7),
    ("local outlier factor", "local-outlier-factor, sandbox", "local-outlier-factor, native", 1024, "at most", 1.35),
    ("nearest neighbours", "scikit-learn NearestNeighbors", "k-nearest-neighbours, sandbox", 1024, "at least", 7),
    ("nearest neighbours", "k-nearest-neighbours, sandbox", "k-nearest-neighbours, native", 1024, "at most", 1.35),
    ("ecod", "PyOD ECOD", "ecod, sandbox", 1024, "at least", 7),
    ("ecod", "ecod, sandbox", "ecod, native", 1024, "at most", 1.35),
    ("robust z score", "robust-z-score, sandbox", "robust-z-score, native", 1024, "at most", 1.35),
    ("small network", "autoencoder, sandbox", "autoencoder, native", 1024, "at most", 1.35),
    ("small network", "autoencoder, sandbox", "onnxruntime", 1, "at most", 1),
    ("small network", "autoencoder, sandbox", "onnxruntime", 1024, "at most", 3),
    ("small network", "onnx, sandbox", "tract, native", 1, "at most", 1.5),
    ("large network", "autoencoder, sandbox", "autoencoder, native", 1024, "at most", 1.35),
    ("large network", "autoencoder, sandbox", "onnxruntime", 1024, "at most", 2),
    ("large network", "onnx, sandbox", "tract, native", 1, "at most", 1.5),
]

# Case, whose time, rows in a call, and how many nanoseconds a row may take on a quiet machine.
TIMES = [
    ("small network", "autoencoder, sandbox", 1, 1000),
    ("small network", "autoencoder, sandbox", 1024, 80),
]


def tables(results):
    figures = {result["case"]: result["contenders"] for result in results}
    lines = ["Nanoseconds a row; best of the rounds, one thread each.", ""]
    lines += table(["case", "who", "1 row", "32 rows", "1,024 rows"], [row for result in results for row in rows(result)])
    found = [goal for goal in GOALS if goal[1] in figures.get(goal[0], {}) and goal[2] in figures[goal[0]]]
    lines += ["", "Ratios of these times, two of the times themselves, and what is aimed at.", ""]
    timed = [[case, f"{who}, ns", f"{batch:,}", *aimed(min(figures[case][who][batch]), "at most", aim)]
             for case, who, batch, aim in TIMES if who in figures.get(case, {})]
    lines += table(["case", "ratio", "rows in a call", "found", "aim", ""], [judged(figures[goal[0]], *goal) for goal in found] + timed)
    return "\n".join(lines)


def rows(result):
    for name, batches in result["contenders"].items():
        yield [result["case"], name, *(number(min(rounds)) for rounds in batches.values())]


def judged(figures, case, numerator, denominator, batch, kind, aim):
    ratio = min(figures[numerator][batch]) / min(figures[denominator][batch])
    return [case, f"{numerator} : {denominator}", f"{batch:,}", *aimed(ratio, kind, aim)]


def aimed(value, kind, aim):
    met = value >= aim if kind == "at least" else value <= aim
    return [number(value), f"{kind} {aim:,}", "met" if met else "missed"]


def number(value):
    """Three digits."""
    return f"{value:,.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


def table(head, rows):
    rows = [head, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
    return [line(rows[0]), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows[1:])]
