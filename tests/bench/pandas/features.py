"""The features of config/examples/bank.yaml in pandas, as its users would write them: for a file at once, and for one new row.

usage: features.py ROWS.csv SYNOD_VALUES.csv SYNOD_REPORT.json

Compares values with Synod's and prints times as ratios. Both run in one run of scripts/bench-features.sh, one after the other.
"""

import json
import sys
import time

import numpy as np
import pandas as pd

TEXTS = {"other_device": "DeviceID", "other_merchant": "MerchantID", "other_address": "IP Address", "other_location": "Location"}


def not_most_frequent(values):
    """1 if the last value is not among the most frequent of those before it."""
    own, before = values[-1], values[:-1]
    before = before[~np.isnan(before)]
    if len(before) == 0:
        return 0.0
    found, counts = np.unique(before, return_counts=True)
    of_own = counts[found == own]
    return float((of_own[0] if len(of_own) else 0) < counts.max())


def features(frame):
    """All features, from rows strictly before each row (no two rows of an account have one time)."""
    frame = frame.sort_values(["AccountID", "TransactionDate"], kind="stable")
    account = frame.groupby("AccountID", sort=False)
    out = pd.DataFrame(index=frame.index)
    amount, balance = frame["TransactionAmount"], frame["AccountBalance"]
    date = frame["TransactionDate"].dt
    out["amount"] = np.log1p(amount)
    out["share_spent"] = np.where(frame["TransactionType"] == "Debit", amount / (amount + balance.clip(lower=0) + 1), 0)
    out["exceeds_75_percent"] = (amount > 0.75 * balance).astype(float)
    out["duration"] = np.log1p(frame["TransactionDuration"])
    out["login_attempts"] = frame["LoginAttempts"].clip(upper=6)
    out["night"] = (date.hour < 6).astype(float)
    for name, part, cycle in (("hour", date.hour, 24), ("day", date.day_of_week, 7)):
        out[f"{name}_sine"] = np.sin(2 * np.pi * part / cycle)
        out[f"{name}_cosine"] = np.cos(2 * np.pi * part / cycle)
    out["mean_amount"] = account["TransactionAmount"].transform(lambda x: x.shift().rolling(5, min_periods=1).mean())
    out["mean_duration"] = account["TransactionDuration"].transform(lambda x: x.shift().rolling(5, min_periods=1).mean())
    out["amount_ratio"] = out["amount"] - np.log1p(out["mean_amount"])
    out["seconds_since_last"] = account["TransactionDate"].diff().dt.total_seconds()
    out["hours_since_last"] = np.log1p(out["seconds_since_last"] / 3600)
    for name, column in TEXTS.items():
        codes = pd.Series(pd.factorize(frame[column])[0].astype(float), index=frame.index)
        windows = codes.groupby(frame["AccountID"], sort=False)
        out[name] = windows.transform(lambda x: x.rolling(6, min_periods=1).apply(not_most_frequent, raw=True))
    return out.sort_index()


def main():
    rows, values, report = sys.argv[1:]
    frame = pd.read_csv(rows)
    frame["TransactionDate"] = pd.to_datetime(frame["TransactionDate"])
    started = time.perf_counter()
    found = features(frame)
    bulk = (time.perf_counter() - started) / len(frame) * 1e9

    singles = []
    for row in range(len(frame) - 1, len(frame) - 21, -1):
        # What a service holds: the account's latest rows, the new one behind them.
        past = frame[(frame["AccountID"] == frame["AccountID"].iloc[row]) & (frame["TransactionDate"] <= frame["TransactionDate"].iloc[row])]
        past = past.sort_values("TransactionDate").tail(7)
        started = time.perf_counter()
        features(past)
        singles.append(time.perf_counter() - started)
    single = float(np.median(singles)) * 1e9

    ours = pd.read_csv(values)
    worst, compared = 0.0, 0
    for name in found.columns.intersection(ours.columns):
        one, other = found[name].to_numpy(float), ours[name].to_numpy(float)
        same_missing = np.isnan(one) == np.isnan(other)
        difference = np.nan_to_num(np.abs(one - other) / np.maximum(1, np.abs(one)))
        bad = (difference > 1e-9) | ~same_missing
        # Rows of one account and one second see each other in pandas, and never in Synod.
        assert bad.mean() < 0.001, f"{name}: {bad.sum()} of {len(bad)} rows differ, first at {np.argmax(bad)}: {one[bad][:3]} {other[bad][:3]}"
        worst, compared = max(worst, difference[~bad].max()), compared + 1
    synod = json.load(open(report))
    print(json.dumps({
        "features_compared": compared,
        "greatest_difference": worst,
        "pandas_bulk_ns_a_row": round(bulk),
        "pandas_single_ns": round(single),
        "times_faster_in_bulk": round(bulk / synod["bulk_ns_a_row"], 1),
        "times_faster_for_one_row": round(single / synod["single_ns_a_row"]),
    }, indent=2))


main()
