"""Trains small autoencoders with Keras and PyTorch on the rows of planted.json, writes them as their own exporters do, and keeps what
onnxruntime answers for them; README.md says how to run it.

    make_exported.py keras      keras.onnx, and its part of exported.json
    make_exported.py pytorch    pytorch.onnx and pytorch_script.onnx, and their parts
"""

import importlib.metadata
import json
import os
import pathlib
import sys

import numpy
import onnx
import onnxruntime

HERE = pathlib.Path(__file__).parent
PLANTED = json.loads((HERE / "planted.json").read_text())
TRAINING = numpy.array(PLANTED["training"], numpy.float32)
ROWS = numpy.array(PLANTED["rows"], numpy.float32)


def keep(name, packages):
    """What onnxruntime makes of the file: the mean squared error in deviations of the training rows."""
    onnx.checker.check_model(onnx.load(HERE / name), full_check=True)
    session = onnxruntime.InferenceSession(HERE / name, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: ROWS})
    square = (output.astype(float) - numpy.array(PLANTED["rows"])) ** 2
    found = {
        "versions": {package: importlib.metadata.version(package) for package in [*packages, "onnx", "onnxruntime"]},
        "standardised": (square / numpy.array(PLANTED["training"]).var(axis=0)).mean(axis=1).tolist(),
    }
    file = HERE / "exported.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    kept[name] = found
    file.write_text("{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(kept[key])}" for key in sorted(kept)) + "\n}\n")
    print(name, (HERE / name).stat().st_size, "bytes, mean error", numpy.mean(found["standardised"][:180]))


def keras_network():
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    mean, spread = TRAINING.mean(axis=0), TRAINING.std(axis=0)
    # A layer Normalization would be the usual one; Keras 3.15 leaves its constants out of the file.
    scale, back = layers.Rescaling((1 / spread).tolist(), (-mean / spread).tolist()), layers.Rescaling(spread.tolist(), mean.tolist())
    inputs = keras.Input((8,), name="rows")
    hidden = layers.GaussianNoise(0.05)(scale(inputs))
    for width, activation in [(16, "tanh"), (8, "relu"), (4, "linear"), (8, "elu"), (16, "selu")]:
        hidden = layers.Dense(width, activation=activation)(hidden)
        hidden = layers.BatchNormalization()(hidden) if width == 8 else layers.Dropout(0.02)(hidden)
    output = layers.Dense(8)(layers.LeakyReLU()(hidden))
    core = keras.Model(inputs, output)
    core.compile("adam", "mse")
    core.fit(TRAINING, numpy.array(scale(TRAINING)), epochs=30, batch_size=32, verbose=0)
    whole = keras.Model(inputs, back(core(inputs)))
    # A model that was never called cannot be exported.
    whole(TRAINING[:2])
    whole.export(HERE / "keras.onnx", format="onnx", verbose=False)
    keep("keras.onnx", ["keras", "tensorflow_cpu", "tf2onnx"])


def pytorch_network():
    import torch
    from torch import nn

    torch.manual_seed(1)
    scaled = torch.tensor(TRAINING)
    mean, spread = scaled.mean(0), scaled.std(0)

    class Autoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", mean)
            self.register_buffer("spread", spread)
            encoder = [nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.02), nn.Linear(16, 8), nn.BatchNorm1d(8), nn.SiLU(), nn.Linear(8, 4)]
            decoder = [nn.LeakyReLU(), nn.Linear(4, 8), nn.LayerNorm(8), nn.ELU(), nn.Linear(8, 16), nn.Softplus(), nn.Linear(16, 8)]
            self.layers = nn.Sequential(*encoder, *decoder)

        def forward(self, rows):
            return self.layers((rows - self.mean) / self.spread) * self.spread + self.mean

    model = Autoencoder()
    steps = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(200):
        steps.zero_grad()
        (((model(scaled) - scaled) / spread) ** 2).mean().backward()
        steps.step()
    model.eval()
    example = (scaled[:2],)
    torch.onnx.export(model, example, HERE / "pytorch.onnx", dynamo=True, external_data=False, input_names=["rows"],
                      output_names=["output"], dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.onnx.export(model, example, HERE / "pytorch_script.onnx", dynamo=False, input_names=["rows"], output_names=["output"],
                      dynamic_axes={"rows": {0: "batch"}, "output": {0: "batch"}})
    keep("pytorch.onnx", ["torch", "onnxscript"])
    keep("pytorch_script.onnx", ["torch"])


if __name__ == "__main__":
    {"keras": keras_network, "pytorch": pytorch_network}[sys.argv[1]]()
