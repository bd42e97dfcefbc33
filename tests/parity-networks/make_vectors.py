"""Makes the vectors in this folder; README.md says how to run it and which test reads which file.

    make_vectors.py            everything that does not need our own plugins
    make_vectors.py exported   what onnxruntime answers for autoencoder.onnx, which our autoencoder wrote
"""

import json
import pathlib
import sys
import warnings

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from scipy.stats import spearmanr
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
warnings.simplefilter("ignore", ConvergenceWarning)


def write_json(name, content):
    lists = {key: value.tolist() if isinstance(value, numpy.ndarray) else value for key, value in content.items()}
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in lists.items())
    (HERE / name).write_text("{\n" + lines + "\n}\n")


def write_graph(name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, "graph", inputs, outputs, [numpy_helper.from_array(value, key) for key, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="make_vectors")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, HERE / name)


def port(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def run(name, rows, outputs=None):
    session = onnxruntime.InferenceSession(HERE / name, providers=["CPUExecutionProvider"])
    return session.run(outputs, {session.get_inputs()[0].name: rows})


def ordinary(count, random):
    """Rows on a curved surface of two dimensions in eight features with units of their own, and a little noise."""
    angle, height = random.uniform(-2, 2, count), random.normal(0, 1, count)
    surface = [numpy.sin(angle), numpy.cos(angle), height, angle * 0.5, height * angle * 0.5, numpy.tanh(height), angle - height, angle + height]
    rows = numpy.stack(surface, axis=1) + random.normal(0, 0.05, (count, 8))
    return rows * [1, 10, 100, 0.1, 5, 1, 1000, 2] + [0, 50, -20, 3, 0, 1, 5000, 7]


def planted(count, random):
    """Each feature is an ordinary value, but of another row: only their combination is anomalous."""
    rows = ordinary(count * 8, random)
    return numpy.stack([rows[feature * count:(feature + 1) * count, feature] for feature in range(8)], axis=1)


def autoencoder_by_sklearn(training, seed, hidden, **options):
    """The scaler is fitted before, and the target is scaled as well: the loss counts every feature alike, as ours does."""
    scaler = StandardScaler().fit(training)
    scaled = scaler.transform(training)
    network = MLPRegressor(hidden_layer_sizes=hidden, activation="tanh", alpha=0, random_state=seed, **options).fit(scaled, scaled)
    return lambda rows: numpy.mean((network.predict(scaler.transform(rows)) - scaler.transform(rows)) ** 2, axis=1)


def mlp():
    """A scikit-learn network that reproduces its rows in their own units, as skl2onnx writes it."""
    random = numpy.random.default_rng(1)
    training = numpy.round(ordinary(120, random)[:, :6], 4)
    rows = numpy.round(numpy.concatenate([ordinary(40, random), planted(10, random)])[:, :6], 4)
    pipeline = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(10, 3, 10), activation="tanh", max_iter=500, random_state=1))
    pipeline.fit(training, training)
    converted = convert_sklearn(pipeline, initial_types=[("rows", FloatTensorType([None, 6]))], target_opset=15)
    # skl2onnx 1.20 makes one column of a regressor's several outputs: its last node is left out.
    reshape, output = converted.graph.node.pop(), converted.graph.output[0]
    assert reshape.op_type == "Reshape"
    output.CopyFrom(port(reshape.input[0], TensorProto.FLOAT, [None, 6]))
    (HERE / "mlp.onnx").write_bytes(converted.SerializeToString())
    square = (run("mlp.onnx", rows.astype(numpy.float32))[0].astype(numpy.float64) - rows) ** 2
    standardised = square / training.var(axis=0)
    write_json("mlp.json", {"training": training, "rows": rows, "plain": square.mean(axis=1), "standardised": standardised.mean(axis=1)})


def scores():
    """A graph with two outputs that are scores already: a distance [N, 1], and its negative [N]. In single and in double precision."""
    random = numpy.random.default_rng(2)
    mixing = numpy.round(random.normal(0, 1, (3, 3)), 3)
    rows = numpy.round(random.normal(0, 2, (30, 3)), 4)
    nodes = [
        helper.make_node("MatMul", ["rows", "mixing"], ["mixed"]),
        helper.make_node("ReduceL2", ["mixed"], ["distance"], axes=[1], keepdims=1),
        helper.make_node("Squeeze", ["distance", "axis"], ["flat"]),
        helper.make_node("Neg", ["flat"], ["likelihood"]),
    ]
    expected = {"training": rows, "rows": rows}
    for name, kind, of in [("scores.onnx", TensorProto.FLOAT, numpy.float32), ("scores_double.onnx", TensorProto.DOUBLE, numpy.float64)]:
        ports = [port("likelihood", kind, ["N"]), port("distance", kind, ["N", 1])]
        constants = {"mixing": mixing.astype(of), "axis": numpy.array([1], numpy.int64)}
        write_graph(name, nodes, [port("rows", kind, ["N", 3])], ports, constants)
        likelihood, distance = run(name, rows.astype(of))
        expected[name] = {"distance": distance[:, 0].astype(float).tolist(), "likelihood": likelihood.astype(float).tolist()}
    write_json("scores.json", expected)


def odd():
    """Graphs that must be run row by row, or refused."""
    rows = port("rows", TensorProto.FLOAT, ["N", 3])
    out = port("out", TensorProto.FLOAT, ["N", 3])
    mean = [helper.make_node("ReduceMean", ["rows"], ["mean"], axes=[0], keepdims=1), helper.make_node("Mul", ["mean", "half"], ["shrunk"]),
            helper.make_node("Sub", ["rows", "shrunk"], ["out"])]
    write_graph("mixes_rows.onnx", mean, [rows], [out], {"half": numpy.array(0.5, numpy.float32)})
    half = [helper.make_node("Reshape", ["rows", "shape"], ["one"]), helper.make_node("Mul", ["one", "half"], ["out"])]
    write_graph("one_row.onnx", half, [port("rows", TensorProto.FLOAT, [1, 3])], [port("out", TensorProto.FLOAT, [1, 3])],
                {"half": numpy.array(0.5, numpy.float32), "shape": numpy.array([1, 3], numpy.int64)})
    two = [helper.make_node("Add", ["rows", "others"], ["out"])]
    write_graph("two_inputs.onnx", two, [rows, port("others", TensorProto.FLOAT, ["N", 3])], [out], {})
    noise = [helper.make_node("RandomUniformLike", ["rows"], ["noise"]), helper.make_node("Add", ["rows", "noise"], ["out"])]
    write_graph("random.onnx", noise, [rows], [out], {})


def planted_anomalies():
    """Rows with planted anomalies, as scikit-learn's networks see them: the mean score of ten seeds, and how far two seeds agree."""
    random = numpy.random.default_rng(3)
    training = numpy.round(ordinary(600, random), 4)
    anomalies = planted(20, random)
    rows = numpy.round(numpy.concatenate([ordinary(180, random), anomalies]), 4)
    options = {"learning_rate_init": 1e-3, "batch_size": 32, "max_iter": 100, "early_stopping": True, "n_iter_no_change": 10, "tol": 0}
    found = numpy.array([autoencoder_by_sklearn(training, seed, (16, 8, 4, 8, 16), **options)(rows) for seed in range(10)])
    between = numpy.array([[spearmanr(one, other)[0] for other in found] for one in found])[numpy.triu_indices(10, 1)]
    to_mean = [spearmanr(one, found.mean(axis=0))[0] for one in found]
    top = [int(numpy.sum(numpy.argsort(-one)[:20] >= 180)) for one in found]
    print(f"two seeds of the reference agree by Spearman {between.min():.3f} to {between.max():.3f}, one seed with the mean by "
          f"{min(to_mean):.3f} to {max(to_mean):.3f}; of 20 planted the top 20 have {min(top)} to {max(top)}")
    write_json("planted.json", {"training": training, "rows": rows, "planted": list(range(180, 200)), "scores": found.mean(axis=0)})


def exported():
    """What onnxruntime makes of the file that our own autoencoder wrote."""
    onnx.checker.check_model(onnx.load(HERE / "autoencoder.onnx"), full_check=True)
    rows = numpy.array(json.loads((HERE / "planted.json").read_text())["rows"], numpy.float32)
    (score,) = run("autoencoder.onnx", rows, ["score"])
    versions = {package.__name__: package.__version__ for package in (onnx, onnxruntime)}
    write_json("autoencoder.json", {"versions": versions, "score": score.astype(float)})


if __name__ == "__main__":
    for make in [exported] if sys.argv[1:] == ["exported"] else [mlp, scores, odd, planted_anomalies]:
        make()
