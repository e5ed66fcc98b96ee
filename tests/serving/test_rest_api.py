"""REST of the stand-in: the real server's codes and words, slow clients, and it goes on."""

import json
import socket
import time

import grpc
import pytest

from tests.serving.conftest import (
    ONE,
    put,
)

Code = grpc.StatusCode


REST_ERRORS = [
    ("/v1/models/other:predict", ONE, 404, "Servable not found for request: Latest(other)"),
    ("/v1/models/m/versions/7:predict", ONE, 404, "Servable not found for request: Specific(m, 7)"),
    (f"/v1/models/m/versions/{2**63}:predict", ONE, 400, "Failed to convert version"),
    ("/v1/models/m/labels/canary:predict", ONE, 400, "Unrecognized servable version label: canary"),
    ("/v1/models/m:predict", {**ONE, "signature_name": "none"}, 400, 'Serving signature name: "none" not'),
    ("/v1/models/m:predict", b"{", 400, "JSON Parse error"),
    ("/v1/models/m:predict", {"instances": [[None]]}, 400, "Type: Null is not of expected type: float"),
    ("/v1/models/m:predict", {"instances": [[1.0], [1.0, 2.0]]}, 400, "Expecting tensor size: 1 but got: 2"),
    ("/v1/models/m:predict", {"signature_name": "same_int64", "instances": [1.0]}, 400, "type: int64"),
    ("/v1/models/m:predict", {"signature_name": "slow", "instances": [1]}, 400, ""),
    ("/v1/models/m:classify", {}, 400, "Expected classification signature method_name to be"),
    ("/v1/models/m:regress", {}, 400, "Was: tensorflow/serving/predict"),
    ("/v1/models/m:other", ONE, 400, "Malformed request: POST /v1/models/m:other"),
    ("/v1/models/m/versions/x:predict", ONE, 400, "Malformed request"),
    ("/other", None, 404, "Not found"),
    ("/v1/models/other", None, 404, "Could not find any versions of model other"),
    ("/v1/models/m/versions/7", None, 404, "Could not find version 7 of model m"),
    ("/v1/models/other/metadata", None, 404, "Servable not found for request: Latest(other)"),
    ("/v1/models", None, 400, "Missing model name in request."),
    ("/v1/models/m:predict", None, 400, "Malformed request: GET /v1/models/m:predict"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "status", "said"), REST_ERRORS)
def test_rest_refuses_with_the_real_server_s_code_and_words(served, path, body, status, said):
    got, answer = served.http(path, body)
    assert got == status
    assert said in answer["error"]
    assert served.answers()


def test_a_body_of_ten_megabytes_is_answered(served):
    row = [0.123456] * 1000
    body = {"instances": [row] * 1000}
    assert len(json.dumps(body)) > 9e6
    status, answer = served.ask(body)
    assert status == 200
    assert len(answer["predictions"]) == 1000


def test_a_body_over_the_limit_is_refused_before_it_is_read_as_a_whole(served):
    with socket.create_connection(("127.0.0.1", served.server.rest_port), timeout=20) as line:
        line.sendall(b"POST /v1/models/m:predict HTTP/1.1\r\nHost: m\r\nContent-Length: 99999999999\r\n\r\n{")
        assert line.recv(100).startswith(b"HTTP/1.1 413")
    assert served.answers()


@pytest.mark.parametrize(
    "part", [b"POST /v1/mod", b"POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: 50\r\n\r\n{"]
)
def test_slow_and_half_requests_keep_nobody_waiting(served, part):
    lines = [socket.create_connection(("127.0.0.1", served.server.rest_port)) for _ in range(40)]
    for number, line in enumerate(lines):
        line.sendall(part)
        if number % 2:
            line.shutdown(socket.SHUT_WR)
    begin = time.monotonic()
    assert all(served.answers() for _ in range(10))
    assert time.monotonic() - begin < 30  # an idle connection is closed after 60
    for line in lines:
        line.close()
    assert served.answers()


def test_a_request_that_comes_a_byte_at_a_time_is_answered(served):
    body = json.dumps(ONE).encode()
    head = f"POST /v1/models/m:predict HTTP/1.1\r\nHost: m\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", served.server.rest_port), timeout=20) as line:
        for byte in head + body:
            line.sendall(bytes([byte]))
            time.sleep(0.002)
        answer = line.recv(1000)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Server: sluice-stand-in-for-tensorflow_model_server" in answer


def test_rest_gives_up_after_its_time(serve, model, tmp_path):
    put(model, tmp_path / "m", 1)
    one = serve(rest_timeout_s=2.0)
    one.wait(1)
    status, answer = one.ask({"signature_name": "slow", "inputs": 10**8})
    assert status == 504, answer
    assert one.answers()
