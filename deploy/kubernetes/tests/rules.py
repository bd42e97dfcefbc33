"""Writes the rules of the rendered PrometheusRules as Prometheus reads them, and compares them with alertmanager/rules.

usage: rules.py FOLDER
"""

import pathlib
import sys

import yaml

LINKS = {"http://runbook.synod.internal/": "https://wiki.bank.example/synod", "http://grafana.synod.internal": "https://grafana.bank.example"}


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    documents = [document for document in yaml.safe_load_all((folder / "full.yaml").read_text()) if document]
    rendered = {document["metadata"]["name"]: document["spec"] for document in documents if document["kind"] == "PrometheusRule"}
    own = sorted(pathlib.Path("alertmanager/rules").glob("*.yaml"))
    assert own and len(rendered) == len(own), f"{len(rendered)} PrometheusRules of {len(own)} files"
    for file in own:
        text = file.read_text()
        for before, after in LINKS.items():
            text = text.replace(before, after)
        spec = rendered[f"demo-{file.stem}"]
        assert spec == yaml.safe_load(text), f"{file} and its PrometheusRule differ"
        (folder / f"rules-{file.name}").write_text(yaml.safe_dump(spec))
    print(f"{len(own)} files of rules")


main()
