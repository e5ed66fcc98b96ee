"""Small exports to serve, and a stand-in that serves them."""

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.local_server import LocalServer, Settings
from serving.versions import Pace
from tests.components.conftest import (  # noqa: F401 (fixtures)
    binary,
    characters,
    multiclass,
    numbers,
    series,
    spoken,
    transformed,
    worded,
)
from tests.serving import small_servers

KINDS = {
    "float": tf.float32, "double": tf.float64, "int32": tf.int32, "int64": tf.int64, "int16": tf.int16,
    "int8": tf.int8, "uint8": tf.uint8, "uint32": tf.uint32, "uint64": tf.uint64, "bool": tf.bool,
    "text": tf.string,
}  # fmt: skip
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
X = np.ones((1, 1), np.float32)  # what the default signature takes, and the same as JSON
ONE = {"instances": [[1.0]]}
QUICK = Pace(poll_s=0.05, retries=1, retry_s=0.05)


def save_model(folder: Path, factor: float = 2.0) -> Path:
    """An export whose default signature multiplies, with one signature more for each kind of tensor."""
    module = tf.Module()
    module.factor = tf.Variable(factor)

    def typed(kind: tf.DType, shape: list[int | None] | None) -> Any:
        @tf.function(input_signature=[tf.TensorSpec(shape, kind, name="x")])
        def same(x: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"y": tf.identity(x)}

        return same

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float32, name="x")])
    def times(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * module.factor}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="number"),
            tf.TensorSpec([None], tf.string, name="text"),
        ]
    )
    def several(number: tf.Tensor, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"sum": tf.reduce_sum(number, axis=1), "text": text, "raw_bytes": text, "pair": number}

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="steps")])
    def slow(steps: tf.Tensor) -> dict[str, tf.Tensor]:
        value = tf.while_loop(
            lambda i, _: i < steps, lambda i, m: (i + 1, tf.linalg.matmul(m, m) * 0.01),
            (0, tf.eye(64)),
        )[1]  # fmt: skip
        return {"y": value[0]}

    signatures = {f"same_{name}": typed(kind, None) for name, kind in KINDS.items()}
    signatures |= {"serving_default": times, "several": several, "slow": slow}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export that multiplies by two."""
    return save_model(tmp_path_factory.mktemp("model") / "2")


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an export that multiplies by three."""
    return save_model(tmp_path_factory.mktemp("model") / "3", factor=3.0)


def put(model: Path, base: Path, version: int) -> Path:
    """Pushes a copy of an export as a version: it appears as a whole."""
    base.mkdir(parents=True, exist_ok=True)
    hidden = base / f".{version}"
    shutil.copytree(model, hidden)
    return hidden.rename(base / str(version))


def wait_for(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Waits until it is true, and gives what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
    return found


class Served:
    """A stand-in, and how to ask it by REST."""

    def __init__(self, base: Path, **changes: Any) -> None:
        self.base = base
        self.seen: list[tuple[int, str]] = []
        settings = {"port": 0, "rest_port": 0, "pace": QUICK, "most_bytes": 16 * 2**20}
        own = {key: changes.pop(key) for key in list(changes) if key in Settings.__dataclass_fields__}
        self.server = LocalServer(
            "m", base, Settings(**{**settings, **own}),
            on_state=lambda version, state: self.seen.append((version, state.name)), **changes,
        )  # fmt: skip
        self.server.start()

    def wait(self, version: int, state: str = "AVAILABLE") -> None:
        wait_for(lambda: version in self.states() and self.states()[version].name == state)

    def states(self) -> dict[int, Any]:
        return self.server.states()

    def http(self, path: str, body: Any = None, method: str | None = None) -> tuple[int, Any]:
        """Status and body, read as JSON where it is."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.server.rest_port}{path}"
        try:
            with DIRECT.open(urllib.request.Request(url, data, method=method), timeout=60) as got:
                status, text = got.status, got.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode()

    def ask(self, body: Any, chosen: str = "") -> tuple[int, Any]:
        return self.http(f"/v1/models/m{chosen}:predict", body)

    def answers(self) -> bool:
        """Whether it still does."""
        return self.ask({"instances": [[1.0]]})[0] == 200


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts stand-ins for the folder `m`, and stops them."""
    started: list[Served] = []

    def start(**changes: Any) -> Served:
        started.append(Served(tmp_path / "m", **changes))
        return started[-1]

    yield start
    for one in started:
        one.server.stop(2)


@pytest.fixture(scope="module")
def served(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A stand-in with version 1, which the tests of a module share and leave as it is."""
    base = tmp_path_factory.mktemp("shared") / "m"
    put(model, base, 1)
    one = Served(base)
    one.wait(1)
    yield one
    one.server.stop(2)


@pytest.fixture(params=["grpc", "rest"])
def small_server(request):
    """Serves a behaviour either way: a context that gives the address."""
    return {"grpc": small_servers.grpc_server, "rest": small_servers.rest_server}[request.param]


class Asked:
    """The stubs of a stand-in."""

    def __init__(self, served: Served) -> None:
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{served.server.port}",
            [("grpc.enable_http_proxy", 0)],
        )
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.status = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def predict(self, signature="", version=None, label=None, name="m", wanted=(), timeout=60, **inputs):
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = name, signature
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:
            request.model_spec.version_label = label
        request.output_filter.extend(wanted)
        for key, value in inputs.items():
            proto = value if isinstance(value, TensorProto) else tf.make_tensor_proto(value)
            request.inputs[key].CopyFrom(proto)
        return self.prediction.Predict(request, timeout=timeout)


@pytest.fixture(scope="module")
def asked(served):
    one = Asked(served)
    yield one
    one.channel.close()


def raised(call, *arguments, **named) -> tuple[grpc.StatusCode, str]:
    """Code and details of the error that a call ends in."""
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **named)
    return error.value.code(), error.value.details()
