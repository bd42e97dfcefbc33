"""The servers that are started, each with how it is configured. A new one is a class, and a line in `all_of`."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROW = {"Transaction_Amount": 150.75, "Average_Transaction_Amount": 120.0, "Frequency_of_Transactions": 3}


@dataclass
class Start:
    """How a server is started."""

    command: list
    folder: Path
    environment: dict


def all_of(options):
    forest = Synod("synod, the forest", options, options.work / "forest.yaml", options.work / "forest-data")
    three = Synod("synod, three detectors", options, options.example, options.work / "three-data")
    return [
        forest,
        three,
        FirstStart("synod, three detectors, the very first start", options, options.example, options.work / "three-data"),
        MLServer("MLServer, the forest", options, 1),
        MLServer("MLServer, the forest, no worker process", options, 0),
        BentoML("BentoML, the forest", options),
    ]


class Synod:
    path = "/v1/score"
    body = ROW
    expected = '"outcome":'

    def __init__(self, name, options, configuration, data):
        self.name, self.synod, self.data = name, options.synod.resolve(), data.resolve()
        self.environment = {
            **os.environ,
            "SYNOD_CONFIG": str(configuration.resolve()),
            "SYNOD_DATA_DIRECTORY": str(self.data),
            "SYNOD_PLUGINS__DIRECTORY": str(options.plugins.resolve()),
        }
        key = subprocess.run([self.synod, "keys", "create", "--role", "scorer", "--label", "start"], env=self.environment, check=True, capture_output=True, text=True)
        self.headers = {"Authorization": f"Bearer {key.stdout.strip()}"}

    def prepare(self, address):
        environment = {**self.environment, "SYNOD_LISTEN__DATA": address, "SYNOD_LISTEN__ADMINISTRATION": "127.0.0.1:0"}
        return Start([self.synod, "serve"], self.data, environment)


class FirstStart(Synod):
    """Plugins are compiled at the first start, and what comes of it is kept: here it is thrown away."""

    def prepare(self, address):
        shutil.rmtree(self.data / "cache", ignore_errors=True)
        return super().prepare(address)


class MLServer:
    path = "/v2/models/forest/infer"
    body = {"inputs": [{"name": "predict", "shape": [1, 3], "datatype": "FP64", "data": list(ROW.values())}]}
    headers = {}
    expected = '"data":[1]'

    def __init__(self, name, options, workers):
        self.name, self.work, self.workers = name, options.work.resolve(), workers
        self.folder = self.work / f"mlserver-{workers}"

    def prepare(self, address):
        (self.folder / "forest").mkdir(parents=True, exist_ok=True)
        model = {"name": "forest", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": str(self.work / "forest.joblib")}}
        (self.folder / "forest" / "model-settings.json").write_text(json.dumps(model))
        host, port = address.split(":")
        # The other two ports are wanted too, and asked by nobody.
        settings = {"host": host, "http_port": int(port), "grpc_port": 0, "metrics_port": 0, "parallel_workers": self.workers, "debug": False}
        (self.folder / "settings.json").write_text(json.dumps(settings))
        return Start([self.work / "mlserver" / "bin" / "mlserver", "start", self.folder], self.folder, dict(os.environ))


class BentoML:
    path = "/predict"
    body = ROW
    headers = {}
    expected = '"is_anomaly":false'

    def __init__(self, name, options):
        self.name, self.work = name, options.work.resolve()

    def prepare(self, address):
        host, port = address.split(":")
        environment = {**os.environ, "FOREST": str(self.work / "forest.joblib"), "BENTOML_HOME": str(self.work / "bentoml-home"), "BENTOML_DO_NOT_TRACK": "True"}
        here = Path(__file__).resolve().parent
        command = [self.work / "bentoml" / "bin" / "bentoml", "serve", "bento_service:Forest", "--working-dir", here, "--host", host, "--port", port]
        return Start(command, self.work, environment)
