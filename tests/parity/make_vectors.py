"""Writes the parity vectors of this folder: synthetic rows, and what scikit-learn and isotree make of them. README.md says how to run it."""

import json
from importlib.metadata import version
from pathlib import Path

import isotree
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

FOLDER = Path(__file__).parent
CONTAMINATION = 0.05


def main():
    random = np.random.default_rng(20240611)
    write("isolation_forest_trees.json", forest_trees(random))
    scores = forest_scores(random)
    write("isolation_forest_scores.json", scores)
    write("isolation_forest_splits.json", forest_splits(scores), "isotree")
    write("local_outlier_factor.json", lof(random))


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


if __name__ == "__main__":
    main()
