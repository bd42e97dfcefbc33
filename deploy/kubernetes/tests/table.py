"""Compares the table of values in the chart's README with values.yaml: every value is there, with its default, and nothing else is.

usage: table.py CHART
"""

import json
import pathlib
import re
import sys

import yaml

# Objects that a user fills as a whole.
WHOLE = ("resources",)


def leaves(tree: dict, path: str = ""):
    for key, value in tree.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and value and name not in WHOLE:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def main() -> None:
    chart = pathlib.Path(sys.argv[1])
    values = dict(leaves(yaml.safe_load((chart / "values.yaml").read_text())))
    table = {}
    for line in (chart / "README.md").read_text().splitlines():
        if found := re.match(r"\| `([A-Za-z.]+)` \| `(.*?)` \|", line):
            table[found[1]] = found[2]
    mistakes = [f"{name} is not in the table" for name in values.keys() - table.keys()]
    mistakes += [f"{name} is no value" for name in table.keys() - values.keys()]
    for name in values.keys() & table.keys():
        if yaml.safe_load(table[name]) != values[name]:
            mistakes.append(f"{name} is {json.dumps(values[name])}, and {table[name]} in the table")
    if mistakes:
        sys.exit("\n".join(sorted(mistakes)))
    print(f"{len(values)} values")


main()
