"""The other libraries: for each case, names and functions that fit on rows and give back a function that scores rows."""

from importlib import metadata

import numpy as np

NEIGHBOURS = 20
TREES = 100
SAMPLE = 256


def versions():
    names = ["numpy", "scikit-learn", "pyod", "isotree", "onnxruntime", "skl2onnx", "treelite", "tl2cgen"]
    installed = {distribution.metadata["Name"]: distribution.version for distribution in metadata.distributions()}
    return {name: installed[name] for name in names if name in installed}


def forests(rows, work):
    from sklearn.ensemble import IsolationForest

    fitted = IsolationForest(n_estimators=TREES, max_samples=SAMPLE, random_state=1, n_jobs=1).fit(rows)
    return [
        ("scikit-learn IsolationForest", lambda: fitted.score_samples),
        ("isotree", lambda: isotree(rows)),
        ("onnxruntime", lambda: onnxruntime_forest(fitted, rows)),
        ("treelite, interpreted (GTIL)", lambda: treelite_interpreted(fitted)),
        ("treelite, compiled to C (tl2cgen)", lambda: treelite_compiled(fitted, work)),
    ]


def isotree(rows):
    from isotree import IsolationForest

    # As scikit-learn's: splits along one feature, chosen at random.
    model = IsolationForest(ntrees=TREES, sample_size=SAMPLE, ndim=1, missing_action="fail", nthreads=1, random_seed=1)
    return model.fit(rows).predict


def onnxruntime_forest(fitted, rows):
    from skl2onnx import to_onnx

    model = to_onnx(fitted, rows[:1].astype(np.float32), target_opset={"": 15, "ai.onnx.ml": 3})
    run = session(model.SerializeToString())
    return lambda rows: run(rows.astype(np.float32))


def session(model):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    loaded = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # The scores: what is asked for last.
    name, output = loaded.get_inputs()[0].name, loaded.get_outputs()[-1].name
    return lambda rows: loaded.run([output], {name: rows})[0]


def treelite_interpreted(fitted):
    import treelite

    model = treelite.sklearn.import_model(fitted)
    return lambda rows: treelite.gtil.predict(model, rows, nthread=1)


def treelite_compiled(fitted, work):
    import tl2cgen
    import treelite

    library = work / "forest.so"
    tl2cgen.export_lib(treelite.sklearn.import_model(fitted), toolchain="gcc", libpath=library, params={})
    predictor = tl2cgen.Predictor(library, nthread=1)
    return lambda rows: predictor.predict(tl2cgen.DMatrix(rows))


def outlier_factors(rows):
    from pyod.models.lof import LOF
    from sklearn.neighbors import LocalOutlierFactor

    return [
        ("scikit-learn LocalOutlierFactor", lambda: LocalOutlierFactor(n_neighbors=NEIGHBOURS, novelty=True, n_jobs=1).fit(rows).score_samples),
        ("PyOD LOF", lambda: LOF(n_neighbors=NEIGHBOURS, novelty=True, n_jobs=1).fit(rows).decision_function),
    ]


def neighbours(rows):
    from pyod.models.knn import KNN
    from sklearn.neighbors import NearestNeighbors

    def farthest():
        model = NearestNeighbors(n_neighbors=NEIGHBOURS, n_jobs=1).fit(rows)
        return lambda rows: model.kneighbors(rows)[0][:, -1]

    return [
        ("scikit-learn NearestNeighbors", farthest),
        ("PyOD KNN", lambda: KNN(n_neighbors=NEIGHBOURS, n_jobs=1).fit(rows).decision_function),
    ]


def ecods(rows):
    from pyod.models.ecod import ECOD

    return [("PyOD ECOD", lambda: ECOD(n_jobs=1).fit(rows).decision_function)]


def z_scores(rows):
    from scipy.stats import median_abs_deviation

    median, spread = np.median(rows, axis=0), median_abs_deviation(rows, axis=0, scale="normal")
    return [("numpy, by hand", lambda: lambda rows: np.max(np.abs(rows - median) / spread, axis=1))]


def networks(file):
    return [("onnxruntime", lambda: session(str(file)))]
