"""gRPC and REST of the stand-in: the same answers, the documented errors, and it goes on."""

import json
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from serving.local_server import LocalServer, PortTaken, Settings
from tests.serving.conftest import KINDS, QUICK, Served, put, save_model, wait_for

Code = grpc.StatusCode


class Asked:
    """The stubs of a stand-in."""

    def __init__(self, served: Served) -> None:
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{served.server.port}",
            [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)],
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


def raised(call, *arguments, **named) -> tuple[Code, str]:
    with pytest.raises(grpc.RpcError) as error:
        call(*arguments, **named)
    return error.value.code(), error.value.details()


VALUES = {
    "float": [[0.1, -3.5e38 / 2], [1e-40, 16777215.0]], "double": [[0.1, 1 / 3], [1e300, -0.0]],
    "int32": [[-(2**31), 5]], "int64": [[2**63 - 1, -5]], "int16": [[-300, 300]], "int8": [[-128, 127]],
    "uint8": [[0, 255]], "uint32": [[2**32 - 1, 0]], "uint64": [[2**64 - 1, 0]], "bool": [[True, False]],
    "text": [["a", "Ünder"], ["", "x" * 30]],
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("form", ["matrix", "scalar", "empty"])
def test_grpc_and_rest_give_the_same_answers(served, asked, name, form):
    value = {"matrix": VALUES[name], "scalar": VALUES[name][0][0], "empty": []}[form]
    sent = tf.constant(value, KINDS[name])
    answer = tf.make_ndarray(asked.predict(f"same_{name}", x=tf.make_tensor_proto(sent)).outputs["y"])
    np.testing.assert_array_equal(answer, sent.numpy())
    status, body = served.ask({"signature_name": f"same_{name}", "inputs": value})
    assert status == 200, body
    decoded = np.char.decode(answer.astype(bytes), "utf-8") if name == "text" and answer.size else answer
    np.testing.assert_array_equal(np.array(body["outputs"], decoded.dtype), decoded)


def test_several_outputs_agree_and_can_be_chosen(served, asked):
    rows = [{"number": [1.5, 2.0], "text": "a"}, {"number": [0.1, 0.2], "text": "b"}]
    number, text = [row["number"] for row in rows], [row["text"] for row in rows]
    answer = asked.predict("several", number=np.array(number, np.float32), text=text)
    arrays = {name: tf.make_ndarray(one) for name, one in answer.outputs.items()}
    _, by_row = served.ask({"signature_name": "several", "instances": rows})
    _, by_column = served.ask({"signature_name": "several", "inputs": {"number": number, "text": text}})
    for place, row in enumerate(by_row["predictions"]):
        assert np.float32(row["sum"]) == arrays["sum"][place]
        assert row["text"] == text[place]
        assert row["raw_bytes"] == {"b64": {"a": "YQ==", "b": "Yg=="}[text[place]]}
        assert row["pair"] == number[place]
    assert by_column["outputs"]["sum"] == [row["sum"] for row in by_row["predictions"]]
    chosen = asked.predict("several", wanted=["sum"], number=np.ones((1, 2), np.float32), text=["a"])
    assert list(chosen.outputs) == ["sum"]
    assert (chosen.model_spec.name, chosen.model_spec.version.value) == ("m", 1)
    assert chosen.model_spec.signature_name == "several"


def test_a_tensor_may_be_sent_in_any_form(asked):
    def ask(**fields):
        proto = TensorProto(dtype=1, **fields)
        proto.tensor_shape.dim.add(size=2)
        proto.tensor_shape.dim.add(size=2)
        return tf.make_ndarray(asked.predict(x=proto).outputs["y"]).tolist()

    content = np.array([1, 2, 3, 4], np.float32).tobytes()
    assert ask(tensor_content=content) == [[2, 4], [6, 8]]
    assert ask(float_val=[1, 2, 3, 4]) == [[2, 4], [6, 8]]
    assert ask(float_val=[1, 2]) == [[2, 4], [4, 4]]  # the last one stands for the rest
    assert ask() == [[0, 0], [0, 0]]
    assert raised(ask, tensor_content=b"1234") == (Code.INVALID_ARGUMENT, "tensor parsing error: x")


def test_a_shape_that_no_memory_holds_is_refused(asked):
    proto = TensorProto(dtype=1)
    for size in (2**20, 2**20):
        proto.tensor_shape.dim.add(size=size)
    assert raised(asked.predict, x=proto) == (Code.INVALID_ARGUMENT, "tensor parsing error: x")


X = np.ones((1, 1), np.float32)
GRPC_ERRORS = [
    ({"name": "other", "x": X}, Code.NOT_FOUND, "Servable not found for request: Latest(other)"),
    ({"version": 7, "x": X}, Code.NOT_FOUND, "Servable not found for request: Specific(m, 7)"),
    ({"label": "canary", "x": X}, Code.INVALID_ARGUMENT, "Unrecognized servable version label: canary"),
    ({"signature": "none", "x": X}, Code.FAILED_PRECONDITION, 'Serving signature key "none" not found.'),
    ({}, Code.INVALID_ARGUMENT, "input size does not match signature: 0!=1"),
    ({"x": X, "z": X}, Code.INVALID_ARGUMENT, "Sent extra: {z}. Missing but required: {}."),
    ({"z": X}, Code.INVALID_ARGUMENT, "Signature input alias: x"),
    ({"x": ["text"]}, Code.INVALID_ARGUMENT, "to be float but string is provided"),
    ({"x": X, "wanted": ["z"]}, Code.INVALID_ARGUMENT, "output tensor alias not found in signature: z"),
    ({"x": X, "wanted": ["y", "y"]}, Code.INVALID_ARGUMENT, "duplicate output tensor alias: y"),
    ({"name": "", "x": X}, Code.INVALID_ARGUMENT, "Missing ModelSpec"),
]  # fmt: skip


@pytest.mark.parametrize(("request_of", "code", "said"), GRPC_ERRORS)
def test_grpc_refuses_with_the_real_server_s_code_and_words(served, asked, request_of, code, said):
    got, details = raised(asked.predict, **request_of)
    assert got == code
    assert said in details
    assert served.answers()


ONE = {"instances": [[1.0]]}
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


def test_a_message_over_the_limit_is_refused(served, asked):
    code, _ = raised(asked.predict, x=np.zeros((1, 5_000_000), np.float32))
    assert code == Code.RESOURCE_EXHAUSTED
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
    assert time.monotonic() - begin < 5
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


def test_a_client_that_goes_away_in_the_middle_disturbs_nobody(served, asked):
    call = asked.prediction.Predict.future(
        predict_pb2.PredictRequest(
            model_spec={"name": "m", "signature_name": "slow"},
            inputs={"steps": tf.make_tensor_proto(np.int32(20000))},
        )
    )
    call.cancel()
    assert served.answers()


def test_the_client_s_deadline_stops_the_graph(served, asked):
    begin = time.monotonic()
    code, _ = raised(asked.predict, "slow", timeout=0.5, steps=np.int32(10**8))
    assert code == Code.DEADLINE_EXCEEDED
    assert time.monotonic() - begin < 5
    assert served.answers()


def test_rest_gives_up_after_its_time(serve, model, tmp_path):
    put(model, tmp_path / "m", 1)
    one = serve(rest_timeout_s=0.3)
    one.wait(1)
    status, answer = one.ask({"signature_name": "slow", "inputs": 10**8})
    assert status == 504, answer
    assert one.answers()


def test_status_and_metadata_are_the_same_both_ways(served, asked):
    status, page = served.http("/v1/models/m")
    ok = {"error_code": "OK", "error_message": ""}
    assert (status, page) == (
        200,
        {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": ok}]},
    )
    request = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "m"})
    (one,) = asked.status.GetModelStatus(request).model_version_status
    assert (one.version, one.state, one.status.error_code) == (1, 30, 0)
    _, page = served.http("/v1/models/m/versions/1/metadata")
    assert page["model_spec"] == {"name": "m", "signature_name": "", "version": "1"}
    by_rest = page["metadata"]["signature_def"]["signature_def"]
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec={"name": "m"}, metadata_field=["signature_def"]
    )
    packed = asked.prediction.GetModelMetadata(metadata).metadata["signature_def"]
    found = get_model_metadata_pb2.SignatureDefMap()
    assert packed.Unpack(found)
    assert set(by_rest) == set(found.signature_def)
    x, info = by_rest["serving_default"]["inputs"]["x"], found.signature_def["serving_default"].inputs["x"]
    assert x["dtype"] == "DT_FLOAT"
    assert info.dtype == 1
    assert [dim["size"] for dim in x["tensor_shape"]["dim"]] == ["-1", "-1"]
    assert [dim.size for dim in info.tensor_shape.dim] == [-1, -1]
    assert by_rest["same_text"]["inputs"]["x"]["tensor_shape"]["unknown_rank"]


def test_what_the_stand_in_has_not_is_said(served, asked):
    spec = {"name": "m"}
    code, said = raised(asked.prediction.Classify, classification_pb2.ClassificationRequest(model_spec=spec))
    assert (code, "Was: tensorflow/serving/predict" in said) == (Code.INVALID_ARGUMENT, True)
    code, _ = raised(asked.prediction.Regress, regression_pb2.RegressionRequest(model_spec=spec))
    assert code == Code.INVALID_ARGUMENT
    code, _ = raised(asked.prediction.MultiInference, inference_pb2.MultiInferenceRequest())
    assert code == Code.UNIMPLEMENTED
    code, _ = raised(asked.status.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest())
    assert code == Code.UNIMPLEMENTED
    metadata = get_model_metadata_pb2.GetModelMetadataRequest
    code, said = raised(asked.prediction.GetModelMetadata, metadata(model_spec=spec))
    assert "at least one metadata_field" in said
    code, said = raised(
        asked.prediction.GetModelMetadata, metadata(model_spec=spec, metadata_field=["other"])
    )
    assert (code, said) == (Code.INVALID_ARGUMENT, "Metadata field other is not supported")


def test_requests_are_counted_under_the_real_server_s_names(serve, model, tmp_path):
    put(model, tmp_path / "m", 1)
    one = serve()
    one.wait(1)
    one.ask(ONE)
    one.ask({"instances": [[None]]})
    one.http("/v1/models/a-name-nobody-serves:predict", ONE)
    Asked(one).predict(x=X)
    status, page = one.http("/monitoring/prometheus/metrics")
    assert status == 200
    assert ':tensorflow:serving:request_count{model_name="m",status="OK"} 2' in page
    assert ':tensorflow:serving:request_count{model_name="m",status="INVALID_ARGUMENT"} 1' in page
    latency = ':tensorflow:serving:request_latency_count{model_name="m",API="Predict",entrypoint='
    assert f'{latency}"GRPC",status="OK"}} 1' in page
    assert 'status="success"} 1' in page
    assert "a-name-nobody-serves" not in page
    limits = [line for line in page.splitlines() if "runtime_latency_bucket" in line]
    assert len(limits) == 34
    assert limits[-1].endswith('le="+Inf"} 2')


def test_versions_switch_under_load_without_a_failed_request(serve, model, other_model, tmp_path):
    base = tmp_path / "m"
    put(model, base, 1)
    one = serve()
    one.wait(1)
    stop, answers, failures = threading.Event(), set(), []

    def ask(by_grpc: bool) -> None:
        stub = Asked(one)
        while not stop.is_set():
            try:
                if by_grpc:
                    answers.add(stub.predict(x=X).outputs["y"].float_val[0])
                else:
                    status, body = one.ask(ONE)
                    answers.add(body["predictions"][0][0] if status == 200 else f"{status} {body}")
            except Exception as error:  # noqa: BLE001 (any is one too many)
                failures.append(error)

    threads = [threading.Thread(target=ask, args=(by_grpc,)) for by_grpc in (True, True, False, False)]
    for thread in threads:
        thread.start()
    for version in range(2, 8):
        put([model, other_model][version % 2], base, version)
        one.wait(version)
        one.wait(version - 1, "END")
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert answers == {2.0, 3.0}


def test_a_broken_version_leaves_the_old_one_serving(serve, model, tmp_path):
    base = tmp_path / "m"
    put(model, base, 1)
    one = serve()
    one.wait(1)
    broken = base / ".broken"
    broken.mkdir()
    (broken / "saved_model.pb").write_bytes(b"not a model")
    broken.rename(base / "2")
    one.wait(2, "END")
    _, page = one.http("/v1/models/m")
    newest = page["model_version_status"][0]
    assert (newest["version"], newest["state"]) == ("2", "END")
    assert newest["status"]["error_code"] != "OK"
    assert newest["status"]["error_message"]
    assert one.ask(ONE)[1] == {"predictions": [[2.0]]}
    put(model, base, 3)
    one.wait(3)
    one.wait(1, "END")


def test_a_label_is_asked_by_its_name(serve, model, other_model, tmp_path):
    put(model, tmp_path / "m", 1)
    put(other_model, tmp_path / "m", 2)
    one = serve(labels={"stable": 1})
    one.wait(1)
    one.wait(2)
    assert one.ask(ONE, "/labels/stable")[1] == {"predictions": [[2.0]]}
    assert one.ask(ONE)[1] == {"predictions": [[3.0]]}
    assert Asked(one).predict(label="stable", x=X).model_spec.version.value == 1
    assert one.http("/v1/models/m/labels/stable")[1]["model_version_status"][0]["version"] == "1"


def warm(folder, records: list[bytes]) -> None:
    (folder / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for record in records:
            writer.write(record)


def log_of(**inputs) -> bytes:
    request = predict_pb2.PredictRequest(model_spec={"name": "m"})
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(predict_log={"request": request}).SerializeToString()


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([log_of(x=X)] * 3, ""),
        ([log_of(x=X), log_of(z=X)], "Signature input alias: x"),
        ([log_of(x=X)] * 1001, "Number of warmup records exceeds the maximum (1000)"),
        ([b"\xff\xff"], "Failed to parse warmup record"),
        ([prediction_log_pb2.PredictionLog(classify_log={}).SerializeToString()], "Unsupported log_type"),
    ],
)  # fmt: skip
def test_a_version_is_asked_its_warm_up_requests_first(serve, tmp_path, records, said):
    folder = save_model(tmp_path / "model")
    warm(folder, records)
    one = serve()
    put(folder, tmp_path / "m", 1)
    one.wait(1, "END" if said else "AVAILABLE")
    assert said in one.states()[1].message


def test_a_damaged_warm_up_file_fails_the_load(serve, tmp_path):
    folder = save_model(tmp_path / "model")
    warm(folder, [log_of(x=X)] * 2)
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    file.write_bytes(file.read_bytes()[:-3])
    one = serve()
    put(folder, tmp_path / "m", 1)
    one.wait(1, "END")
    assert "Please verify your warmup data is in TFRecord format." in one.states()[1].message


def test_requests_are_told_and_what_that_raises_fails_none(serve, model, tmp_path):
    put(model, tmp_path / "m", 1)
    told = []

    def on_request(signature, inputs) -> None:
        told.append((signature, inputs["x"].tolist()))
        raise RuntimeError("disk full")

    one = serve(on_request=on_request)
    one.wait(1)
    assert one.answers()
    Asked(one).predict(x=X)
    one.ask({"instances": [[None]]})
    assert told == [("serving_default", [[1.0]])] * 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])  # noqa: S104
def test_another_host_than_this_machine_is_refused(tmp_path, host):
    with pytest.raises(ValueError, match="loopback"):
        LocalServer("m", tmp_path, Settings(host=host, port=0, rest_port=0))


def test_a_taken_port_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=str(port)):
            LocalServer("m", tmp_path, Settings(port=0, rest_port=port))
        with pytest.raises(PortTaken, match=str(port)):
            LocalServer("m", tmp_path, Settings(port=port, rest_port=0))


def test_stopping_answers_what_has_come(model, tmp_path):
    put(model, tmp_path / "m", 1)
    one = Served(tmp_path / "m")
    one.wait(1)
    found = []
    slow = {"signature_name": "slow", "inputs": 3000}
    threads = [threading.Thread(target=lambda: found.append(one.ask(slow)[0])) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: one.server._http._busy())
    time.sleep(0.2)
    one.server.stop(20)
    for thread in threads:
        thread.join()
    assert found == [200] * 4
    with pytest.raises(OSError, match="refused"):
        one.http("/v1/models/m")


def test_the_model_may_come_later_and_go_again(serve, model, tmp_path):
    one = serve(pace=QUICK)
    assert one.http("/v1/models/m")[0] == 404
    folder = put(model, tmp_path / "m", 1)
    one.wait(1)
    assert one.answers()
    folder.rename(tmp_path / "gone")
    one.wait(1, "END")
    assert one.ask(ONE)[0] == 404
