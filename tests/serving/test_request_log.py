"""The request log: what was asked is what is read, a rate is a rate, and nothing fails a request."""

import errno
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import schema_pb2

from serving import log_files, request_log
from serving.request_log import RequestLog, hook


def read(folder: Path) -> list[dict]:
    """The logged Examples as TensorFlow reads them."""
    found = []
    for path in sorted(folder.glob("requests-*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            found.append({name: list(getattr(one, one.WhichOneof("kind")).value)
                          if one.WhichOneof("kind") else [] for name, one in features.items()})  # fmt: skip
    return found


STEP = st.tuples(
    st.floats(width=32, allow_nan=False), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=4)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(STEP, max_size=4), min_size=1, max_size=5), st.integers(0, 3))
def test_what_was_asked_is_what_is_read(tmp_path_factory, rows, padding):
    folder = tmp_path_factory.mktemp("log")
    width = max(map(len, rows)) + padding
    kinds = {"f_1": (np.float32, 0, 7.0), "b": (np.int64, 1, 9), "c": (object, 2, b"behind")}
    inputs = {"lengths": np.array([len(row) for row in rows], np.int64)}
    for name, (kind, at, filler) in kinds.items():
        inputs[name] = np.full((len(rows), width), filler, kind)
        for row, steps in enumerate(rows):
            for step, values in enumerate(steps):
                inputs[name][row, step] = values[at]
    with RequestLog(folder, 1.0) as log:
        log.write_sequences(inputs, {"f_1": "1 (°C)", "b": "b", "c": "c"})
    expected = [
        {"1 (°C)": [step[0] for step in row], "b": [step[1] for step in row], "c": [step[2] for step in row]}
        for row in rows
    ]
    assert read(folder) == expected
    assert (log.written, log.left_out) == (len(rows), 0)


def test_examples_are_kept_as_they_are(tmp_path):
    with RequestLog(tmp_path, 1.0) as log:
        log.write_examples([tf.train.Example().SerializeToString(), b"\x00not one"])
    (path,) = tmp_path.iterdir()
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == [b"", b"\x00not one"]


def test_lengths_beyond_the_tensor_count_as_the_model_counts_them(tmp_path):
    with RequestLog(tmp_path, 1.0) as log:
        inputs = {"lengths": np.array([-1, 9]), "a": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)}
        log.write_sequences(inputs, {"a": "a"})
    assert [row.get("a") for row in read(tmp_path)] == [[], [3.0, 4.0]]


@pytest.mark.parametrize("per", ["sequence", "request"])
def test_a_rate_is_kept_without_favour(tmp_path, per):
    with RequestLog(tmp_path, 0.1, per=per, seed=4) as log:
        for start in range(0, 20_000, 50):
            lengths = np.ones(50, np.int64)
            log.write_sequences({"lengths": lengths, "a": np.arange(start, start + 50)[:, None]}, {"a": "a"})
            assert log.flush()
    kept = np.array([row["a"][0] for row in read(tmp_path)])
    if per == "sequence":
        assert len(kept) == pytest.approx(2000, abs=4 * np.sqrt(20_000 * 0.09))
        places = np.bincount(kept % 50, minlength=50)  # no place in a request is drawn more often
        assert places.sum() * (np.abs(places / places.sum() - 0.02)).max() < 4.5 * np.sqrt(2000 * 0.02)
    else:
        requests, counts = np.unique(kept // 50, return_counts=True)
        assert set(counts) == {50}
        assert len(requests) == pytest.approx(40, abs=4 * np.sqrt(400 * 0.09))


def test_one_seed_is_one_sample(tmp_path):
    kept = []
    for name in ("one", "other"):
        with RequestLog(tmp_path / name, 0.3, seed=7) as log:
            log.write_examples([str(number).encode() for number in range(200)])
        (path,) = (tmp_path / name).iterdir()
        kept.append(list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()))
    assert kept[0] == kept[1]


def test_files_follow_one_another_and_the_oldest_go(tmp_path):
    with RequestLog(tmp_path, 1.0, max_bytes=4000, file_bytes=1000) as log:
        for number in range(60):
            log.write_examples([f"{number:03}".encode() * 60])
            assert log.flush()
            assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4200
    files = sorted(tmp_path.iterdir())
    assert 2 <= len(files) <= 4
    assert all(path.name.startswith("requests-") and path.suffix == ".tfrecord" for path in files)
    kept = list(tf.data.TFRecordDataset([str(path) for path in files]).as_numpy_iterator())
    assert [int(one[:3]) for one in kept] == list(range(60 - len(kept), 60))


def test_a_file_has_its_name_only_when_it_is_complete(tmp_path):
    log = RequestLog(tmp_path, 1.0)
    log.write_examples([b"one"])
    assert log.flush()
    (part,) = tmp_path.iterdir()
    assert part.name.startswith(".requests-")
    assert part.name.endswith(".tfrecord.part")
    log.close()
    log.close()
    log.write_examples([b"two"])
    (whole,) = tmp_path.iterdir()
    assert list(tf.data.TFRecordDataset(str(whole)).as_numpy_iterator()) == [b"one"]


def test_a_full_disk_fails_no_request_and_is_said_once(tmp_path, monkeypatch, caplog):
    full = OSError(errno.ENOSPC, "No space left on device")

    def refuse(*_):
        raise full

    caplog.set_level(logging.WARNING)
    with RequestLog(tmp_path, 1.0) as log:
        with monkeypatch.context() as patched:
            patched.setattr(log_files.LogFiles, "_open", refuse)
            for _ in range(5):
                log.write_examples([b"lost"])
            assert log.flush()
        assert (log.written, log.left_out) == (0, 5)
        log.write_examples([b"kept"])
        assert log.flush()
    assert len([one for one in caplog.records if "cannot be written" in one.message]) == 1
    (path,) = tmp_path.iterdir()
    assert list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator()) == [b"kept"]


def test_a_record_that_did_not_fit_is_taken_back(tmp_path):
    files = log_files.LogFiles(tmp_path, 1 << 20, 1 << 30)
    files.append([b"whole"])

    class Full:
        def __init__(self, file):
            self._file, self.name = file, file.name

        def __getattr__(self, name):
            return getattr(self._file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

        def write(self, content):
            self._file.write(content[:5])
            raise OSError(errno.ENOSPC, "No space left on device")

    files._file = Full(files._file)
    with pytest.raises(OSError, match="No space left"):
        files.append([b"half"])
    files.append([b"again"])
    files.close()
    found = [str(path) for path in sorted(tmp_path.iterdir())]
    assert list(tf.data.TFRecordDataset(found).as_numpy_iterator()) == [b"whole", b"again"]


def test_a_backlog_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "_PENDING_BYTES", 100)
    with RequestLog(tmp_path, 1.0) as log:
        log.write_examples([b"x" * 101])
        log.write_examples([b"y"])
    assert (log.written, log.left_out) == (1, 1)


def test_a_process_that_ends_leaves_whole_files(tmp_path):
    script = "import sys\nfrom serving.request_log import RequestLog\n"
    script += "RequestLog(sys.argv[1], 1.0).write_examples([b'x'] * 10)\n"
    for ending in ("", "\nimport time, os; time.sleep(0.5); os._exit(1)"):
        folder = tmp_path / str(len(ending))
        subprocess.run([sys.executable, "-c", script + ending, str(folder)], timeout=60, check=not ending)
        (path,) = folder.iterdir()
        assert path.name.startswith("." if ending else "requests-")
        assert len(list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())) == 10


def test_a_server_logs_what_has_features(tmp_path, caplog):
    schema = schema_pb2.Schema()
    schema.feature.add(name="CO2 (ppm)")
    (tmp_path / "raw_schema.pbtxt").write_text(text_format.MessageToString(schema), encoding="utf-8")
    with RequestLog(tmp_path / "log", 1.0) as log:
        on_request = hook(log, tmp_path / "raw_schema.pbtxt")
        steps = np.array([[400.0, 0.0]], np.float32)
        on_request("sequences", {"lengths": np.array([1]), "CO2__ppm_": steps})
        for _ in range(2):
            on_request("sequences", {"lengths": np.array([1, 1])})  # other features than these
        example = tf.train.Example()
        example.features.feature["CO2 (ppm)"].float_list.value.append(500.0)
        on_request("serving_default", {"examples": np.array([example.SerializeToString()], object)})
        on_request("generate", {"prompt": np.array([b"x"], object)})
    assert read(tmp_path / "log") == [{"CO2 (ppm)": [400.0]}, {"CO2 (ppm)": [500.0]}]
    assert (log.written, log.left_out) == (2, 4)
    assert [one.message for one in caplog.records] == [
        "requests cannot be kept as they are, and are left out: KeyError('CO2__ppm_')"
    ]


@pytest.mark.parametrize(
    "options", [{"rate": 1.1}, {"rate": 0.5, "per": "step"}, {"rate": 1, "file_bytes": 0}]
)
def test_what_makes_no_sense_is_refused(tmp_path, options):
    with pytest.raises(ValueError, match="expected"):
        RequestLog(tmp_path, **options)
