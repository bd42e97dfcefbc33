"""Peer groups: is this row unusual among its like?

An amount of 900 is nothing for a jeweller and odd for a bakery. So each row is compared with the training rows of its own category (its
peers): how many robust deviations each number lies from the peers' median, added up (Bolton and Hand, "Unsupervised Profiling Methods for
Fraud Detection", 2001, section 2.1; the robust deviation is that of Iglewicz and Hoaglin, 1993).

Plain Python: what is here runs and is tested without a sandbox, too. `app.py` speaks the contract.
"""

import json
import math
from statistics import median

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "group": {
            "type": "string",
            "default": "",
            "description": "The feature (of codes) that tells groups apart. Empty: the first feature that has categories.",
        },
        "minimum": {
            "type": "integer",
            "minimum": 3,
            "maximum": 100000,
            "default": 20,
            "description": "Groups of fewer rows are compared with all rows.",
        },
        "cap": {
            "type": "number",
            "minimum": 1,
            "maximum": 1e9,
            "default": 1000,
            "description": "Deviations beyond this count as this: one broken field should not drown everything else.",
        },
    },
}

# The model's bytes are this line, then JSON. Raise the number whenever the JSON's shape changes.
FORMAT = b"peer-groups 1\n"


class Mistakes(ValueError):
    """What is wrong with the parameters, one text each."""


class Damaged(ValueError):
    """The bytes are no model of this plugin."""


def parse(text):
    """The parameters with their defaults. Raises Mistakes."""
    try:
        given = json.loads(text)
    except ValueError as error:
        raise Mistakes([f"the parameters are no JSON: {error}"]) from None
    if not isinstance(given, dict):
        raise Mistakes(["the parameters must be a JSON object"])
    known = SCHEMA["properties"]
    mistakes = [f"{name}: no such parameter; there are {', '.join(known)}" for name in given if name not in known]
    mistakes += [mistake for name in known if name in given and (mistake := wrong(name, given[name], known[name]))]
    if mistakes:
        raise Mistakes(mistakes)
    return {name: given.get(name, rule["default"]) for name, rule in known.items()}


def wrong(name, value, rule):
    """What the rule has against the value, or None."""
    kinds = {"string": str, "integer": int, "number": (int, float)}
    if isinstance(value, bool) or not isinstance(value, kinds[rule["type"]]):
        return f"{name}: {json.dumps(value)} is no {rule['type']}"
    if rule["type"] != "string" and not rule["minimum"] <= value <= rule["maximum"]:
        return f"{name}: {value} is not {rule['minimum']} to {rule['maximum']}"
    return None


def group_of(features, wanted):
    """The number of the column that tells groups apart, or None where there is none. `features` are names and numbers of categories."""
    for index, (name, categories) in enumerate(features):
        if (wanted and name == wanted) or (not wanted and categories):
            if not categories:
                raise ValueError(f"the feature `{name}` is a number, no group: give it `encode: ordinal`")
            return index
    if wanted:
        raise ValueError(f"there is no feature `{wanted}` to tell groups apart: there are {', '.join(name for name, _ in features)}")
    return None


def spread(values):
    """Median and robust deviation. What never changes is measured in its own units."""
    centre = median(values)
    deviation = 1.4826 * median(abs(value - centre) for value in values)
    return [centre, deviation if deviation > 0 else 1.0]


class PeerGroups:
    """A fitted model: for each group, and for all rows, the median and deviation of each column."""

    def __init__(self, width, group, cap, everybody, groups):
        self.width, self.group, self.cap, self.everybody, self.groups = width, group, cap, everybody, groups

    @classmethod
    def fit(cls, rows, features, parameters):
        """Rows are lists of numbers."""
        group = group_of(features, parameters["group"])
        members = {}
        for row in rows if group is not None else []:
            members.setdefault(int(row[group]), []).append(row)
        columns = lambda some: [spread(column) for column in zip(*some)]
        groups = {code: columns(some) for code, some in sorted(members.items()) if len(some) >= parameters["minimum"]}
        return cls(len(rows[0]), group, float(parameters["cap"]), columns(rows), groups)

    def contributions(self, row):
        """What each number adds to the row's score. The group itself adds nothing."""
        peers = self.everybody if self.group is None else self.groups.get(int(row[self.group]), self.everybody)
        parts = [min(abs(value - centre) / deviation, self.cap) for value, (centre, deviation) in zip(row, peers)]
        if self.group is not None:
            parts[self.group] = 0.0
        return parts

    def score(self, row):
        """The sum of the contributions."""
        return sum(self.contributions(row))

    def to_bytes(self):
        """The same model gives the same bytes: a number is written as the shortest text that reads back as the same number."""
        fields = {"width": self.width, "group": self.group, "cap": self.cap, "everybody": self.everybody, "groups": self.groups}
        return FORMAT + json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data):
        """Raises Damaged."""
        if not data.startswith(FORMAT):
            raise Damaged("the model is none of this plugin, or of another format: fit it again")
        try:
            fields = json.loads(data[len(FORMAT) :], parse_constant=lambda name: 1 / 0)
            model = cls(**fields)
            model.groups = {int(code): columns for code, columns in fields["groups"].items()}
            whole = model.is_whole()
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
            raise Damaged(f"the model is damaged: {type(error).__name__}") from None
        if not whole:
            raise Damaged("the model is damaged: its parts do not belong together")
        return model

    def is_whole(self):
        """Whether every group has a centre and a positive deviation for each column."""
        tables = [self.everybody, *self.groups.values()]
        finite = lambda number: isinstance(number, float) and math.isfinite(number)
        usable = lambda centre, deviation: finite(centre) and finite(deviation) and deviation > 0
        return (
            finite(self.cap)
            and isinstance(self.width, int)
            and self.width > 0
            and (self.group is None or 0 <= self.group < self.width)
            and all(len(table) == self.width and all(usable(*pair) for pair in table) for table in tables)
        )
