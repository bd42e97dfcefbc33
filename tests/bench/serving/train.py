"""Fits the forest that all servers load: scikit-learn's defaults, 100 trees of 256 rows, on the rows of a CSV file."""

import csv
import sys

import joblib
import numpy
from sklearn.ensemble import IsolationForest

FIELDS = ["Transaction_Amount", "Average_Transaction_Amount", "Frequency_of_Transactions"]


def main(rows, output):
    with open(rows, newline="") as file:
        values = numpy.array([[float(row[field]) for field in FIELDS] for row in csv.DictReader(file)])
    joblib.dump(IsolationForest(n_estimators=100, max_samples=256, contamination=0.02, random_state=42).fit(values), output)


main(*sys.argv[1:])
