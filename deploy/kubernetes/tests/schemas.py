"""Holds rendered manifests against the schemas of Kubernetes, in which no key is allowed that is not known.

usage: schemas.py FOLDER VERSION...
"""

import pathlib
import sys

import kubernetes_validate
import yaml

# Kinds that others bring along. The check written in Go has the types of the first; the chart's schema of values holds the second.
OTHERS = ("monitoring.coreos.com/", "external-secrets.io/")


def main() -> None:
    folder, versions = pathlib.Path(sys.argv[1]), sys.argv[2:]
    failed = False
    for file in sorted(folder.glob("*.yaml")):
        documents = [document for document in yaml.safe_load_all(file.read_text()) if document]
        own = [document for document in documents if not document["apiVersion"].startswith(OTHERS)]
        for version in versions:
            for document in own:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except Exception as error:
                    failed = True
                    place = "/".join(str(part) for part in getattr(error, "path", []))
                    print(f"{file.name}: {document['kind']} {document['metadata']['name']}, Kubernetes {version}: {place}: {error}", file=sys.stderr)
        print(f"{file.name}: {len(own)} objects as Kubernetes {' and '.join(versions)} have them, {len(documents) - len(own)} of others")
    sys.exit(failed)


main()
