"""Small servers of one model, by gRPC and by REST, that fail where a test tells them to.

They share no code with the client: TensorFlow's own functions turn tensors into arrays.
"""

import base64
import json
import threading
import time
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.loader.errors import ServingError
from serving.loader.model import Model

NAME, VERSION = "small", 7
_HTTP = {"UNAVAILABLE": 503, "NOT_FOUND": 404, "INVALID_ARGUMENT": 400, "RESOURCE_EXHAUSTED": 429}


@dataclass
class Behaviour:
    """What a server does wrong, and what it was asked.

    Attributes:
      failing: codes that the next predictions fail with, one each.
      hang_s: pause before an answer.
      states: of the model, one for each question; the last one stays.
      batches: sequences of each prediction, as they came.
    """

    model: Model
    failing: list[str] = field(default_factory=list)
    hang_s: float = 0.0
    states: list[str] = field(default_factory=lambda: ["AVAILABLE"])
    batches: list[int] = field(default_factory=list)
    specs: list[tuple] = field(default_factory=list)
    headers: dict = field(default_factory=dict)

    def fails(self) -> str | None:
        time.sleep(self.hang_s)
        return self.failing.pop(0) if self.failing else None

    def state(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def run(self, signature: str, inputs: dict) -> dict:
        self.batches.append(max((len(one) for one in inputs.values() if one.ndim), default=0))
        return self.model.run(signature, inputs)


class _Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    def Predict(self, request, context):  # noqa: N802 (gRPC's name)
        spec = request.model_spec
        self.behaviour.headers.update(dict(context.invocation_metadata()))
        self.behaviour.specs.append((spec.version.value or None, spec.version_label or None))
        if spec.name != NAME:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})")
        if code := self.behaviour.fails():
            context.abort(grpc.StatusCode[code], "told to fail")
        inputs = {name: tf.make_ndarray(one) for name, one in request.inputs.items()}
        try:
            outputs = self.behaviour.run(spec.signature_name, inputs)
        except ServingError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        answer = predict_pb2.PredictResponse()
        for name, one in outputs.items():
            answer.outputs[name].CopyFrom(tf.make_tensor_proto(one))
        return answer

    def GetModelMetadata(self, request, context):  # noqa: N802
        if request.model_spec.name != NAME:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of {request.model_spec.name}"
            )
        found = get_model_metadata_pb2.SignatureDefMap()
        for name, one in self.behaviour.model.signatures.items():
            found.signature_def[name].method_name = one.method
            for side in ("inputs", "outputs"):
                for key, tensor in getattr(one, side).items():
                    info = getattr(found.signature_def[name], side)[key]
                    info.name, info.dtype = tensor.name, tensor.kind
                    info.tensor_shape.unknown_rank = tensor.shape is None
                    for size in tensor.shape or ():
                        info.tensor_shape.dim.add().size = -1 if size is None else size
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(found)
        return answer


class _Models(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour

    def GetModelStatus(self, request, context):  # noqa: N802
        if request.model_spec.name != NAME:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Could not find any versions of {request.model_spec.name}"
            )
        answer = get_model_status_pb2.GetModelStatusResponse()
        state = get_model_status_pb2.ModelVersionStatus.State.Value(self.behaviour.state())
        answer.model_version_status.add(version=VERSION, state=state)
        answer.model_version_status.add(version=VERSION - 1, state=50)  # END
        return answer


@contextmanager
def grpc_server(behaviour: Behaviour, port: int = 0):
    """Serves by gRPC; gives the address."""
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Predictions(behaviour), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Models(behaviour), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if not self._named():
            return
        if self.path.endswith("/metadata"):
            self._say(200, _metadata(self.server.behaviour.model))
            return
        states = [(VERSION, self.server.behaviour.state()), (VERSION - 1, "END")]
        self._say(200, {"model_version_status": [
            {"version": str(version), "state": state, "status": {"error_code": "OK", "error_message": ""}}
            for version, state in states
        ]})  # fmt: skip

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.behaviour.headers.update({name.lower(): one for name, one in self.headers.items()})
        parts = self.path.removesuffix(":predict").split("/")
        self.server.behaviour.specs.append(
            (int(parts[5]) if "versions" in parts else None, parts[5] if "labels" in parts else None)
        )
        if not self._named():
            return
        if code := self.server.behaviour.fails():
            self._say(_HTTP[code], {"error": "told to fail"})
            return
        signature = self.server.behaviour.model.signatures[body["signature_name"]]
        try:
            inputs = {name: _array(one, signature.inputs[name].kind) for name, one in body["inputs"].items()}
            outputs = self.server.behaviour.run(body["signature_name"], inputs)
        except (ServingError, KeyError) as error:
            self._say(400, {"error": str(error)})
            return
        shown = {name: _shown(one) for name, one in outputs.items()}
        self._say(200, {"outputs": shown if len(shown) > 1 else next(iter(shown.values()))})

    def _named(self) -> bool:
        if self.path.split("/")[3].removesuffix(":predict") == NAME:
            return True
        self._say(404, {"error": f"Could not find any versions of model {self.path}"})
        return False

    def _say(self, status, answer):
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _RestServer(ThreadingHTTPServer):
    daemon_threads = True
    behaviour: Behaviour

    def handle_error(self, *_):  # a client that went away before the answer
        pass


@contextmanager
def rest_server(behaviour: Behaviour, port: int = 0):
    """Serves by REST; gives the address."""
    server = _RestServer(("127.0.0.1", port), _Handler)
    server.behaviour = behaviour
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _metadata(model: Model) -> dict:
    def tensors(found) -> dict:
        return {
            name: {
                "dtype": types_pb2.DataType.Name(one.kind),
                "tensor_shape": {
                    "dim": [
                        {"size": str(-1 if size is None else size), "name": ""} for size in one.shape or ()
                    ],
                    "unknown_rank": one.shape is None,
                },
                "name": one.name,
            }
            for name, one in found.items()
        }

    signatures = {
        name: {"inputs": tensors(one.inputs), "outputs": tensors(one.outputs), "method_name": one.method}
        for name, one in model.signatures.items()
    }
    return {"metadata": {"signature_def": {"signature_def": signatures}}}


def _array(value, kind: int) -> np.ndarray:
    """As TensorFlow Serving reads a value: text is UTF-8 or {"b64": …}."""
    dtype = tf.dtypes.as_dtype(kind)
    if dtype != tf.string:
        return np.array(value, dtype.as_numpy_dtype)
    texts = np.array(value, object)
    flat = [base64.b64decode(one["b64"]) if isinstance(one, dict) else one.encode() for one in texts.ravel()]
    found = np.empty(texts.shape, object)
    found.ravel()[:] = flat
    return found


def _shown(array: np.ndarray):
    """As TensorFlow Serving writes a value: a float32 with at most nine digits."""
    if array.dtype == np.float32:
        digits = np.vectorize(lambda one: float(f"{one:.9g}"), otypes=[object])
        return digits(array).tolist() if array.size else array.tolist()
    if array.dtype == object:
        texts = np.empty(array.shape, object)
        texts.ravel()[:] = [one.decode() for one in array.ravel()]
        return texts.tolist()
    return array.tolist()
