"""Exports of the trainer, asked through the stand-in: gRPC, REST and the loader agree."""

import json
import shlex
import shutil
import time
import urllib.request
from typing import NamedTuple

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from components.trainer.beside import FOLDER, REQUESTS
from serving.local_server import LocalServer, Settings
from serving.trial import curl_line
from tests.components.trainer.test_export import decoded


class Address(NamedTuple):
    """Of a served model."""

    name: str
    grpc: str
    rest: str


@pytest.fixture(scope="module", params=["binary", "regression"])
def served(request, tmp_path_factory):
    """An export under the version 12, and the server that has it."""
    one = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("served") / request.param / "12"
    shutil.copytree(one.folder, folder)
    with LocalServer(request.param, folder.parent, Settings(port=0, rest_port=0)) as server:
        end = time.monotonic() + 30
        while server.states().get(12) is None or server.states()[12].name != "AVAILABLE":
            assert time.monotonic() < end
            time.sleep(0.02)
        yield one, url(server, request.param)


def url(server: LocalServer, name: str) -> Address:
    return Address(name, f"127.0.0.1:{server.port}", f"http://127.0.0.1:{server.rest_port}/v1/models/{name}")


def post(address: str, body: str) -> dict:
    with urllib.request.urlopen(address, body.encode(), timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def test_the_requests_beside_the_model_get_the_loader_s_answers_both_ways(served):
    one, address = served
    channel = grpc.insecure_channel(address.grpc)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    for body in json.loads((one.folder / FOLDER / REQUESTS).read_text()):
        signature = body["signature_name"]
        expected = one.call(signature, **{name: decoded(value) for name, value in body["inputs"].items()})
        by_rest = post(f"{address.rest}:predict", json.dumps(body))["outputs"]
        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = address.name, signature
        for name, value in body["inputs"].items():
            kind = one.served.signatures[signature].inputs[name].kind
            request.inputs[name].CopyFrom(tf.make_tensor_proto(decoded(value), kind))
        by_grpc = stub.Predict(request, timeout=60).outputs
        by_rest = by_rest if isinstance(by_rest, dict) else {next(iter(expected)): by_rest}
        assert set(by_grpc) == set(by_rest) == set(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(tf.make_ndarray(by_grpc[name]), array)
            texts = np.vectorize(bytes.decode)(array) if array.dtype == object else array
            np.testing.assert_array_equal(np.array(by_rest[name], texts.dtype), texts)
    channel.close()


def test_the_line_to_try_it_is_answered(served):
    one, address = served
    curl, flag, body, asked = shlex.split(curl_line(one.folder, address.rest))
    assert (curl, flag) == ("curl", "-d")
    assert len(body) < 1000
    assert post(asked, body)["outputs"]


def test_without_example_requests_the_line_asks_for_what_there_is(tmp_path):
    assert curl_line(tmp_path, "http://127.0.0.1:1/v1/models/m").endswith("/v1/models/m/metadata")
