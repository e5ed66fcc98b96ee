"""`sluice predict` and `sluice drift` as people call them: what they print, write and return."""

import gzip
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from pipeline import cli, lineage, predict, record
from pipeline.errors import ConfigError
from serving.request_log import RequestLog
from tests.components.conftest import (  # noqa: F401 (fixtures)
    ODD,
    WHOLE,
    characters,
    multiclass,
    spoken,
    transformed,
)
from tests.serving.drift.populations import alike, trained
from tests.serving.small_servers import NAME, Behaviour, grpc_server, rest_server

CONFIG = f"""
name: {NAME}
task: multiclass
data:
  source: data.csv
  sequence_id: room
  time: at
  label: kind
  features: {{a: float, b: integer, "{ODD}": float}}
"""
ROWS = f"room,at,a,b,{ODD},kind\nx,2,1.5,7,0.1,z\nx,1,nan,8,0.1,z\ny,1,-3,9,0.1,10\n"


def sluice(capfd, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main([*arguments])
        sys.exit(0)
    out, err = capfd.readouterr()
    return int(left.value.code or 0), out, err


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "data.csv").write_text(ROWS, encoding="utf-8")
    return tmp_path


def port(address: str) -> str:
    return address.rpartition(":")[2]


def asked(export, rows):
    """The loader's answers: (a, b, odd) of each sequence."""
    found = []
    for a, b in rows:
        inputs = {
            "lengths": np.array([len(a)]), "a": np.array([a], np.float32), WHOLE: np.array([b], np.int64),
            "f_2nd___C_": np.full((1, len(a)), 0.1, np.float32),
        }  # fmt: skip
        found.append(export.served.run("sequences", inputs))
    return found


@pytest.mark.parametrize("way", ["grpc", "rest"])
def test_a_file_is_answered_sequence_by_sequence(capfd, home, multiclass, way):  # noqa: F811
    serve = {"grpc": grpc_server, "rest": rest_server}[way]
    with serve(Behaviour(multiclass.served)) as address:
        options = ["--host", "127.0.0.1", "--port", port(address), *(["--rest"] if way == "rest" else [])]
        code, out, _ = sluice(capfd, "predict", "small.yaml", "data.csv", *options, "--out", "o.parquet")
    assert code == 0
    x, y = asked(multiclass, [([float("nan"), 1.5], [8, 7]), ([-3.0], [9])])
    table = pq.read_table("o.parquet").to_pandas()
    assert table["sequence_id"].tolist() == ["x", "y"]
    assert table["label"].tolist() == [x["label"][0].decode(), y["label"][0].decode()]
    for place, name in enumerate(("2", "10", "z")):
        expected = [x["probabilities"][0, place], y["probabilities"][0, place]]
        np.testing.assert_allclose(table[f"probability[{name}]"], expected, atol=1e-6)
    assert "sequence_id  label  score" in out
    assert "\nx " in out


def test_a_remote_file_is_answered_as_a_local_one(capfd, home, multiclass):  # noqa: F811
    tf.io.gfile.makedirs("ram://asked")
    tf.io.gfile.copy("data.csv", "ram://asked/data.csv", overwrite=True)
    with grpc_server(Behaviour(multiclass.served)) as address:
        for source, out in (("data.csv", "local.csv"), ("ram://asked/data.csv", "remote.csv")):
            options = ["--host", "127.0.0.1", "--port", port(address), "--out", out]
            assert sluice(capfd, "predict", "small.yaml", source, *options)[0] == 0
    assert Path("remote.csv").read_text() == Path("local.csv").read_text()


def test_a_label_is_not_needed_and_windows_are_asked_each(capfd, home, multiclass):  # noqa: F811
    pd.read_csv("data.csv").drop(columns="kind").to_csv("new.csv", index=False)
    with grpc_server(Behaviour(multiclass.served)) as address:
        code, out, _ = sluice(
            capfd, "predict", "small.yaml", "new.csv", "--host", "127.0.0.1", "--port", port(address),
            "--set", "data.window.length=2", "--out", "o.json",
        )  # fmt: skip
    assert code == 0
    assert [row["sequence_id"] for row in json.loads((home / "o.json").read_text())] == ["x@0"]
    assert "left out: 1 series shorter than a window of 2 steps" in out


def test_a_file_of_another_format_than_the_configurations_is_read_by_its_name(
    capfd, home, multiclass  # noqa: F811
):  # fmt: skip
    pd.read_csv("data.csv").to_parquet("new.parquet")
    with grpc_server(Behaviour(multiclass.served)) as address:
        where = ("--host", "127.0.0.1", "--port", port(address))
        for name in ("data.csv", "new.parquet"):
            assert sluice(capfd, "predict", "small.yaml", name, *where, "--out", f"{name}.json")[0] == 0
    assert (home / "new.parquet.json").read_text() == (home / "data.csv.json").read_text()


def test_a_server_without_the_model_is_not_told_to_start(capfd, home, multiclass):  # noqa: F811
    with grpc_server(Behaviour(multiclass.served)) as address:
        code, _, err = sluice(
            capfd, "predict", "small.yaml", "data.csv", "--host", "127.0.0.1", "--port", port(address),
            "--set", "name=other",
        )  # fmt: skip
    assert code == 1
    assert "the server that answers there has no such model or version (NOT_FOUND" in err
    assert "start a server" not in err


def test_prompts_come_from_standard_input(capfd, home, monkeypatch, characters):  # noqa: F811
    monkeypatch.setattr(sys, "stdin", io.StringIO("the cat\n\nsat\n"))
    (home / "small.yaml").write_text(
        f"{{name: {NAME}, task: generation, data: {{source: a.txt, format: text}}}}", encoding="utf-8"
    )
    with grpc_server(Behaviour(characters.served)) as address:
        where = ("--host", "127.0.0.1", "--port", port(address))
        code, _, _ = sluice(
            capfd, "predict", "small.yaml", "-", *where, "--max-new-tokens", "6", "--out", "o.csv"
        )
        refused, _, err = sluice(capfd, "predict", "small.yaml", "data.csv", *where)
    assert code == 0
    found = pd.read_csv("o.csv", keep_default_na=False)
    assert found["prompt"].tolist() == ["the cat", "sat"]
    assert [len(text) for text in found["text"]] == [6, 6]
    assert refused == 2
    assert "goes on from prompts; give text, one prompt a line, or -" in err


def test_where_nobody_answers_the_command_that_starts_a_server_is_named(capfd, home):
    code, out, err = sluice(capfd, "predict", "small.yaml", "data.csv", "--host", "127.0.0.1", "--port", "1")
    assert (code, out) == (1, "")
    assert "no answer from small (UNAVAILABLE" in err
    assert "start a server: sluice serve small.yaml" in err


@pytest.mark.parametrize(
    ("content", "arguments", "code", "words"),
    [
        (None, ["nowhere.csv"], 2, "INPUT: no file nowhere.csv"),
        (ROWS, ["data.csv", "--out", "o.xls"], 2, "expected a name that ends in .csv, .parquet, .json"),
        (
            ROWS,
            ["data.csv", "--out", "../{home}/data.csv"],
            2,
            "data.csv: is INPUT itself, which would be lost",
        ),
        (ROWS.replace(",a,", ",A,"), ["data.csv"], 2, "features of the model are missing\n  - a"),
        (ROWS.replace("1.5", "much"), ["data.csv"], 3, "line 2, column a: expected a number, got 'much'"),
        (ROWS, ["-"], 2, "texts are for a model with one feature of text; this one reads"),
    ],
)
def test_what_cannot_be_asked_is_said(
    capfd, home, monkeypatch, multiclass, content, arguments, code, words  # noqa: F811
):  # fmt: skip
    monkeypatch.setattr(sys, "stdin", io.StringIO("a text\n"))
    if content is not None:
        (home / "data.csv").write_text(content, encoding="utf-8")
    with grpc_server(Behaviour(multiclass.served)) as address:
        where = ("--host", "127.0.0.1", "--port", port(address))
        left, _, err = sluice(
            capfd, "predict", "small.yaml", *(one.format(home=home.name) for one in arguments), *where
        )
    assert left == code
    assert words in err
    assert content is None or (home / "data.csv").read_text(encoding="utf-8") == content


def test_answers_that_cannot_be_written_leave_what_was_there(home):
    (home / "o.parquet").mkdir()
    with pytest.raises(ConfigError, match=r"--out o\.parquet: cannot be written"):
        predict.write(pa.table({"a": [1]}), "o.parquet")
    predict.write(pa.table({"a": [1]}), "o.csv")
    assert sorted(path.name for path in home.iterdir()) == ["data.csv", "o.csv", "o.parquet", "small.yaml"]


POPULATION = """
name: alike
task: binary
data: {source: data.csv, sequence_id: s, label: y}
"""
KINDS = {"normal": "float", "heavy": "float", "whole": "float", "colour": "category"}


@pytest.fixture
def run(home, monkeypatch):
    """A run with the statistics of a drawn training split, as far as ML Metadata would name them."""
    (home / "alike.yaml").write_text(POPULATION, encoding="utf-8")
    random = np.random.default_rng(1)
    folder = record.create(home / "runs" / "alike")
    (folder.parent / record.ARTIFACTS / record.METADATA).write_bytes(b"")
    record.write(folder, record.RUN, {"run_id": folder.name, "pushed": None})
    record.write(folder, record.VALIDATION, {"features": {"kinds": KINDS}})
    (home / "stats" / "Split-train").mkdir(parents=True)
    trained(alike(800, random), home / "stats" / "Split-train" / "FeatureStats.pb")
    found = {
        "StatisticsGen": {"statistics": SimpleNamespace(uri=str(home / "stats"))},
        "Ingest": {"examples": SimpleNamespace(uri=str(home / "examples"))},
    }
    monkeypatch.setattr(lineage, "outputs", lambda *_: found)
    return random


def logged(folder, sample):
    lengths, features = sample
    inputs = {"lengths": lengths}
    inside = np.arange(lengths.max()) < lengths[:, None]
    for name, values in features.items():
        text = values.dtype != np.float32
        inputs[name] = np.full(inside.shape, b"" if text else 0, object if text else np.float32)
        inputs[name][inside] = [one.encode() for one in values.tolist()] if text else values
    with RequestLog(folder, 1.0) as log:
        log.write_sequences(inputs, {name: name for name in features})


def test_an_honest_log_is_no_drift_and_a_torn_or_packed_file_is_read(capfd, home, run):
    logged(home / "log", alike(600, run))
    (path,) = (home / "log").iterdir()
    content = path.read_bytes()
    (home / "log" / "packed.tfrecord.gz").write_bytes(gzip.compress(content))
    path.rename(path.with_name(f".{path.name}.part"))
    path.with_name(f".{path.name}.part").write_bytes(content[:-7])
    code, out, _ = sluice(capfd, "drift", "alike.yaml", "log")
    assert code == 0, out
    assert out.startswith("1,199 logged sequences, ")
    assert "no drift: none of 9 measures is beyond its bound" in out
    assert "read up to record 599, then:" in out
    assert "no run on record pushed what is served" in out


def test_drift_is_named_and_ends_with_status_3(capfd, home, run):
    lengths, features = alike(600, run)
    logged(home / "log", (lengths, {**features, "normal": features["normal"] + np.float32(1)}))
    code, out, _ = sluice(capfd, "drift", "alike.yaml", "log/*.tfrecord")
    assert code == 3
    assert "drift: 1 of 9 measures are beyond bound and chance together" in out
    (line,) = [line for line in out.splitlines() if "DRIFT" in line]
    assert line.startswith("normal   Jensen-Shannon")
    code, out, _ = sluice(capfd, "drift", "alike.yaml", "log", "--json", "--set", "drift.numbers=0.5")
    found = json.loads(out)
    assert (code, found["drifted"], found["sequences"]) == (0, False, 600)
    assert {one["bound"] for one in found["measures"] if one["measure"] == "Jensen-Shannon"} == {0.5}


def test_wrong_logs_are_one_clear_message(capfd, home, run, monkeypatch):
    (home / "empty").mkdir()
    (home / "torn").mkdir()
    (home / "torn" / "a.tfrecord").write_bytes(b"no record")
    with RequestLog(home / "other", 1.0) as log:
        log.write_sequences({"lengths": np.array([1]), "z": np.ones((1, 1), np.float32)}, {"z": "z"})
    for place, words in {
        "empty": "LOG: no requests in empty",
        "nowhere": "LOG: no requests in nowhere",
        "torn": "LOG: no request in 1 files can be read",
        "other": "LOG: 4 of 4 features are in none of 1 requests: normal, heavy, whole, colour; it has z",
    }.items():
        code, out, err = sluice(capfd, "drift", "alike.yaml", place)
        assert (code, out) == (2, "")
        assert words in err
    monkeypatch.setattr(lineage, "outputs", lambda *_: {})
    code, _, err = sluice(capfd, "drift", "alike.yaml", "other")
    assert code == 2
    assert "has training statistics" in err
