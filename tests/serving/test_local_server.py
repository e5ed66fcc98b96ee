"""The stand-in as a whole: both interfaces agree, versions switch under load, and it ends cleanly."""

import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
)

from serving.local_server import LocalServer, PortTaken, Settings
from tests.serving.conftest import (
    KINDS,
    ONE,
    QUICK,
    Asked,
    Served,
    X,
    put,
    wait_for,
)

Code = grpc.StatusCode


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
