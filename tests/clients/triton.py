"""Calls a running gateway with Triton's own client, by HTTP and by gRPC, in every way in which that client sends and asks for tensors.

usage: triton.py encrypted|score|matrix|mistakes|refused|withheld < WHAT, where WHAT is JSON: {"address": ..., "columns": {name: {"datatype", "values"}}, ...}

Ends with 1 and says what differs at the first thing that is not as it should be. `score` and `matrix` print what the policy said.
"""

import json
import math
import sys

import gevent.ssl
import grpc
import numpy as np
import tritonclient.grpc as by_grpc
import tritonclient.http as by_http
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

TYPES = {"FP64": np.float64, "FP32": np.float32, "INT64": np.int64, "INT32": np.int32, "BOOL": np.bool_, "BYTES": np.object_}
TYPED = {"FP64": "fp64_contents", "INT64": "int64_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents"}
# As many as `every_way` has.
WAYS = 13
SERVICE = "/inference.GRPCInferenceService/"


def tensor(column):
    """A column as numpy has it. None is NaN among numbers and nothing among texts."""
    datatype, values = column["datatype"], column["values"]
    nothing = {"FP64": math.nan, "FP32": math.nan, "BYTES": b""}
    values = [nothing[datatype] if value is None else value for value in values]
    if datatype == "BYTES":
        values = [value.encode() if isinstance(value, str) else value for value in values]
    return np.array(values, dtype=TYPES[datatype])


def inputs(module, columns, shape=lambda rows: [rows], **how):
    made = []
    for name, column in columns.items():
        values = tensor(column)
        values = values.reshape(column.get("shape") or shape(len(values)))
        made.append(module.InferInput(name, list(values.shape), column["datatype"]))
        made[-1].set_data_from_numpy(values, **how)
    return made


def texts(values):
    return [value.decode() if isinstance(value, bytes) else value for value in values.tolist()]


def told(result, names):
    """The outputs as plain lists."""
    outputs = {}
    for name in names:
        values = result.as_numpy(name)
        assert values is not None, f"no output {name}"
        outputs[name] = texts(values) if values.dtype == np.object_ else values.tolist()
    return outputs


def bits(value):
    """Such that equal means equal to the last bit; a missing number is None, as in JSON."""
    if isinstance(value, float):
        return None if math.isnan(value) else value.hex()
    return value


def same(what, got, expected):
    got, expected = ({name: [bits(value) for value in values] for name, values in side.items()} for side in (got, expected))
    assert got == expected, f"{what}: {got}\nexpected {expected}"


def every_way(http, grpc_client, address, model, columns, names):
    """What a model says, in every way to ask."""
    plain = inputs(by_http, columns)
    yield "http, binary", told(http.infer(model, plain), names)
    yield "http, columns of one", told(http.infer(model, inputs(by_http, columns, lambda rows: [rows, 1])), names)
    for algorithm in ("gzip", "deflate"):
        how = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
        yield f"http, {algorithm}", told(http.infer(model, plain, **how), names)
    outputs = [by_http.InferRequestedOutput(name, binary_data=False) for name in names]
    yield "http, JSON", told(http.infer(model, inputs(by_http, columns, binary_data=False), outputs=outputs), names)
    outputs = [by_http.InferRequestedOutput(name, binary_data=place % 2 == 0) for place, name in enumerate(names)]
    yield "http, some outputs binary", told(http.infer(model, plain, outputs=outputs, request_id="r-7"), names)
    yield "http, asynchronous", told(http.async_infer(model, plain).get_result(), names)
    plain = inputs(by_grpc, columns)
    yield "grpc, raw", told(grpc_client.infer(model, plain), names)
    for algorithm in ("gzip", "deflate"):
        yield f"grpc, {algorithm}", told(grpc_client.infer(model, plain, compression_algorithm=algorithm), names)
    outputs = [by_grpc.InferRequestedOutput(name) for name in names]
    yield "grpc, outputs named", told(grpc_client.infer(model, plain, outputs=outputs, request_id="r-8"), names)
    yield "grpc, typed", typed(address, model, columns, names)
    yield "grpc, raw beside empty contents", as_mlserver(address, model, plain, names)


def typed(address, model, columns, names):
    """By the contents of tensors instead of raw bytes, as other clients do."""
    request = service_pb2.ModelInferRequest(model_name=model)
    for name, column in columns.items():
        values = tensor(column)
        entry = request.inputs.add(name=name, datatype=column["datatype"], shape=[len(values), 1])
        getattr(entry.contents, TYPED[column["datatype"]]).extend(values.tolist())
    with grpc.insecure_channel(address) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert not answer.raw_output_contents, "typed contents are answered by typed contents"
    outputs = {output.name: list(getattr(output.contents, TYPED[output.datatype])) for output in answer.outputs}
    return {name: [value.decode() if isinstance(value, bytes) else value for value in outputs[name]] for name in names}


def as_mlserver(address, model, plain, names):
    """MLServer's client sends a message of no contents beside raw ones, and says that the rows are a data frame."""
    request = service_pb2.ModelInferRequest(model_name=model)
    request.parameters["content_type"].string_param = "pd"
    for entry in plain:
        request.inputs.append(entry._get_tensor())
        request.inputs[-1].contents.SetInParent()
        request.raw_input_contents.append(entry._get_content())
    with grpc.insecure_channel(address) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert answer.parameters["content_type"].string_param == "pd", answer
    kinds = [output.parameters["content_type"].string_param for output in answer.outputs]
    assert set(kinds) == {"np", "str"}, kinds
    return told(by_grpc.InferResult(answer), names)


def clients(what):
    return by_http.InferenceServerClient(what["address"]), by_grpc.InferenceServerClient(what["address"])


def score(what):
    http, grpc_client = clients(what)
    for client in (http, grpc_client):
        assert client.is_server_live() and client.is_server_ready()
        for model in [*what["votes"], "policy"]:
            assert client.is_model_ready(model) and client.is_model_ready(model, "1"), model
    describes(http, grpc_client, what)
    for model, expected in what["votes"].items():
        for way, got in every_way(http, grpc_client, what["address"], model, what["columns"], list(expected)):
            same(f"{model}: {way}", got, expected)
    names = ["outcome", "anomalous", "score", "decision", "too_few_votes"]
    said = None
    for way, got in every_way(http, grpc_client, what["address"], "policy", what["columns"], names):
        # The rows have ids: asked again, the same decisions are told.
        said = said or got
        same(f"policy: {way}", got, said)
    counts(http, grpc_client, what)
    print(json.dumps(said))


def describes(http, grpc_client, what):
    """Both protocols describe the same models."""
    server = http.get_server_metadata()
    assert server["name"] == "synod" and "binary_tensor_data" in server["extensions"], server
    assert grpc_client.get_server_metadata(as_json=True)["extensions"] == server["extensions"]
    index = http.get_model_repository_index()
    assert {entry["name"] for entry in index} == {"policy", *what["votes"]}, index
    assert grpc_client.get_model_repository_index(as_json=True)["models"][0]["name"] == index[0]["name"]
    for model in [*what["votes"], "policy"]:
        metadata = http.get_model_metadata(model)
        other = grpc_client.get_model_metadata(model)
        for side in ("inputs", "outputs"):
            plain = [(entry["name"], entry["datatype"], entry["shape"]) for entry in metadata[side]]
            assert plain == [(entry.name, entry.datatype, list(entry.shape)) for entry in getattr(other, side)], metadata
        assert [entry["name"] for entry in metadata["inputs"]] == what["fields"], metadata
        assert (metadata["name"], metadata["versions"]) == (other.name, list(other.versions)) == (model, ["1"])
        configuration = http.get_model_config(model)
        other = grpc_client.get_model_config(model, as_json=True)["config"]
        kinds = lambda entries: [(entry["name"], entry["data_type"]) for entry in entries]
        for side in ("input", "output"):
            assert kinds(configuration[side]) == kinds(other[side]), (configuration, other)
        assert configuration["max_batch_size"] == 0


def counts(http, grpc_client, what):
    rows = len(next(iter(what["columns"].values()))["values"])
    for model in [*what["votes"], "policy"]:
        (statistics,) = http.get_inference_statistics(model)["model_stats"]
        success = statistics["inference_stats"]["success"]
        assert statistics["execution_count"] == success["count"] == WAYS and success["ns"] > 0, statistics
        assert statistics["inference_count"] == WAYS * rows and statistics["last_inference"] > 1.7e12, statistics
        (other,) = grpc_client.get_inference_statistics(model).model_stats
        assert other.inference_stats.success.ns == success["ns"] and other.execution_count == WAYS, other
    assert len(http.get_inference_statistics()["model_stats"]) == len(what["votes"]) + 1


def matrix(what):
    """All fields in one tensor."""
    http, grpc_client = clients(what)
    names = ["outcome", "anomalous", "score", "too_few_votes"]
    said = [told(client.infer("policy", inputs(module, what["columns"])), names) for module, client in ((by_http, http), (by_grpc, grpc_client))]
    same("matrix", said[1], said[0])
    print(json.dumps(said[0]))


def fails(status, text, call):
    try:
        call()
    except InferenceServerException as error:
        assert error.status() == status and text in error.message(), f"{error.status()}: {error.message()}\nexpected {status}: {text}"
        return
    raise AssertionError(f"no error; expected {status}: {text}")


def mistakes(what):
    http, grpc_client = clients(what)
    columns = what["columns"]
    model = what["model"]
    for module, client, bad, unknown in (
        (by_http, http, "400", "404"),
        (by_grpc, grpc_client, "StatusCode.INVALID_ARGUMENT", "StatusCode.NOT_FOUND"),
    ):
        good = inputs(module, columns)
        for case in what["mistakes"]:
            changed = {name: column for name, column in {**columns, **case["columns"]}.items() if column}
            fails(bad, case["text"], lambda: client.infer(model, inputs(module, changed)))
        fails(unknown, "there is no model `none`; there are policy", lambda: client.infer("none", good))
        fails(unknown, "has no version `9` that is served; version `1` is", lambda: client.infer(model, good, "9"))
        fails(unknown, "there is no model `none`", lambda: client.get_model_metadata("none"))
        fails(unknown, "there is no model `none`", lambda: client.get_model_config("none"))
        fails(unknown, "there is no model `none`", lambda: client.get_inference_statistics("none"))
        outputs = [module.InferRequestedOutput("predict")]
        fails(bad, "output `predict` is none of this model, which gives score, ", lambda: client.infer(model, good, outputs=outputs))
        fails(bad, "models are not loaded or unloaded by clients", lambda: client.load_model(model))
        fails(bad, "models are not loaded or unloaded by clients", lambda: client.unload_model(model))
        shared = module.InferInput(next(iter(columns)), [1], "FP64")
        shared.set_shared_memory("region", 8)
        fails(bad, "is in shared memory, which is not served", lambda: client.infer(model, [shared]))
        outputs = [module.InferRequestedOutput("score")]
        outputs[0].set_shared_memory("region", 8)
        fails(bad, "shared memory is not served", lambda: client.infer(model, good, outputs=outputs))
    fails("400", "shared memory is not served", lambda: http.register_system_shared_memory("region", "/key", 8))
    fails("400", "shared memory is not served", lambda: http.get_cuda_shared_memory_status())
    fails("StatusCode.UNIMPLEMENTED", "", lambda: grpc_client.get_system_shared_memory_status())
    shapes(what)
    frames(what)


def shapes(what):
    """Shapes that the client does not check by itself."""
    name = next(iter(what["columns"]))
    with grpc.insecure_channel(what["address"]) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        for shape, text in (([], "has no dimensions"), ([0], "has no values"), ([-1], "has a dimension of -1"), ([2**63 - 1, 2**62], "the most")):
            request = service_pb2.ModelInferRequest(model_name=what["model"], raw_input_contents=[b"\0" * 8])
            request.inputs.add(name=name, datatype="FP64", shape=shape)
            refused(lambda: stub.ModelInfer(request), grpc.StatusCode.INVALID_ARGUMENT, f"input `{name}` {text}" if text != "the most" else text)


def refused(call, code, text):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code and text in error.details(), f"{error.code()}: {error.details()}\nexpected {code}: {text}"
        return
    raise AssertionError(f"no error; expected {code}: {text}")


def frames(what):
    """Messages that are none, sent as they are."""
    code = grpc.StatusCode
    with grpc.insecure_channel(what["address"], options=[("grpc.max_send_message_length", -1)]) as channel:
        send = lambda method: channel.unary_unary(SERVICE + method, request_serializer=None, response_deserializer=None)
        refused(lambda: send("ModelInfer")(b"\xff" * 40), code.INVALID_ARGUMENT, "the message cannot be read")
        refused(lambda: send("ModelInfer")(b""), code.NOT_FOUND, "there is no model ``")
        refused(lambda: send("ModelInfer")(b"\x2a\x00" * 100_000), code.INVALID_ARGUMENT, "more than 4096 inputs")
        refused(lambda: send("ModelInfer")(b"\0" * (5 << 20)), code.RESOURCE_EXHAUSTED, "more than 4194304 bytes")
        bomb = {"compression": grpc.Compression.Gzip}
        refused(lambda: send("ModelInfer")(b"\0" * (64 << 20), **bomb), code.RESOURCE_EXHAUSTED, "more than 4194304 bytes")
        refused(lambda: send("ModelStreamInfer")(b""), code.UNIMPLEMENTED, "there is nothing at this path")
        refused(lambda: channel.unary_unary("/other.Service/Do")(b""), code.UNIMPLEMENTED, "there is nothing at this path")


def refusals(what):
    """Without a credential: both protocols say so, and answer who asks for health."""
    http, grpc_client = clients(what)
    for module, client, status in ((by_http, http, "401"), (by_grpc, grpc_client, "StatusCode.UNAUTHENTICATED")):
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("policy")
        good = inputs(module, what["columns"])
        for model in ("policy", what["model"], "none"):
            fails(status, "send a credential", lambda: client.infer(model, good))
        fails(status, "send a credential", lambda: client.get_model_metadata("policy"))
        fails(status, "send a credential", lambda: client.get_model_repository_index())
        fails(status, "send a credential", lambda: client.unload_model("policy"))
        bearer = {"authorization": "Bearer nonsense"}
        fails(status, "the credential is not valid", lambda: client.infer("policy", good, headers=bearer))
        fails(status, "the credential is not valid", lambda: client.get_model_metadata("policy", headers=bearer))


def withheld(what):
    """Scores are for those who may see them."""
    http, grpc_client = clients(what)
    for module, client, status in ((by_http, http, "401"), (by_grpc, grpc_client, "StatusCode.UNAUTHENTICATED")):
        good = inputs(module, what["columns"])
        for model, names in ((what["model"], ["anomalous", "abstention"]), ("policy", ["outcome", "anomalous", "decision", "too_few_votes"])):
            result = client.infer(model, good)
            told(result, names)
            assert result.as_numpy("score") is None and result.as_numpy("raw_score") is None
            fails(status, "", lambda: client.infer(model, good, outputs=[module.InferRequestedOutput("score")]))


def encrypted(what):
    """Both protocols on one encrypted port."""
    trusted = lambda: gevent.ssl.create_default_context(cafile=what["authority"])
    http = by_http.InferenceServerClient(what["address"], ssl=True, ssl_context_factory=trusted)
    grpc_client = by_grpc.InferenceServerClient(what["address"], ssl=True, root_certificates=what["authority"])
    names = ["score", "anomalous", "raw_score", "abstention"]
    said = [told(client.infer(what["model"], inputs(module, what["columns"])), names) for module, client in ((by_http, http), (by_grpc, grpc_client))]
    same("encrypted", said[1], said[0])


MODES = {"encrypted": encrypted, "score": score, "matrix": matrix, "mistakes": mistakes, "refused": refusals, "withheld": withheld}

if __name__ == "__main__":
    MODES[sys.argv[1]](json.load(sys.stdin))
