"""What schemathesis is told beside the document, when tests/tests/openapi.rs runs it.

Two of its checks ask whether a request is accepted exactly when the document says that it is valid. A few things no JSON schema can say: they
are excused here one by one, each only when the answer says that it is that very thing.
"""

import json

import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

# Why a request that is valid by the document can be refused: the code, a part of the detail, and why the document cannot say it.
EXCUSES = [
    ("bad_cursor", "another filter", "a cursor cannot be made up: it comes from the page before"),
    ("bad_query", "`detector` needs `vote`", "a relation between two parameters"),
    ("bad_query", "`vote` needs `detector`", "a relation between two parameters"),
    ("bad_query", "`until` must not be before `from`", "a relation between two parameters"),
    ("bad_query", "`maximum_score` must not be below `minimum_score`", "a relation between two parameters"),
    ("bad_query", "must have at most 256 bytes", "maxLength counts characters, the service bytes"),
    ("invalid_row", "text of at most", "maxLength counts characters, the service bytes"),
    ("invalid_label", "missing field `by`", "only somebody without a credential has to say who they are"),
    ("invalid_key", "role", "which roles there are is no matter of the document"),
    ("invalid_key", "permission", "what a permission can be is no matter of the document"),
    ("invalid_key", "must have 1 to 255 bytes", "maxLength counts characters, the service bytes; and no blanks at the ends"),
    ("invalid_key", "expected u64", "to JSON Schema 1.0 is an integer, to the service it is none"),
    ("invalid_key", "may live from a second to", "the longest life is configured"),
    ("invalid_key", "is longer than a key may live", "the longest life is configured"),
    ("models_are_fixed", "", "it is always refused"),
    ("no_shared_memory", "", "it is always refused"),
    ("invalid_tensors", "", "which tensors are rows: names, shapes, types and values have to fit each other"),
    ("invalid_request", "", "how binary parts and the JSON before them have to fit each other"),
]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Closes the schemas of all answers: a field that the document does not know is a finding here, though clients must bear it."""
    for schema in raw_schema["components"]["schemas"].values():
        close(schema, part=True)
    for response in raw_schema["components"]["responses"].values():
        close_response(response)
    for path in raw_schema["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                close_response(response)


def close_response(response):
    for content in response.get("content", {}).values():
        close(content["schema"], part=False)


def close(schema, part):
    """`part`: another schema says more about the same object."""
    if "$ref" in schema:
        if not part:
            schema.update(allOf=[{"$ref": schema.pop("$ref")}], unevaluatedProperties=False)
        return
    if not part and ("properties" in schema or "allOf" in schema) and "additionalProperties" not in schema:
        schema["unevaluatedProperties"] = False
    for value in schema.get("properties", {}).values():
        close(value, part=False)
    for key in ("oneOf", "anyOf", "allOf"):
        for value in schema.get(key, []):
            close(value, part=part or key == "allOf")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            close(schema[key], part=False)


@schemathesis.check
def valid_requests_are_accepted(ctx: CheckContext, response, case):
    """The built-in check, but for the excuses."""
    if response.status_code in (400, 422):
        problem = response.json()
        # Of several mistakes the details stand in `errors`.
        details = [error["detail"] for error in problem.get("errors", [])] or [problem.get("detail", "")]
        if all(any(problem.get("code") == code and part in detail for code, part, _ in EXCUSES) for detail in details):
            return None
    return positive_data_acceptance(ctx, response, case)


@schemathesis.check
def invalid_requests_are_refused(ctx: CheckContext, response, case):
    """The built-in check; but in a list a row is refused by itself, and the others are judged all the same: then there must be refusals."""
    if response.status_code == 200 and isinstance(case.body, list):
        answers = json.loads(response.content)
        if len(answers) == len(case.body) and any("error" in answer for answer in answers):
            return None
    return negative_data_rejection(ctx, response, case)
