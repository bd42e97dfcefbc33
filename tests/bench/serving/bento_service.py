"""The forest as a service of BentoML, as its documentation writes one: a typed body, one worker."""

import os

import bentoml
import joblib
from pydantic import BaseModel


class Transaction(BaseModel):
    Transaction_Amount: float
    Average_Transaction_Amount: float
    Frequency_of_Transactions: int


@bentoml.service(workers=1)
class Forest:
    def __init__(self):
        self.model = joblib.load(os.environ["FOREST"])

    @bentoml.api(route="/predict")
    def predict(self, row: Transaction, /) -> dict:
        values = [[row.Transaction_Amount, row.Average_Transaction_Amount, row.Frequency_of_Transactions]]
        return {"is_anomaly": bool(self.model.predict(values)[0] == -1)}
