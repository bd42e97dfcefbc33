"""Has Synod read the configurations that the chart renders, with the variables that it gives the container.

usage: doctor.py PROGRAM FOLDER
"""

import pathlib
import subprocess
import sys
import tempfile

import yaml


def main() -> None:
    program, folder = sys.argv[1:]
    for file in sorted(pathlib.Path(folder).glob("*.yaml")):
        documents = [document for document in yaml.safe_load_all(file.read_text()) if document]
        by_kind = {document["kind"]: document for document in documents}
        container = by_kind["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
        grace = by_kind["StatefulSet"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        variables = {variable["name"]: variable["value"] for variable in container["env"]}
        wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        drain = int(variables["SYNOD_LISTEN__DRAIN"].removesuffix("s"))
        # Requests are drained, then work without a caller, then spans.
        assert grace >= wait + 3 * drain, f"{file.name}: {grace} s are too few for {wait} s and three times {drain} s"
        with tempfile.TemporaryDirectory() as place:
            configuration = pathlib.Path(place, "synod.yaml")
            configuration.write_text(by_kind["ConfigMap"]["data"]["synod.yaml"])
            variables |= {"SYNOD_CONFIG": str(configuration), "SYNOD_DATA_DIRECTORY": f"{place}/data"}
            # Exit code 2: mistakes; 3: it is insecure, and would not be served.
            result = subprocess.run([program, "doctor"], env=variables, capture_output=True, text=True)
        if result.returncode:
            sys.exit(f"{file.name}: {result.stdout}{result.stderr}")
        print(f"{file.name}: taken")


main()
