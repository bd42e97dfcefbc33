#!/usr/bin/env python3
"""Writes a fitted scikit-learn, PyOD, Keras or PyTorch model as a file that Synod serves, and beside it what the library itself says of some rows.

It is run by the Python that the model was fitted with, and needs numpy and the model's own libraries: for networks of scikit-learn skl2onnx, for
those of Keras and PyTorch what their exporters ask for. Or call `export(model, "forest.json", data="rows.csv")` from where the model is.
"""

import argparse
import csv
import gzip
import importlib.util
import json
import pathlib
import pickle
import random
import sys
import warnings

import numpy

EXAMPLES = """examples:
  export_model.py forest.joblib --data rows.csv --output forest.json
  export_model.py factor.pickle --data rows.csv --features amount,balance,age --output factor.json
  export_model.py autoencoder.joblib --data rows.csv --output autoencoder.onnx
  export_model.py autoencoder.keras --data rows.csv --output autoencoder.onnx

what is taken:
  scikit-learn IsolationForest, and PyOD IForest               -> JSON for the plugin isolation-forest
  scikit-learn LocalOutlierFactor, and PyOD LOF                -> JSON for the plugin local-outlier-factor
  scikit-learn MLPRegressor that reproduces its rows           -> ONNX for the plugin onnx
  a Keras or PyTorch network that reproduces its rows          -> ONNX for the plugin onnx
  those of scikit-learn also at the end of a Pipeline of StandardScaler, RobustScaler, MinMaxScaler or MaxAbsScaler

To read a pickle, a joblib file or a PyTorch file is to run what is in it: open only files that you trust.
"""

FORMAT_VERSION = 1
SINGLE = "single"


class CannotExport(Exception):
    """What cannot be carried over, by name."""


def main():
    arguments = parser().parse_args()
    try:
        model = loaded(arguments.model)
        features = [name.strip() for name in arguments.features.split(",")] if arguments.features else None
        export(model, arguments.output, data=arguments.data, features=features, rows=arguments.rows, seed=arguments.seed,
               score_column=arguments.score_column, scaled_target=arguments.scaled_target, say=print)
    except (CannotExport, OSError) as error:
        sys.exit(f"export_model.py: {error}")


def parser():
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=EXAMPLES, formatter_class=formatter)
    parser.add_argument("model", metavar="MODEL", help="the fitted model: .joblib, .pickle, .pkl, .keras, .h5, .pt or .pth")
    parser.add_argument("--output", required=True, metavar="FILE", help="the file for `artifact`; FILE.parity.csv beside it has the library's own scores")
    parser.add_argument("--data", metavar="ROWS.csv", help="rows (CSV with a head, may be gzipped) of which the parity file is made")
    parser.add_argument("--features", metavar="A,B,C", help="the columns of the data that the model sees, in its order; left out: as the model remembers them")
    parser.add_argument("--rows", type=int, default=2000, metavar="N", help="at most so many rows in the parity file, drawn by the seed (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="which rows are drawn (default: 0)")
    parser.add_argument("--score-column", default="score", metavar="NAME", help="the column of the library's scores in the parity file (default: score)")
    parser.add_argument("--scaled-target", action="store_true",
                        help="the network at the end of the pipeline learnt to reproduce scaled rows: its output is scaled back")
    return parser


def loaded(path):
    """`load`, for people."""
    try:
        return load(path)
    except (CannotExport, OSError):
        raise
    except Exception as error:  # Whatever is in the file may have raised it.
        raise CannotExport(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def load(path):
    """Reads a model. This runs code that is in the file."""
    path = pathlib.Path(path)
    suffix = path.suffix.lower()
    if suffix in (".keras", ".h5"):
        import keras

        return keras.saving.load_model(path, compile=False)
    if suffix in (".pt", ".pth"):
        import torch

        try:
            return torch.jit.load(path, map_location="cpu")
        except RuntimeError:
            return torch.load(path, map_location="cpu", weights_only=False)
    if suffix in (".pickle", ".pkl"):
        with open(path, "rb") as file:
            return pickle.load(file)
    try:
        import joblib
    except ImportError:
        raise CannotExport(f"{path}: joblib is not installed, and only .pickle and .pkl files can be read without it") from None
    return joblib.load(path)


def export(model, output, data=None, features=None, rows=2000, seed=0, score_column="score", scaled_target=False, say=lambda *_: None):
    """Writes `model` to `output`, and with `data` the parity file beside it.

    Raises CannotExport, which names what cannot be carried over.
    """
    output = pathlib.Path(output)
    steps, core = unwrap(model)
    kind = recognise(core)
    names = features or remembered(model, core)
    if data is not None:
        head, lines = read_rows(data)
        names = names or numeric_columns(head, lines, width_of(core, kind))
    found = kind(core, steps, names, scaled_target)
    if names is not None and len(names) != found.width:
        raise CannotExport(f"--features: {len(names)} names, but the model sees {found.width}")
    if data is not None:
        # Before anything is written: what cannot be compared is not left behind as if it could be.
        told = scored(found, head, lines, names, rows, seed, score_column, say)
    found.write(output)
    say(f"{output}: {found.what}, {output.stat().st_size} bytes")
    if data is not None:
        parity = output.with_suffix(".parity.csv")
        write_parity(parity, found, head, score_column, *told, say)
    say("\n" + found.advice(output, names))
    if data is not None:
        said = f" --tolerance {found.tolerance}" if found.tolerance != 1e-9 else ""
        say(f"then: synod fit --data ROWS.csv, and synod models parity {output.stem} --data {parity} --score {score_column}{said}")
    return found


# What is recognised


def unwrap(model):
    """The scalers of a pipeline, and what comes after them."""
    if type(model).__name__ != "Pipeline" or not hasattr(model, "steps"):
        return [], model
    steps = [step for _, step in model.steps if step is not None and step != "passthrough"]
    return steps[:-1], steps[-1]


def recognise(core):
    name, module = type(core).__name__, type(core).__module__
    bases = {base.__name__ for base in type(core).__mro__ if base.__module__.startswith(("torch.", "keras."))}
    if module.startswith("sklearn.") and name == "IsolationForest" or module.startswith("pyod.") and name == "IForest":
        return Forest
    if module.startswith("sklearn.") and name == "LocalOutlierFactor" or module.startswith("pyod.") and name == "LOF":
        return Factor
    if module.startswith("sklearn.") and name == "MLPRegressor":
        return ScikitNetwork
    if bases & {"Module"}:
        return TorchNetwork
    if bases & {"Model"} or hasattr(core, "get_config") and hasattr(core, "predict"):
        return KerasNetwork
    raise CannotExport(f"{module}.{name} is not carried over; taken are IsolationForest, LocalOutlierFactor and MLPRegressor of scikit-learn, "
                       "IForest and LOF of PyOD, and networks of Keras and PyTorch")


def remembered(model, core):
    """The names of the columns, if the model was fitted on a table with names."""
    for one in (model, core, getattr(core, "detector_", None)):
        names = getattr(one, "feature_names_in_", None)
        if names is not None:
            return [str(name) for name in names]
    return None


def fitted(estimator, attribute):
    if not hasattr(estimator, attribute):
        raise CannotExport(f"{type(estimator).__name__} is not fitted: it has no {attribute}")
    return getattr(estimator, attribute)


def width_of(core, kind):
    if kind in (Forest, Factor, ScikitNetwork):
        return fitted(getattr(core, "detector_", core), "n_features_in_")
    if kind is KerasNetwork:
        return core.input_shape[-1]
    return None


# Scalers: the operations of each, in the order in which scikit-learn does them


def scaling(steps, width):
    operations = []
    for step in steps:
        name = type(step).__name__
        if not type(step).__module__.startswith("sklearn.") or name not in SCALERS:
            raise CannotExport(f"{name} in the pipeline is not carried over; taken are {', '.join(SCALERS)}. Do what it does before, in Synod's "
                               "`features`, and fit the model on that")
        fitted(step, "n_features_in_")
        for operation, numbers in SCALERS[name](step):
            if numbers is not None:
                operations.append({"operation": operation, "by": numpy.broadcast_to(numbers, (width,)).astype(float).tolist()})
    return operations


def standard(step):
    return [("subtract", step.mean_ if step.with_mean else None), ("divide", step.scale_ if step.with_std else None)]


def robust(step):
    return [("subtract", step.center_ if step.with_centering else None), ("divide", step.scale_ if step.with_scaling else None)]


def min_max(step):
    if step.clip:
        raise CannotExport("MinMaxScaler(clip=True) is not carried over: fit it with clip=False")
    return [("multiply", step.scale_), ("add", step.min_)]


def max_abs(step):
    if getattr(step, "clip", False):
        raise CannotExport("MaxAbsScaler(clip=True) is not carried over: fit it with clip=False")
    return [("divide", step.scale_)]


SCALERS = {"StandardScaler": standard, "RobustScaler": robust, "MinMaxScaler": min_max, "MaxAbsScaler": max_abs}


def scaled_back(steps, output):
    for step in reversed(steps):
        output = step.inverse_transform(output)
    return output


# Models


class Exported:
    """A model as a file: `width` features, `scores(rows)` by the library itself, `write(path)`."""

    tolerance = 1e-9
    parameters = ""
    missing = False
    threshold = None

    def transform(self, rows):
        for step in self.steps:
            rows = step.transform(rows)
        return rows

    def check_rows(self, rows):
        """Raises CannotExport if the library cannot score these rows."""

    def advice(self, output, names):
        lines = [f"  {output.stem}:", f"    plugin: {self.plugin}", f"    artifact: {output.name}"]
        if names:
            lines.append(f"    features: [{', '.join(names)}]      # in this order")
        lines.append("    scale: none")
        if self.parameters:
            lines.append(f"    parameters: {self.parameters}")
        return "in synod.yaml, under `detectors`:\n" + "\n".join(lines)


class AsJson(Exported):
    def write(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.content, file, separators=(",", ":"), allow_nan=False)
            file.write("\n")


def source(core, threshold):
    import sklearn

    versions = {"scikit-learn": sklearn.__version__, "numpy": numpy.__version__}
    if type(core).__module__.startswith("pyod."):
        import pyod

        versions["pyod"] = pyod.__version__ if hasattr(pyod, "__version__") else "unknown"
    parameters = {name: value if isinstance(value, (int, float, str, bool, type(None))) else str(value) for name, value in core.get_params().items()}
    return {"class": f"{type(core).__module__}.{type(core).__name__}", "versions": versions, "parameters": parameters, "threshold": threshold}


class Forest(AsJson):
    """scikit-learn's IsolationForest, or PyOD's IForest around one. The raw score is `-score_samples`."""

    plugin = "isolation-forest"

    def __init__(self, core, steps, names, _):
        self.core, self.steps = core, steps
        self.forest = forest = fitted(core, "detector_") if type(core).__name__ == "IForest" else core
        trees, self.width = fitted(forest, "estimators_"), forest.n_features_in_
        sample = int(getattr(forest, "_max_samples", forest.max_samples_))
        if sample < 2:
            raise CannotExport(f"max_samples: trees of {sample} row have no path lengths")
        # PyOD refuses rows with missing values, which the forest inside of it could score.
        self.missing = core is forest
        # PyOD's scores are those of scikit-learn with the sign turned, moved by the offset that its contamination gave.
        self.moved = forest.offset_ if core is not forest else 0.0
        self.threshold = float(core.threshold_ - forest.offset_) if core is not forest else float(-forest.offset_)
        self.content = {
            "format": "synod/isolation-forest", "version": FORMAT_VERSION, "source": source(core, self.threshold), "features": names,
            "width": int(self.width), "scaling": scaling(steps, self.width), "precision": SINGLE, "sample": sample,
            "trees": [tree(one.tree_, columns) for one, columns in zip(trees, forest.estimators_features_)],
        }
        self.what = f"{len(trees)} trees"

    def scores(self, rows):
        rows = self.transform(rows)
        if self.core is self.forest:
            return -self.core.score_samples(rows)
        return self.core.decision_function(rows) - self.moved


def tree(tree, columns):
    """A tree's nodes; a leaf compares nothing. `missing_left` has the nodes where a row that lacks the value goes left."""
    leaf = tree.children_left < 0
    nodes = tree.__getstate__()["nodes"]
    written = {
        "feature": numpy.where(leaf, 0, numpy.asarray(columns)[numpy.where(leaf, 0, tree.feature)]).tolist(),
        "threshold": numpy.where(leaf, 0.0, tree.threshold).tolist(),
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "rows": tree.n_node_samples.tolist(),
    }
    if "missing_go_to_left" in (nodes.dtype.names or ()):
        written["missing_left"] = numpy.flatnonzero(nodes["missing_go_to_left"].astype(bool) & ~leaf).tolist()
    return written


METRICS = {"euclidean": "euclidean", "l2": "euclidean", "manhattan": "manhattan", "l1": "manhattan", "cityblock": "manhattan",
           "minkowski": "minkowski", "p": "minkowski", "cosine": "cosine"}


class Factor(AsJson):
    """scikit-learn's LocalOutlierFactor, or PyOD's LOF around one. The raw score is the outlier factor, `-score_samples`."""

    plugin = "local-outlier-factor"

    def __init__(self, core, steps, names, _):
        self.core, self.steps = core, steps
        self.factor = factor = fitted(core, "detector_") if type(core).__name__ == "LOF" else core
        densities, rows = fitted(factor, "_lrd"), factor._fit_X
        self.width = factor.n_features_in_
        if not isinstance(rows, numpy.ndarray):
            raise CannotExport("sparse rows are not carried over: fit on a dense matrix")
        if rows.dtype.kind in "iub":
            rows = rows.astype(numpy.float64)
        if rows.dtype != numpy.float64:
            raise CannotExport(f"rows of {rows.dtype} are not carried over: scikit-learn measures them in that precision; fit on float64")
        metric, p = metric_of(factor)
        if metric == "cosine" and (~rows.any(axis=1)).any():
            raise CannotExport("metric: with cosine a training row of zeros has no direction: leave such rows out")
        self.threshold = float(core.threshold_) if core is not factor else float(-factor.offset_)
        self.content = {
            "format": "synod/local-outlier-factor", "version": FORMAT_VERSION, "source": source(core, self.threshold), "features": names,
            "width": int(self.width), "scaling": scaling(steps, self.width), "metric": metric, "p": p, "neighbours": int(factor.n_neighbors_),
            "novelty": bool(factor.novelty), "rows": rows.tolist(), "distances": factor._distances_fit_X_[:, -1].tolist(),
            "densities": densities.tolist(),
        }
        self.what = f"{len(rows)} rows with {factor.n_neighbors_} neighbours each"

    def scores(self, rows):
        if self.factor.novelty:
            rows = self.transform(rows)
            return self.core.decision_function(rows) if self.core is not self.factor else -self.core.score_samples(rows)
        return -self.factor.negative_outlier_factor_[self.own]

    def check_rows(self, rows):
        """Without novelty scikit-learn knows the scores of its training rows alone: which of them these are."""
        if self.factor.novelty:
            return
        places = {row.tobytes(): place for place, row in reversed(list(enumerate(numpy.ascontiguousarray(self.factor._fit_X, dtype=float) + 0.0)))}
        own = [places.get(row.tobytes()) for row in numpy.ascontiguousarray(self.transform(rows), dtype=float) + 0.0]
        if None in own:
            raise CannotExport("--data: with novelty=False scikit-learn has scores of the training rows alone, and row "
                               f"{own.index(None) + 1} is none: give the rows that the model was fitted on, or fit it with novelty=True")
        self.own = numpy.array(own, dtype=int)


def metric_of(factor):
    metric = factor.effective_metric_ if isinstance(factor.effective_metric_, str) else factor.metric
    parameters = dict(factor.effective_metric_params_ or {})
    p = parameters.pop("p", factor.p)
    parameters = {name: value for name, value in parameters.items() if value is not None}
    if not isinstance(metric, str) or metric not in METRICS:
        raise CannotExport(f"metric: {metric} is not carried over; taken are {', '.join(sorted(set(METRICS.values())))}")
    if parameters:
        raise CannotExport(f"metric_params: {', '.join(parameters)} is not carried over")
    return METRICS[metric], float(p) if METRICS[metric] == "minkowski" else 2.0


class Network(Exported):
    """An autoencoder as an ONNX file. The raw score is the mean squared difference between a row and its reproduction, in the rows' own units."""

    plugin = "onnx"
    # Networks compute in single precision.
    tolerance = 1e-4
    parameters = "{standardise: false}      # as in the parity file; true measures each feature in deviations of the rows that `synod fit` sees"

    def scores(self, rows):
        return ((self.reproduce(rows) - rows) ** 2).mean(axis=1)

    def write(self, path):
        if path.suffix != ".onnx":
            raise CannotExport(f"--output: {path} becomes an ONNX file: call it .onnx")
        self.write_onnx(path)


class ScikitNetwork(Network):
    def __init__(self, core, steps, names, scaled_target):
        self.core, self.steps, self.scaled_target = core, steps, scaled_target
        self.width = fitted(core, "n_features_in_")
        if core.n_outputs_ != self.width:
            raise CannotExport(f"MLPRegressor: it answers with {core.n_outputs_} numbers to {self.width}: it is no autoencoder")
        if scaled_target and not steps:
            raise CannotExport("--scaled-target: there is no scaler in the pipeline")
        self.back = scaling(steps, self.width) if scaled_target else []
        self.what = f"a network of {len(core.coefs_)} layers"

    def reproduce(self, rows):
        output = self.core.predict(self.transform(rows)).reshape(len(rows), -1)
        return scaled_back(self.steps, output) if self.scaled_target else output

    def write_onnx(self, path):
        try:
            from onnx import TensorProto, helper, numpy_helper
            from skl2onnx import convert_sklearn
            from skl2onnx.common.data_types import FloatTensorType
            from sklearn.pipeline import make_pipeline
        except ImportError as error:
            raise CannotExport(f"{error.name} is not installed: pip install skl2onnx") from None
        whole = make_pipeline(*self.steps, self.core)
        converted = convert_sklearn(whole, initial_types=[("rows", FloatTensorType([None, int(self.width)]))], target_opset=15)
        graph = converted.graph
        last = graph.node[-1]
        # skl2onnx makes one column of a regressor's several outputs, by a last node that is left out here.
        name = last.output[0]
        if last.op_type == "Reshape":
            name = graph.node.pop().input[0]
        inverse = {"subtract": "Add", "add": "Sub", "divide": "Mul", "multiply": "Div"}
        for place, operation in enumerate(reversed(self.back)):
            constant, scaled = f"back/{place}", f"scaled_back/{place}"
            graph.initializer.append(numpy_helper.from_array(numpy.array([operation["by"]], numpy.float32), constant))
            graph.node.append(helper.make_node(inverse[operation["operation"]], [name, constant], [scaled]))
            name = scaled
        graph.output[0].CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, int(self.width)]))
        path.write_bytes(converted.SerializeToString())


class KerasNetwork(Network):
    def __init__(self, core, steps, names, _):
        refuse_pipeline(steps)
        self.core, self.steps, self.width = core, steps, int(core.input_shape[-1])
        if core.output_shape[-1] != self.width:
            raise CannotExport(f"the network answers with {core.output_shape[-1]} numbers to {self.width}: it is no autoencoder")
        if any(type(layer).__name__ == "Normalization" for layer in core._flatten_layers()):
            raise CannotExport("a layer Normalization loses its constants in Keras's ONNX export: use Rescaling with the same numbers")
        self.what = f"a network of {len(core.layers)} layers"

    def reproduce(self, rows):
        return numpy.asarray(self.core.predict(rows.astype(numpy.float32), verbose=0), float)

    def write_onnx(self, path):
        # A network that was never called cannot be exported.
        self.core(numpy.zeros((2, self.width), numpy.float32))
        self.core.export(str(path), format="onnx", verbose=False)


class TorchNetwork(Network):
    def __init__(self, core, steps, names, _):
        refuse_pipeline(steps)
        if names is None:
            raise CannotExport("--features: name the columns that the network sees, in its order")
        self.core, self.steps, self.width = core.eval().to("cpu"), steps, len(names)
        answer = self.reproduce(numpy.zeros((2, self.width)))
        if answer.shape != (2, self.width):
            raise CannotExport(f"the network answers with {answer.shape[1:]} to {self.width} numbers: it is no autoencoder")
        self.what = f"a network of {sum(1 for _ in core.parameters())} arrays"

    def reproduce(self, rows):
        import torch

        with torch.no_grad():
            return self.core(torch.tensor(rows, dtype=torch.float32)).numpy().astype(float)

    def write_onnx(self, path):
        import torch

        example, names = (torch.zeros((2, self.width)),), {"input_names": ["rows"], "output_names": ["output"]}
        if isinstance(self.core, torch.jit.ScriptModule) or importlib.util.find_spec("onnxscript") is None:
            # The exporter of before, which needs nothing else, and is the one for TorchScript.
            axes = {"rows": {0: "batch"}, "output": {0: "batch"}}
            torch.onnx.export(self.core, example, str(path), dynamo=False, dynamic_axes=axes, **names)
        else:
            shapes = ({0: torch.export.Dim("batch")},)
            torch.onnx.export(self.core, example, str(path), dynamo=True, external_data=False, dynamic_shapes=shapes, verbose=False, **names)


def refuse_pipeline(steps):
    if steps:
        raise CannotExport(f"{type(steps[0]).__name__} before a network of another library is not carried over: make it a layer of the network")


# Rows


def read_rows(path):
    """The head and the lines of a CSV file, as texts."""
    opened = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "rt", newline="", encoding="utf-8-sig") as file:
        lines = list(csv.reader(file))
    if len(lines) < 2:
        raise CannotExport(f"--data: {path} has no rows below its head")
    return lines[0], lines[1:]


def is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def numeric_columns(head, lines, width):
    """The columns that hold numbers, if they are as many as the model sees."""
    numeric = [name for place, name in enumerate(head) if all(is_number(line[place]) or line[place] == "" for line in lines[:1000])]
    if width is not None and len(numeric) != width:
        raise CannotExport(f"--features: the model sees {width} columns, and the data has {len(numeric)} with numbers ({', '.join(numeric)}): "
                           "name them in the order of the fit")
    return numeric


def numbers(lines, places):
    def number(text):
        return float(text) if text != "" else numpy.nan

    try:
        return numpy.array([[number(line[place]) for place in places] for line in lines], dtype=float)
    except (ValueError, IndexError) as error:
        raise CannotExport(f"--data: {error}: the features must be numbers") from None


def scored(found, head, lines, names, most, seed, column, say):
    """Some rows of the data as they are, and what the library says of them."""
    if column in head:
        raise CannotExport(f"--score-column: the data has a column {column} already: choose another name")
    unknown = [name for name in names if name not in head]
    if unknown:
        raise CannotExport(f"--features: the data has no column {', '.join(unknown)}; it has {', '.join(head)}")
    if most < 1:
        raise CannotExport("--rows: at least 1")
    drawn = sorted(random.Random(seed).sample(range(len(lines)), min(most, len(lines))))
    lines = [lines[place] for place in drawn]
    rows = numbers(lines, [head.index(name) for name in names])
    usable = ~numpy.isinf(rows).any(axis=1) & (found.missing | ~numpy.isnan(rows).any(axis=1))
    if not usable.all():
        say(f"{(~usable).sum()} rows with missing or infinite values are left out: the library does not score them")
    lines, rows = [line for line, whole in zip(lines, usable) if whole], rows[usable]
    if not lines:
        raise CannotExport("--data: no row has all features")
    found.check_rows(rows)
    with warnings.catch_warnings(), numpy.errstate(all="ignore"):
        # Names of columns are looked at above.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        scores = numpy.asarray(found.scores(rows), dtype=float)
    finite = numpy.isfinite(scores)
    if not finite.all():
        say(f"{(~finite).sum()} rows whose score is no finite number by the library are left out: Synod's is the greatest finite one")
    return [line for line, whole in zip(lines, finite) if whole], scores[finite]


def write_parity(path, found, head, column, lines, scores, say):
    """Rows of the data, and in one more column what the library says of them."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*head, column])
        writer.writerows([*line, repr(float(score))] for line, score in zip(lines, scores))
    say(f"{path}: {len(lines)} rows with the library's own scores")
    if found.threshold is not None:
        flagged = (scores > found.threshold).mean()
        say(f"the library's own threshold is a raw score of {found.threshold:.6g}, and flags {flagged:.2%} of these rows: in Synod `contamination` "
            "says which share is flagged, counted on rows that the fit holds out")


if __name__ == "__main__":
    main()
