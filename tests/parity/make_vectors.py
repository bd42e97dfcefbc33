"""Writes the parity vectors of this folder: synthetic rows, and what scikit-learn, PyOD and isotree make of them. README.md says how."""

import json
from importlib.metadata import version
from pathlib import Path

import isotree
import numpy as np
import pyod
from pyod.models.knn import KNN
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

FOLDER = Path(__file__).parent
CONTAMINATION = 0.05


def main():
    random = np.random.default_rng(20240611)
    write("isolation_forest_trees.json", forest_trees(random))
    scores = forest_scores(random)
    write("isolation_forest_scores.json", scores)
    write("isolation_forest_splits.json", forest_splits(scores), "isotree")
    write("local_outlier_factor.json", lof(random))
    write("ecod.json", ecod(np.random.default_rng(20240612)), "pyod")
    write("robust_z_score.json", robust_z_score(np.random.default_rng(20240613)), "scipy")
    # From a seed of its own, so that what stands above stays what it is.
    write("neighbours.json", neighbours(np.random.default_rng(20261126)))
    write("hbos.json", hbos(np.random.default_rng(20261127)), "pyod")


def write(name, vectors, library="scikit-learn"):
    """One row a line: small, and a change is readable."""
    versions = {library: version(library), "numpy": np.__version__}
    text = json.dumps({"versions": versions, **vectors}, separators=(",", ":"), allow_nan=False)
    (FOLDER / name).write_text(text.replace("],[", "],\n[").replace("},{", "},\n{").replace(',"', ',\n"') + "\n")


def clusters(random, rows, width, anomalies):
    """Three normal clusters of different spread, and uniform anomalies behind them."""
    centres = random.uniform(-6, 6, (3, width))
    spread = np.array([0.3, 0.8, 1.6])
    which = random.integers(0, 3, rows - anomalies)
    usual = centres[which] + random.normal(size=(rows - anomalies, width)) * spread[which, None]
    return np.vstack([usual, random.uniform(-12, 12, (anomalies, width))])


def single(rows):
    """Multiples of 1/256 below 2^16: a single-precision number holds each exactly, as scikit-learn's trees compute in it."""
    rounded = np.round(rows * 256) / 256
    assert (rounded.astype(np.float32).astype(np.float64) == rounded).all()
    return rounded


def labels(model, queries):
    return (model.predict(queries) == -1).tolist()


def forest_trees(random):
    """A few small forests whole, for agreement to the last digits."""
    rows = single(clusters(random, 200, 4, 10))
    # A feature of few values and a constant one: ties, and nodes where a feature cannot be split.
    rows = np.column_stack([rows, np.round(rows[:, 0] / 4), np.full(len(rows), 3.0)])
    queries = np.vstack([rows[::4], single(random.uniform(-14, 14, (30, 6)))])
    forests = []
    for parameters in (
        {"n_estimators": 8, "max_samples": 100},
        {"n_estimators": 11, "max_samples": 32, "max_features": 0.5},
        {"n_estimators": 3, "max_samples": 200, "bootstrap": True},
    ):
        model = IsolationForest(random_state=7, contamination=CONTAMINATION, **parameters).fit(rows)
        forests.append(
            {
                "sample": int(model.max_samples_),
                "trees": [tree(*pair) for pair in zip(model.estimators_, model.estimators_features_)],
                "scores": (-model.score_samples(queries)).tolist(),
            }
        )
    return {"queries": queries.tolist(), "forests": forests}


def tree(estimator, features):
    """The nodes as scikit-learn numbers them, -1 for a leaf's children, features numbered as in the whole row."""
    nodes = estimator.tree_
    leaf = nodes.children_left < 0
    return {
        "feature": np.where(leaf, 0, features[np.where(leaf, 0, nodes.feature)]).tolist(),
        "threshold": np.where(leaf, 0.0, nodes.threshold).tolist(),
        "left": nodes.children_left.tolist(),
        "right": nodes.children_right.tolist(),
        "rows": nodes.n_node_samples.tolist(),
    }


def forest_scores(random):
    """The mean of 20 forests of the default size, for rows that another random generator learns from as well."""
    both = single(clusters(random, 1000, 6, 50))
    rows, queries = both[::2], both[1::2]
    models = [IsolationForest(random_state=seed).fit(rows) for seed in range(20)]
    mean = lambda values: np.mean([-model.score_samples(values) for model in models], axis=0)
    threshold = np.percentile(mean(rows), 100 * (1 - CONTAMINATION))
    scores = mean(queries)
    return {
        "contamination": CONTAMINATION,
        "rows": rows.tolist(),
        "queries": queries.tolist(),
        "scores": scores.tolist(),
        "labels": (scores > threshold).tolist(),
    }


def forest_splits(vectors):
    """The mean of 20 of isotree's forests for each way to split, of the rows and queries of `isolation_forest_scores.json`. Its forests of
    neighbouring seeds share most trees, so the seeds lie apart."""
    rows, queries = np.array(vectors["rows"]), np.array(vectors["queries"])
    shared = {"sample_size": 256, "ntrees": 100, "coefs": "normal", "standardize_data": True, "missing_action": "fail", "nthreads": 1}
    cases = []
    for split, features, tries, depth, own in SPLITS:
        models = [
            isotree.IsolationForest(ndim=features, ntry=tries, max_depth=depth, random_seed=1000 * seed, **shared, **own).fit(rows)
            for seed in range(20)
        ]
        scores = np.mean([model.predict(queries) for model in models], axis=0)
        cases.append(
            {"split": split, "features_per_split": features, "tries": tries, "max_depth": depth or 64, "scores": np.round(scores, 9).tolist()}
        )
    return {"cases": cases}


# Split, features of a hyperplane, hyperplanes that are tried, depth, and what isotree calls the way to cut.
SPLITS = [
    ("extended", 2, 1, 8, {}),
    ("extended", 4, 1, 8, {}),
    ("sciforest", 2, 10, 8, {"prob_pick_avg_gain": 1}),
    ("sciforest", 2, 10, None, {"prob_pick_avg_gain": 1}),
    ("fair_cut", 2, 1, None, {"prob_pick_pooled_gain": 1}),
    ("fair_cut", 3, 4, 8, {"prob_pick_pooled_gain": 1}),
]


def lof(random):
    short = lambda values: np.round(values, 6)
    clustered = short(clusters(random, 300, 4, 15))
    # Groups of equal rows: of 40 (more than most k), of 8 and of 2.
    duplicated = short(clusters(random, 160, 3, 8))
    duplicated = np.vstack([duplicated, np.repeat(duplicated[:1], 39, 0), np.repeat(duplicated[1:6], 7, 0), duplicated[6:30]])
    wide = short(clusters(random, 150, 30, 8))
    few = short(random.normal(size=(12, 2)))
    sets = {"clustered": clustered, "duplicated": duplicated, "wide": wide, "few": few}
    queries = {name: lof_queries(random, rows, short) for name, rows in sets.items()}
    cases = [lof_case(name, sets[name], queries[name], k, metric, p) for name, k, metric, p in LOF_CASES]
    return {
        "contamination": CONTAMINATION,
        "sets": {name: {"rows": rows.tolist(), "queries": queries[name].tolist()} for name, rows in sets.items()},
        "cases": cases,
    }


LOF_CASES = [
    ("clustered", 20, "euclidean", 2.0),
    ("clustered", 1, "euclidean", 2.0),
    ("clustered", 120, "euclidean", 2.0),
    ("clustered", 10, "manhattan", 2.0),
    ("clustered", 15, "minkowski", 3.0),
    ("duplicated", 20, "euclidean", 2.0),
    ("duplicated", 5, "manhattan", 2.0),
    ("duplicated", 50, "euclidean", 2.0),
    ("wide", 20, "euclidean", 2.0),
    ("wide", 7, "minkowski", 1.5),
    ("few", 20, "euclidean", 2.0),
]


def lof_queries(random, rows, short):
    """Rows near the training rows, training rows themselves, and rows anywhere."""
    near = rows[:: max(1, len(rows) // 40)]
    near = near + random.normal(size=near.shape) * 0.2
    anywhere = random.uniform(-14, 14, (20, rows.shape[1]))
    return short(np.vstack([near, rows[:10], anywhere]))


def lof_case(name, rows, queries, neighbours, metric, p):
    # The tree's distances are exact; scikit-learn's brute force computes Euclidean ones by an expanded formula.
    model = LocalOutlierFactor(
        n_neighbors=neighbours, metric=metric, p=p, algorithm="kd_tree", novelty=True, contamination=CONTAMINATION
    ).fit(rows)
    return {
        "set": name,
        "neighbours": neighbours,
        "metric": metric,
        "p": p,
        "scores": (-model.score_samples(queries)).tolist(),
        "threshold": -float(model.offset_),
        "labels": labels(model, queries),
    }


def ecod(random):
    clustered = np.round(clusters(random, 150, 4, 8), 6)
    # Few values, a constant, a rare category, and skew to either side.
    tied = np.column_stack([random.integers(0, 6, 90), np.full(90, 2.5), random.random(90) < 0.05, random.poisson(1.2, 90), -random.poisson(3, 90)])
    few = np.round(random.normal(size=(7, 2)) ** 3, 6)
    sets = {"clustered": clustered, "tied": tied.astype(float), "few": few}
    return {"sets": [ecod_set(random, name, rows) for name, rows in sets.items()]}


def ecod_set(random, name, rows):
    """What PyOD makes of its own training rows, and of each of some new rows alone: its answer depends on what else is asked."""
    from pyod.models.ecod import ECOD

    queries = np.vstack([rows[:12] + random.normal(size=rows[:12].shape) * 0.3, rows[:5], [rows.max(axis=0) + 3, rows.min(axis=0) - 3]])
    queries = np.round(queries, 6)
    model = ECOD().fit(rows)
    parts = model.O
    alone = [float(model.decision_function(query[None])[0]) for query in queries]
    return {
        "name": name,
        "rows": rows.tolist(),
        "scores": model.decision_scores_.tolist(),
        "parts": parts.tolist(),
        "queries": queries.tolist(),
        "alone": alone,
    }


def robust_z_score(random):
    from scipy.stats import median_abs_deviation

    # An even number of rows, so that the median lies between two; ten features, more than are measured at a time.
    rows = np.round(clusters(random, 60, 10, 4) * np.logspace(-3, 6, 10), 6)
    distances = np.abs(rows - np.median(rows, axis=0)) / median_abs_deviation(rows, axis=0, scale="normal")
    combine = {"largest": lambda capped: capped.max(axis=1), "mean": lambda capped: capped.mean(axis=1), "sum_of_squares": lambda capped: (capped**2).sum(axis=1)}
    cases = [
        {"combine": name, "cap": cap, "scores": scores(np.minimum(distances, cap)).tolist()}
        for name, scores in combine.items()
        for cap in (1e6, 2.0)
    ]
    return {"rows": rows.tolist(), "distances": distances.tolist(), "cases": cases}


def neighbours(random):
    """For both detectors of neighbours: every metric, rows that are new and rows left out of their own neighbours, equal rows."""
    short = lambda values: np.round(values, 6)
    # Away from zero, where rows have directions; no two are parallel.
    clustered = short(clusters(random, 200, 3, 10) + 8)
    duplicated = short(clusters(random, 120, 2, 6) + 8)
    duplicated = np.vstack([duplicated, np.repeat(duplicated[:1], 25, 0), np.repeat(duplicated[1:5], 4, 0), duplicated[5:20]])
    sets = {"clustered": clustered, "duplicated": duplicated}
    queries = {name: lof_queries(random, rows, short)[-45:] for name, rows in sets.items()}
    cases = [neighbours_case(name, sets[name], queries[name], k, metric, p) for name, k, metric, p in NEIGHBOURS_CASES]
    return {
        "pyod": pyod.__version__,
        "sets": {name: {"rows": rows.tolist(), "queries": queries[name].tolist()} for name, rows in sets.items()},
        "cases": cases,
    }


NEIGHBOURS_CASES = [
    ("clustered", 5, "euclidean", 2.0),
    ("clustered", 8, "manhattan", 2.0),
    ("clustered", 20, "minkowski", 4.0),
    ("clustered", 7, "minkowski", 2.5),
    ("clustered", 10, "cosine", 2.0),
    ("duplicated", 6, "euclidean", 2.0),
    ("duplicated", 40, "euclidean", 2.0),
    ("duplicated", 30, "cosine", 2.0),
]


def neighbours_case(name, rows, queries, k, metric, p):
    algorithm = "brute" if metric == "cosine" else "kd_tree"
    lof = lambda novelty: LocalOutlierFactor(n_neighbors=k, metric=metric, p=p, algorithm=algorithm, novelty=novelty).fit(rows)
    knn = {}
    for method in ("largest", "mean", "median"):
        # PyOD's KNN has a ball tree for every metric; a cosine is none of its metrics, so that case is of scikit-learn's distances.
        if metric == "cosine":
            nearest = NearestNeighbors(n_neighbors=k, metric=metric, algorithm=algorithm).fit(rows)
            made = {"largest": lambda d: d[:, -1], "mean": lambda d: d.mean(axis=1), "median": lambda d: np.median(d, axis=1)}[method]
            knn[method] = {"new": made(nearest.kneighbors(queries)[0]).tolist(), "own": made(nearest.kneighbors()[0]).tolist()}
        else:
            model = KNN(n_neighbors=k, method=method, metric=metric, p=p).fit(rows)
            knn[method] = {"new": model.decision_function(queries).tolist(), "own": model.decision_scores_.tolist()}
    return {
        "set": name,
        "neighbours": k,
        "metric": metric,
        "p": p,
        "lof": {"new": (-lof(True).score_samples(queries)).tolist(), "own": (-lof(False).negative_outlier_factor_).tolist()},
        "knn": knn,
    }


def hbos(random):
    clustered = np.round(clusters(random, 200, 4, 10), 6)
    # Few values, which lie on no edge between two bins of the numbers below but the first and the last; a constant; units far from 1.
    tied = np.column_stack([random.integers(0, 6, 150), np.full(150, 2.5), random.random(150) < 0.05, np.round(random.normal(size=150), 6) * 1e5])
    few = np.round(random.normal(size=(5, 2)), 6)
    sets = {"clustered": clustered, "tied": tied.astype(float), "few": few}
    outside = lambda rows: np.vstack([rows[:20] * 1.07, rows.max(axis=0) + 3, rows.min(axis=0) - 3, rows.max(axis=0) * 1.02, rows.min(axis=0) * 1.02])
    queries = {name: np.vstack([np.round(outside(rows), 6), rows[:20]]) for name, rows in sets.items()}
    return {
        "sets": {name: {"rows": rows.tolist(), "queries": queries[name].tolist()} for name, rows in sets.items()},
        "cases": [hbos_case(name, sets[name], queries[name], *own) for name, *own in HBOS_CASES],
    }


# Set, bins, alpha, tolerance.
HBOS_CASES = [
    ("clustered", 10, 0.1, 0.5),
    ("clustered", "auto", 0.1, 0.5),
    ("clustered", 37, 0.01, 0.9),
    ("clustered", 4, 0.9, 0.05),
    ("tied", 7, 0.1, 0.5),
    ("tied", 9, 0.02, 0.2),
    ("few", 10, 0.1, 0.5),
    ("few", "auto", 0.1, 0.5),
]


def hbos_case(name, rows, queries, bins, alpha, tolerance):
    from pyod.models.hbos import HBOS

    model = HBOS(n_bins=bins, alpha=alpha, tol=tolerance).fit(rows)
    number = [len(counts) for counts in model.hist_] if bins == "auto" else [bins] * rows.shape[1]
    return {
        "set": name,
        "bins": bins,
        "alpha": alpha,
        "tolerance": tolerance,
        "number": number,
        "own": model.decision_scores_.tolist(),
        "new": model.decision_function(queries).tolist(),
    }


if __name__ == "__main__":
    main()
