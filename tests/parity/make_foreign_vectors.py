"""Fits small models with scikit-learn and PyOD on synthetic rows, and writes them as scripts/export_model.py does: README.md says how.

    make_foreign_vectors.py [FOLDER]    into the folder `foreign` beside this file, or into another one; then with a network, as ONNX

Each model becomes NAME.json (or NAME.onnx) and NAME.parity.csv, which has rows and the library's own scores; rows.csv has other rows.
"""

import csv
import pathlib
import pickle
import sys
import warnings

import numpy as np
from pyod.models.iforest import IForest
from pyod.models.lof import LOF
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "scripts"))

import export_model  # noqa: E402

FEATURES = ["a", "b", "c"]


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "foreign"
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(20261127)
    training, rows, queries = ordinary(random, 160), ordinary(random, 150), asked(random)
    missing = np.where(random.random(queries.shape) < 0.2, np.nan, queries)
    lacking = np.where(random.random(training.shape) < 0.1, np.nan, training)
    write(folder / "rows.csv", rows)
    forest = {"n_estimators": 9, "max_samples": 60, "random_state": 3}
    models = {
        "forest": (IsolationForest(**forest), training, next_to_thresholds),
        "forest_missing": (IsolationForest(**forest), lacking, missing),
        "forest_scaled": (make_pipeline(RobustScaler(), StandardScaler(), IsolationForest(max_features=2, bootstrap=True, **forest)), training, queries),
        "forest_max_abs": (make_pipeline(MaxAbsScaler(), IsolationForest(**forest)), training, queries),
        "forest_pyod": (IForest(contamination=0.07, **forest), training, queries),
        "factor": (LocalOutlierFactor(n_neighbors=12, novelty=True), np.vstack([training[:90], training[:20]]), queries),
        "factor_scaled": (make_pipeline(MinMaxScaler(), LocalOutlierFactor(n_neighbors=9, metric="manhattan", novelty=True)), training[:110], queries),
        "factor_cubed": (make_pipeline(StandardScaler(), LocalOutlierFactor(n_neighbors=7, metric="minkowski", p=3, novelty=True)), training[:110], queries),
        # Directions that differ: scikit-learn's cosine of rows that nearly point the same way keeps half of the digits.
        "factor_cosine": (make_pipeline(StandardScaler(), LocalOutlierFactor(n_neighbors=9, metric="cosine", novelty=True)), training[:110], queries[40:]),
        "factor_own": (LocalOutlierFactor(n_neighbors=12), training[:110], training[:110]),
        "factor_pyod": (LOF(n_neighbors=10, contamination=0.04), training[:110], queries),
    }
    if len(sys.argv) > 1:
        models["network"] = network(training, queries)
    for name, (model, of, asked_of) in models.items():
        export(folder, name, model.fit(of) if name != "network" else model, asked_of(model) if callable(asked_of) else asked_of)


def ordinary(random, count):
    """Two clusters, a skewed feature in units of its own, and a feature of few values."""
    rows = random.normal(0, 1, (count, 3))
    rows[: count // 4] += 4
    return np.stack([rows[:, 0], np.exp(rows[:, 1]) * 300, np.round(rows[:, 2], 1)], axis=1)


def asked(random):
    """Usual rows, rows far out, and rows that nothing is like."""
    rows = ordinary(random, 90)
    rows[:30] *= np.where(random.random((30, 3)) < 0.4, 10.0 ** random.uniform(-6, 7, (30, 3)), 1.0)
    return np.vstack([rows, [[0, 0, 0], [-0.0, 1e-300, -1e-300], [-50, 4000, 20]]])


def next_to_thresholds(forest):
    """Rows whose values are next to what single precision makes of a threshold, on either side."""
    rows = []
    for tree in forest.estimators_:
        inner = np.flatnonzero(tree.tree_.children_left >= 0)[:8]
        for node in inner:
            row, feature = np.array([0.3, 500.0, 0.2]), tree.tree_.feature[node]
            least = np.float32(tree.tree_.threshold[node])
            middle = (float(least) + float(np.nextafter(least, np.float32(np.inf)))) / 2
            for value in (tree.tree_.threshold[node], middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)):
                row[feature] = value
                rows.append(row.copy())
    return np.array(rows)


def network(training, queries):
    from sklearn.neural_network import MLPRegressor

    scaler = StandardScaler().fit(training)
    core = MLPRegressor(hidden_layer_sizes=(6, 2, 6), activation="tanh", max_iter=400, random_state=1)
    core.fit(scaler.transform(training), scaler.transform(training))
    return make_pipeline(scaler, core), None, queries[30:90]


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FEATURES)
        writer.writerows(["" if np.isnan(value) else repr(float(value)) for value in row] for row in rows)


def export(folder, name, model, rows):
    """Through a file, as a user would."""
    data, pickled = folder / f"{name}.asked.csv", folder / f"{name}.pickle"
    write(data, rows)
    pickled.write_bytes(pickle.dumps(model))
    output = folder / f"{name}.{'onnx' if name == 'network' else 'json'}"
    export_model.export(export_model.load(pickled), output, data=data, features=FEATURES, scaled_target=name == "network", say=print)
    data.unlink()
    pickled.unlink()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
