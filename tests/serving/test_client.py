"""The client against small servers: the answers are the model's own, failures have their class."""

import contextlib
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from serving.call_errors import BadRequest, DeadlineExceeded, NotFound, TooMuch, Unavailable
from serving.client import Client
from serving.request_log import RequestLog
from tests.components.conftest import ODD, WHOLE, raw_example
from tests.serving.small_servers import NAME, VERSION, Behaviour, grpc_server, rest_server

NAN = float("nan")
ROWS = [
    {"a": [50.1, NAN, 12.0], WHOLE: [2**40 + 1, 2**40 + 2, 3], ODD: [0.1, 0.1, 0.1]},
    {"a": [1e-7], WHOLE: [-5], ODD: [0.1]},
    {"a": [3.4e38, -1.0, 77.7, 0.0], WHOLE: [2**53 + 1, 1, 2, 2**62 + 1], ODD: [float("inf"), 0.1, 0.1, 0.1]},
]


def asked_directly(export, rows=ROWS):
    """The loader's answer to each row alone."""
    parts = []
    for row in rows:
        inputs = {
            "lengths": np.array([len(row["a"])]),
            "a": np.array([row["a"]], np.float32),
            WHOLE: np.array([row[WHOLE]], np.int64),
            "f_2nd___C_": np.array([row[ODD]], np.float32),
        }
        parts.append(export.served.run("sequences", inputs))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def arrays(rows=ROWS):
    return {
        name: [np.array(row[name], np.int64 if name == WHOLE else np.float32) for row in rows]
        for name in rows[0]
    }


def long_table(rows=ROWS):
    lengths = [len(row["a"]) for row in rows]
    columns = {name: [value for row in rows for value in row[name]] for name in rows[0]}
    ids = [f"s{at}" for at, length in enumerate(lengths) for _ in range(length)]
    return pd.DataFrame({"sequence_id": ids, **columns})


@pytest.fixture
def served(small_server, multiclass):
    behaviour = Behaviour(multiclass.served)
    with small_server(behaviour) as address, Client(address, NAME) as client:
        yield client, behaviour


def same(answers, expected):
    np.testing.assert_allclose(answers.probabilities, expected["probabilities"], rtol=0, atol=1e-6)
    assert answers.label.tolist() == [one.decode() for one in expected["label"]]
    assert answers.classes == ("2", "10", "z")
    np.testing.assert_array_equal(answers.by_class()["z"], answers.probabilities[:, 2])
    np.testing.assert_array_equal(answers.score, answers.probabilities.max(axis=1))


def test_arrays_of_unequal_lengths_get_the_models_own_answers(served, multiclass):
    client, _ = served
    same(client.predict(arrays()), asked_directly(multiclass))


def test_tables_of_either_form_get_the_same_answers_and_keep_their_ids(served, multiclass):
    client, _ = served
    lists = pa.table({"sequence_id": ["s0", "s1", "s2"], **{n: [row[n] for row in ROWS] for n in ROWS[0]}})
    mixed = long_table().iloc[[7, 0, 1, 3, 2, 4, 5, 6]].assign(at=[3, 0, 1, 0, 2, 0, 1, 2])
    for table, ids, time_column in (
        (long_table(), ["s0", "s1", "s2"], None),
        (lists, ["s0", "s1", "s2"], None),
        (mixed, ["s2", "s0", "s1"], "at"),
    ):
        found = client.predict(table, time=time_column)
        assert found.ids.tolist() == ids
        same(found, asked_directly(multiclass, [ROWS[int(name[1])] for name in ids]))
    assert client.predict(lists).table().column_names == [
        "sequence_id", "label", "score", "probability[2]", "probability[10]", "probability[z]",
    ]  # fmt: skip


def test_padded_arrays_are_read_up_to_their_lengths(served, multiclass):
    client, _ = served
    padded = {
        name: np.array([list(row[name]) + [9] * (4 - len(row[name])) for row in ROWS]) for name in ROWS[0]
    }
    padded[WHOLE] = padded[WHOLE].astype(np.int64)
    same(client.predict(padded, lengths=[3, 1, 4]), asked_directly(multiclass))


def test_examples_get_the_same_answers(served, multiclass):
    client, _ = served
    same(client.predict_examples([raw_example(row) for row in ROWS]), asked_directly(multiclass))


def test_both_ways_give_the_same_floats_to_the_bit(multiclass):
    behaviour = Behaviour(multiclass.served)
    with (
        grpc_server(behaviour) as one,
        rest_server(behaviour) as other,
        Client(one, NAME) as first,
        Client(other, NAME) as second,
    ):
        found, again = first.predict(arrays()), second.predict(arrays())
        assert first.metadata() == second.metadata()
        assert first.versions() == second.versions()
    for name in found.outputs:
        assert found.outputs[name].dtype == again.outputs[name].dtype
        np.testing.assert_array_equal(found.outputs[name], again.outputs[name])


def test_large_inputs_go_in_batches_and_keep_their_order(small_server, multiclass):
    behaviour = Behaviour(multiclass.served)
    rows = [ROWS[at % 3] for at in range(25)]
    with small_server(behaviour) as address, Client(address, NAME, max_batch=10) as client:
        found = client.predict(arrays(rows))
    assert behaviour.batches == [10, 10, 5]
    same(found, asked_directly(multiclass, rows))


def test_no_sequences_get_no_answers_without_a_request(served):
    client, behaviour = served
    found = client.predict(long_table().iloc[:0])
    assert (len(found), found.table().num_rows, behaviour.batches) == (0, 0, [])


def test_texts_and_categories_go_as_they_are(small_server, binary):
    with small_server(Behaviour(binary.served)) as address, Client(address, NAME) as client:
        notes = ["good Ünder film\n", '\x00"\\']
        found = client.predict({"note": [notes], "colour": [["red", "green"]], "x": [[1.0, NAN]]})
        with pytest.raises(
            BadRequest, match="texts are for a model with one feature of text; this one reads"
        ):
            client.predict(["good"])
    inputs = {
        "lengths": np.array([2]),
        "note": np.array([[one.encode() for one in notes]], object),
        "colour": np.array([[b"red", b"green"]], object),
        "x": np.array([[1.0, NAN]], np.float32),
    }
    expected = binary.served.run("sequences", inputs)
    np.testing.assert_allclose(found.probabilities, expected["probabilities"], atol=1e-6)


def test_prompts_go_on_as_the_model_goes_on(small_server, characters):
    prompts = ["the cat", "sat\n", "mat"]
    behaviour = Behaviour(characters.served)
    with small_server(behaviour) as address, Client(address, NAME, max_batch=2) as client:
        found = client.generate(prompts, max_new_tokens=9, temperature=0.7, seed=2**40)
        with pytest.raises(BadRequest, match="ask `generate`"):
            client.predict(prompts)
        for wrong, words in (
            ("the cat", "a list of prompts"), (5, "a list of prompts"), ([b"cat"], "each a str, got bytes"),
            (["\ud800"], "a prompt that is UTF-8"),
        ):  # fmt: skip
            with pytest.raises(BadRequest, match=words):
                client.generate(wrong)
        assert len(client.predict({"text": [list("the"), list("cat ")]}).label) == 2
    expected = characters.served.run("generate", {
        "prompt": np.array([one.encode() for one in prompts], object), "max_new_tokens": np.int32(9),
        "temperature": np.float32(0.7), "seed": np.int64(2**40),
    })["text"]  # fmt: skip
    assert found == [one.decode() for one in expected]


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        ({"max_new_tokens": 2**31}, "max_new_tokens: expected a whole number from 0 to 2147483647, got 21"),
        ({"max_new_tokens": -1}, "max_new_tokens: expected a whole number from 0"),
        ({"max_new_tokens": 2.5}, r"max_new_tokens: expected a whole number from 0 .*, got 2\.5"),
        ({"seed": 2**63}, "seed: expected a whole number from -9223372036854775808 to 9223372036854775807"),
        ({"temperature": -0.1}, r"temperature: expected 0 to 3\.4e\+38, got -0\.1"),
        ({"temperature": NAN}, "temperature: expected .*, got nan"),
        ({"temperature": "hot"}, "temperature: expected .*, got 'hot'"),
    ],
)
def test_a_draw_outside_its_range_is_refused_before_anything_is_sent(drawn, words):
    with Client("127.0.0.1:1", NAME) as client, pytest.raises(BadRequest, match=words):
        client.generate(["the cat"], **drawn)


def test_a_series_of_numbers_goes_on_under_its_own_names(small_server, numbers):
    with small_server(Behaviour(numbers.served)) as address, Client(address, NAME) as client:
        found = client.generate(arrays(ROWS[:2]), max_new_tokens=4)
    assert {name: one.shape for name, one in found.items()} == dict.fromkeys(ROWS[0], (2, 4))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one.drop(columns="a"), "'a' is missing"),
        (lambda one: one.assign(A=1.0), r"'A' is no feature of the model \(known here: a, b, f_2nd___C_\)"),
        (lambda one: one.assign(b=0.5), "'b': expected a whole number .* in sequence 0, step 0, and 7 more"),
        (lambda one: one.assign(a="much"), "'a': expected a number, got 'much' in sequence 0, step 0"),
        (lambda one: one.rename(columns={ODD: "2nd_(?C)"}).assign(**{ODD: 1.0}), "are both f_2nd___C_"),
    ],
)  # fmt: skip
def test_wrong_columns_are_named_before_anything_is_sent(served, change, words):
    client, behaviour = served
    with pytest.raises(BadRequest, match=words):
        client.predict(change(long_table()))
    assert behaviour.batches == []


@pytest.mark.parametrize(
    ("sequences", "options", "words"),
    [
        ({"a": np.zeros((2, 3, 1))}, {}, r"a: expected \[batch, steps\], got \[2, 3, 1\]"),
        ({"a": np.zeros((2, 3)), "b": np.zeros((2, 2))}, {}, "sequence 0: b has 2 steps, a has 3"),
        ({"a": np.zeros((2, 3)), "b": np.zeros((1, 3))}, {}, "b has 1 sequences, a has 2"),
        ({"a": np.zeros((2, 3))}, {"lengths": [1, 4]}, "lengths: expected 2 of 0 to 3, as a has"),
        ({"a": [[[1.0]]]}, {}, r"a: expected \[batch, steps\] or a list of \[steps\]"),
        ({}, {}, "expected an array for each feature, got none"),
        (7, {}, "expected a pandas DataFrame, a pyarrow Table, a mapping of arrays, or texts; got int"),
        (pd.DataFrame({"a": [1.0]}), {"lengths": [1]}, "lengths belong to padded arrays"),
        (pd.DataFrame({"a": [1.0]}), {"time": "when"}, "no column 'when' to order the steps by"),
        (
            pa.table({"a": [1.0], "sequence_id": ["s"], "when": [NAN]}), {"time": "when"},
            "'when': expected a value in each row, 1 of 1 have none",
        ),
        (
            pa.table({"a": [1.0, 2.0], "sequence_id": ["s", None]}), {},
            "'sequence_id': expected a value in each row, 1 of 2 have none",
        ),
        ({"a": np.zeros((2, 3))}, {"lengths": ["a", 2]}, r"lengths: expected whole numbers, got \['a'"),
        ({"a": np.zeros((2, 3))}, {"lengths": [1.5, 2]}, "lengths: expected whole numbers, got"),
        ({"a": np.zeros((2, 3))}, {"lengths": [10**30, 2]}, "lengths: expected whole numbers, got"),
        ({"a": [["\ud800"]]}, {}, "cannot be read: .*surrogates not allowed"),
        ({"a": 1.0}, {}, "cannot be read: 'float' object is not iterable"),
        ({"a": [[1, [2]]]}, {}, "cannot be read: setting an array element with a sequence"),
        ({1: [[1.0]]}, {}, r"expected features by name, each a str, got \[1\]"),
        (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), {}, "cannot be read: Duplicate column names found"),
        (pa.table([[1.0], [2.0]], ["a", "a"]), {}, "cannot be read: .*exists 2 times"),
        ("free", {}, "expected a list of texts, got a single one"),
        (pa.table({"a": [[1.0]], "b": [1]}), {}, "b: expected a list in each cell, as in a"),
    ],
)  # fmt: skip
def test_wrong_shapes_are_refused_with_what_was_expected(served, sequences, options, words):
    with pytest.raises(BadRequest, match=words):
        served[0].predict(sequences, **options)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "http://127.0.0.1:1"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"version": 2**63}, "version: expected a whole number from 0 to 9223372036854775807, got 92"),
        ({"version": "new"}, "version: expected .*, got 'new'"),
        ({"headers": {"x-who": "é"}}, "header 'x-who': expected ASCII text on one line"),
        ({"address": ""}, "address: expected host:port, or http://host:port, got ''"),
        ({"address": "http://[::1"}, "expected http://host:port or https"),
    ],
)
def test_what_no_request_can_say_is_refused_either_way(address, options, words):
    with pytest.raises(BadRequest, match=words):
        Client(**{"address": address, "model": NAME, **options})


def test_half_floats_are_numbers(served, multiclass):
    client, _ = served
    halves = {"a": np.array([[0.5, NAN]], np.float16), WHOLE: [[1, 2]], ODD: [[0.25, 0.5]]}
    rows = [{"a": [0.5, NAN], WHOLE: [1, 2], ODD: [0.25, 0.5]}]
    same(client.predict(halves), asked_directly(multiclass, rows))


def test_what_the_server_refuses_is_said_in_its_words_and_not_sent_again(served):
    client, behaviour = served
    behaviour.failing = ["INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"]
    with pytest.raises(BadRequest, match="INVALID_ARGUMENT: told to fail") as raised:
        client.predict(arrays())
    assert (raised.value.code, raised.value.message) == ("INVALID_ARGUMENT", "told to fail")
    with pytest.raises(TooMuch, match="told to fail"):
        client.predict(arrays())
    assert len(behaviour.specs) == 2


def test_an_unknown_model_is_not_found(small_server, multiclass):
    with small_server(Behaviour(multiclass.served)) as address, Client(address, "other") as client:
        for ask in (client.metadata, client.versions, lambda: client.predict(arrays())):
            with pytest.raises(NotFound, match="other"):
                ask()
        with pytest.raises(DeadlineExceeded, match=r"other at .* is not ready after 0\.3 s: NOT_FOUND"):
            client.wait_until_ready(0.3)


def test_versions_and_labels_are_asked_for(small_server, multiclass):
    behaviour = Behaviour(multiclass.served)
    with small_server(behaviour) as address:
        for options in ({}, {"version": 3}, {"label": "stable"}):
            with Client(address, NAME, headers={"Authorization": "token"}, **options) as client:
                client.predict(arrays(ROWS[:1]))
    assert behaviour.specs == [(None, None), (3, None), (None, "stable")]
    assert behaviour.headers["authorization"] == "token"
    with pytest.raises(BadRequest, match="give one of them"):
        Client("localhost:1", NAME, version=3, label="stable")


def test_a_server_that_is_not_there_twice_is_asked_a_third_time(served, multiclass):
    client, behaviour = served
    behaviour.failing = ["UNAVAILABLE", "UNAVAILABLE"]
    same(client.predict(arrays()), asked_directly(multiclass))
    assert len(behaviour.specs) == 3


def test_tries_end(small_server, multiclass):
    behaviour = Behaviour(multiclass.served, failing=["UNAVAILABLE"] * 9)
    with (
        small_server(behaviour) as address,
        Client(address, NAME, attempts=3) as client,
        pytest.raises(Unavailable, match="told to fail"),
    ):
        client.predict(arrays())
    assert len(behaviour.specs) == 3


def test_a_server_that_hangs_ends_with_the_deadline(small_server, multiclass):
    behaviour = Behaviour(multiclass.served, hang_s=1.0)
    with small_server(behaviour) as address, Client(address, NAME, timeout_s=0.3) as client:
        client.wait_until_ready(5)  # TensorFlow is imported
        client.metadata()
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            client.predict(arrays())
        assert 0.25 < time.monotonic() - began < 0.9
        assert len(behaviour.specs) == 1


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def forwarding(address: str, delay_s: float) -> str:
    """An address that leads to another one and holds back what comes from there at first."""
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket, pause_s: float) -> None:
        time.sleep(pause_s)
        with contextlib.suppress(OSError), source, target:
            while part := source.recv(1 << 16):
                target.sendall(part)

    def accept() -> None:
        with listening:
            near, _ = listening.accept()
        host, _, port = address.rpartition(":")
        far = socket.create_connection((host, int(port)))
        for source, target, pause_s in ((near, far, 0.0), (far, near, delay_s)):
            threading.Thread(target=pump, args=(source, target, pause_s), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"127.0.0.1:{listening.getsockname()[1]}"


def test_a_machine_that_is_slow_to_connect_to_is_reached_by_grpc(multiclass):
    with (
        grpc_server(Behaviour(multiclass.served)) as address,
        Client(forwarding(address, delay_s=0.8), NAME, attempts=1) as client,
    ):
        assert client.versions()[0].version == VERSION


def test_a_server_that_comes_up_late_is_found(small_server, multiclass):
    port = free_port()
    address = f"http://127.0.0.1:{port}" if small_server is rest_server else f"127.0.0.1:{port}"
    behaviour, done = Behaviour(multiclass.served), threading.Event()

    def come_up() -> None:
        time.sleep(0.7)
        with small_server(behaviour, port):
            done.wait(20)

    thread = threading.Thread(target=come_up)
    thread.start()
    try:
        with Client(address, NAME, timeout_s=15, attempts=30) as client:
            same(client.predict(arrays()), asked_directly(multiclass))
    finally:
        done.set()
        thread.join()
    with Client(address, NAME, timeout_s=1, attempts=2) as client, pytest.raises(Unavailable):
        client.predict(arrays())


def test_waiting_ends_when_the_model_is_available_not_when_its_page_is(small_server, multiclass):
    behaviour = Behaviour(multiclass.served, states=["START", "LOADING", "AVAILABLE"])
    with small_server(behaviour) as address, Client(address, NAME) as client:
        assert client.wait_until_ready(10).version == VERSION
        assert [(one.version, one.state) for one in client.versions()] == [(7, "AVAILABLE"), (6, "END")]
        behaviour.states = ["LOADING"]
        with pytest.raises(DeadlineExceeded, match="version 7 LOADING, version 6 END"):
            client.wait_until_ready(0.3)


def test_threads_share_a_client(served, multiclass):
    client, behaviour = served
    expected, failures = asked_directly(multiclass), []

    def ask() -> None:
        try:
            for _ in range(5):
                same(client.predict(arrays()), expected)
        except BaseException as error:  # noqa: BLE001 (shown by the test)
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (failures, len(behaviour.batches)) == ([], 30)


def test_rest_needs_no_tensorflow(multiclass):
    script = """
import sys
sys.modules["tensorflow"] = sys.modules["tensorflow_serving"] = sys.modules["grpc"] = None
from serving.client import Client
found = Client(sys.argv[1], sys.argv[2]).predict({"a": [[1.0]], "b": [[2]], "2nd (\\u00b0C)": [[0.1]]})
print(found.label[0])
"""
    with rest_server(Behaviour(multiclass.served)) as address:
        done = subprocess.run(
            [sys.executable, "-c", script, address, NAME], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("2", "10", "z")


def test_what_was_answered_is_logged_under_the_callers_names(small_server, multiclass, tmp_path):
    behaviour = Behaviour(multiclass.served)
    with (
        small_server(behaviour) as address,
        RequestLog(tmp_path, 1.0) as log,
        Client(address, NAME, log=log, max_batch=2) as client,
    ):
        client.predict(arrays())
        client.predict_examples([raw_example(ROWS[1])])
        behaviour.failing = ["INVALID_ARGUMENT"]
        with pytest.raises(BadRequest):
            client.predict(arrays())
    (path,) = tmp_path.iterdir()
    spec = {"a": tf.io.VarLenFeature(tf.float32), WHOLE: tf.io.VarLenFeature(tf.int64)}
    logged = [
        tf.io.parse_single_example(one, {**spec, ODD: tf.io.VarLenFeature(tf.float32)})
        for one in tf.data.TFRecordDataset(str(path))
    ]
    assert [one[WHOLE].values.numpy().tolist() for one in logged] == [row[WHOLE] for row in [*ROWS, ROWS[1]]]
    np.testing.assert_array_equal(logged[2][ODD].values.numpy(), np.array(ROWS[2][ODD], np.float32))
