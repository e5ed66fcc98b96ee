"""Data that is refused, and runs that are interrupted or killed."""

import pandas as pd
import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from tests.end_to_end.conftest import ROOT, make_home

pytestmark = pytest.mark.slow


def test_a_class_that_training_never_saw_refuses_the_data_before_transform(tmp_path):
    home = make_home(tmp_path)
    table = pd.read_csv(home.path / "data" / "demo.csv")
    table.loc[table["sequence_id"] >= "s0990", "label"] = "sideways"
    table.to_csv(home.path / "data" / "demo.csv", index=False)
    done = home.sluice("run", "pipeline/configs/demo.yaml")
    assert done.returncode == 3, done.stdout
    run, validation = home.json("demo", "run.json"), home.json("demo", "validation.json")
    assert run["status"] == "data_refused"
    assert [(stage["name"], stage["status"]) for stage in run["stages"]][-2:] == [
        ("Auditor", "done"), ("DataGate", "failed"),
    ]  # fmt: skip
    assert validation["verdict"] == "fail"
    assert [(f["severity"], f["check"], f["split"], f["feature"]) for f in validation["findings"]] == [
        ("error", "label-domain", "eval", "label"), ("warning", "label-drift", "all", "label"),
    ]  # fmt: skip
    assert validation["findings"][0]["examples"] == [f"s{number:04}" for number in range(990, 1000)]
    assert "sideways" in done.stdout
    assert "  error label-domain: give both splits sequences of every class" in done.stdout
    anomalies = home.artifact("demo", "Auditor", "findings") / "Split-eval" / "SchemaDiff.pb"
    found = anomalies_pb2.Anomalies.FromString(anomalies.read_bytes())
    assert "sideways" in found.anomaly_info["label"].description
    of_eval = home.json("demo", "statistics.json")["splits"]["eval"]
    assert dict(of_eval["labels"]["classes"])["sideways"] == 10
    assert home.versions("demo") == []


def test_a_given_schema_is_held_against_the_data(tmp_path):
    home = make_home(tmp_path)
    contract = f"--set=schema={ROOT}/schema/demo.pbtxt"
    assert home.sluice("check", "pipeline/configs/demo.yaml", contract).returncode == 0
    assert home.json("demo", "run.json")["status"] == "checked"
    path = home.path / "data" / "demo.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[9990] = lines[9990].replace(lines[9990].split(",")[4], "77.5", 1)
    path.write_text("".join(lines))
    done = home.sluice("check", "pipeline/configs/demo.yaml", contract)
    assert done.returncode == 3, done.stdout
    findings = home.json("demo", "validation.json")["findings"]
    assert [(finding["split"], finding["feature"]) for finding in findings] == [("eval", "f2")]
    assert "77.5" in done.stdout


def test_a_bad_cell_refuses_the_data_and_leaves_nothing_half_written(tmp_path):
    home = make_home(tmp_path)
    path = home.path / "data" / "demo.csv"
    lines = path.read_text().splitlines(keepends=True)
    lines[7] = lines[7].replace(lines[7].split(",")[2], "a lot", 1)
    path.write_text("".join(lines))
    done = home.sluice("check", "pipeline/configs/demo.yaml")
    assert done.returncode == 3, done.stdout
    assert "line 8, column f0: expected a number, got 'a lot'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not list((home.path / "runs" / "demo" / "artifacts").glob("Ingest/examples/*/*"))
