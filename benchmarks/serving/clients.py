"""Clients that cost next to nothing: what they send is ready, and what comes back is not read."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.serving.served import NAME, Server, inputs_of

SIGNATURE = "sequences"
_PREDICT = "/tensorflow.serving.PredictionService/Predict"
DEADLINE_S = 30

Ask = Callable[[], bytes]


def by_grpc(server: Server, model: Path, batch: int) -> Ask:
    """Asks on a channel of its own; what comes back is the message."""
    import grpc

    body = _message(model, batch)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options)
    call = channel.unary_unary(_PREDICT)
    return lambda: bytes(call(body, timeout=DEADLINE_S))


def by_rest(server: Server, model: Path, batch: int) -> Ask:
    """Asks on a connection of its own; what comes back is the body.

    Raises:
      RuntimeError: the answer is an error.
    """
    body = json.dumps({"signature_name": SIGNATURE, "inputs": inputs_of(model, batch)})
    line = http.client.HTTPConnection("127.0.0.1", server.rest_port, timeout=DEADLINE_S)

    def ask() -> bytes:
        line.request("POST", f"/v1/models/{NAME}:predict", body)
        answer = line.getresponse()
        content = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{answer.status} {content[:200]!r}")
        return content

    return ask


def by_loader(model: Path, batch: int) -> Ask:
    """Asks the C++ loader in this process."""
    loaded, arrays = loaded_model(model), _arrays(model, batch)

    def ask() -> bytes:
        loaded.run(SIGNATURE, arrays)
        return b""

    return ask


_LOADED: dict[Path, Any] = {}


def loaded_model(folder: Path) -> Any:
    """The model, loaded once."""
    from serving.loader.model import Model

    if folder not in _LOADED:
        _LOADED[folder] = Model(folder)
    return _LOADED[folder]


def _arrays(model: Path, batch: int) -> dict[str, Any]:
    import numpy as np

    from serving.loader.tensors import numpy_kind

    wanted = loaded_model(model).signatures[SIGNATURE].inputs
    return {
        name: np.array(rows, numpy_kind(wanted[name].kind)) for name, rows in inputs_of(model, batch).items()
    }


def _message(model: Path, batch: int) -> bytes:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = NAME, SIGNATURE
    for name, array in _arrays(model, batch).items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return bytes(request.SerializeToString())


def ask_for(seconds: float, asks: list[Ask]) -> tuple[list[float], float]:
    """Lets each client ask again and again, each in a thread.

    Returns:
      The seconds of each request, and those of all together.
    """
    taken: list[list[float]] = [[] for _ in asks]
    end = time.perf_counter() + seconds

    def go(ask: Ask, mine: list[float]) -> None:
        while (begin := time.perf_counter()) < end:
            ask()
            mine.append(time.perf_counter() - begin)

    threads = [threading.Thread(target=go, args=pair) for pair in zip(asks, taken, strict=True)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [one for mine in taken for one in mine], time.perf_counter() - begin
