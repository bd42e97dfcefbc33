"""The contract, in front of `detector.py`. componentize-py writes the package `wit_world` from plugins/wit."""

import json

from componentize_py_types import Err
from detector import SCHEMA, Damaged, Mistakes, PeerGroups, parse
from wit_world import exports
from wit_world.exports.detector import (
    Description,
    Error_Data,
    Error_Model,
    Error_Parameters,
    Error_Unsupported,
    Explanation,
)
from wit_world.imports import logging

LEAST_ROWS = 10

# The model of this instance. Not of the class below: each call makes an object of that.
loaded = None


def split(matrix):
    """The rows of a matrix, as lists."""
    values, width = matrix.values, matrix.width
    if width == 0 or len(values) % width:
        raise Err(Error_Data(f"{len(values)} values do not make rows of {width}"))
    return [values[start : start + width] for start in range(0, len(values), width)]


def model_for(matrix):
    """The model, if the rows go with it."""
    if loaded is None:
        raise Err(Error_Model("no model is loaded"))
    if matrix.width != loaded.width:
        raise Err(Error_Data(f"rows of {matrix.width} features, but the model was fitted with {loaded.width}"))
    return loaded


class Detector(exports.Detector):
    """The functions of the contract."""

    def describe(self):
        return Description(
            name="example-python",
            version="1.0.0",
            summary="How far from the median of its peers: rows of the same category",
            parameters=json.dumps(SCHEMA),
            minimum_rows=LEAST_ROWS,
            missing_values=False,
            scaling=False,
            univariate=False,
            artifact=False,
            weights=False,
            parts=False,
            continues=False,
            explains=True,
            exports_onnx=False,
        )

    def check(self, parameters):
        try:
            parse(parameters)
        except Mistakes as mistakes:
            return mistakes.args[0]
        return []

    def fit(self, training):
        try:
            parameters = parse(training.parameters)
        except Mistakes as mistakes:
            raise Err(Error_Parameters("; ".join(mistakes.args[0]))) from None
        rows = split(training.rows)
        if len(rows) < LEAST_ROWS:
            raise Err(Error_Data(f"{len(rows)} rows are too few: at least {LEAST_ROWS} are needed"))
        features = [(feature.name, feature.categories) for feature in training.features]
        try:
            model = PeerGroups.fit(rows, features, parameters)
        except ValueError as error:
            raise Err(Error_Data(str(error))) from None
        logging.log(logging.Level.INFO, f"{len(model.groups)} groups of at least {parameters['minimum']} rows")
        return model.to_bytes()

    def merge(self, parts):
        raise Err(Error_Unsupported())

    def load(self, model):
        global loaded
        try:
            loaded = PeerGroups.from_bytes(bytes(model))
        except Damaged as error:
            raise Err(Error_Model(str(error))) from None

    def score(self, rows):
        model = model_for(rows)
        return [model.score(row) for row in split(rows)]

    def explain(self, rows):
        model = model_for(rows)
        parts = [part for row in split(rows) for part in model.contributions(row)]
        return Explanation(base=0.0, contributions=parts)

    def export_onnx(self):
        raise Err(Error_Unsupported())
