"""What a container runs: artifacts as the server hands them over, in folders where it copies them."""

import json
from pathlib import Path
from typing import Any

import pytest
from tfx import v1 as tfx
from tfx.orchestration.kubeflow.v2 import compiler_utils

from pipeline.runners import kubeflow_step
from pipeline.runners.kubeflow_step import completed, folder_of, workers_are_elsewhere
from tests.components.pusher.models import held, make_model, push


def schema_of(kind: type) -> str:
    schema = compiler_utils.get_artifact_schema(kind)
    return schema.decode() if isinstance(schema, bytes) else schema


MODEL = {"instanceSchema": schema_of(tfx.types.standard_artifacts.Model)}
FINDINGS = {"instanceSchema": schema_of(tfx.types.standard_artifacts.ExampleAnomalies)}


def call(executor: str, given: dict[str, Any], spec: dict[str, Any], *beam_args: str) -> None:
    kubeflow_step.main(
        [
            f"--executor_class_path={executor}",
            f"--json_serialized_invocation_args={json.dumps(given)}",
            f"--json_serialized_inputs_spec_args={json.dumps(spec)}",
            *beam_args,
        ]
    )


def test_an_input_gets_the_type_that_the_component_states_and_all_get_a_name():
    given = {
        "inputs": {"artifacts": {"model": {"artifacts": [{"name": "7", "uri": "minio://b/r/m"}]}}},
        "outputs": {"artifacts": {"out": {"artifacts": [{"uri": "s3://b/r/o", "type": FINDINGS}]}}},
    }
    spec = {"artifacts": {"model": {"artifactType": MODEL}}}
    made = completed(given, spec, in_folders=True)
    (model,) = made["inputs"]["artifacts"]["model"]["artifacts"]
    assert model == {"name": "7", "uri": "/minio/b/r/m", "type": MODEL}
    (out,) = made["outputs"]["artifacts"]["out"]["artifacts"]
    assert out == {"name": "s3://b/r/o", "uri": "/s3/b/r/o", "type": FINDINGS}
    there = completed(given, spec, in_folders=False)
    assert there["inputs"]["artifacts"]["model"]["artifacts"][0]["uri"] == "minio://b/r/m"
    assert given["inputs"]["artifacts"]["model"]["artifacts"] == [{"name": "7", "uri": "minio://b/r/m"}]


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("gs://bucket/root/run", "/gcs/bucket/root/run"),
        ("s3://bucket/root", "/s3/bucket/root"),
        ("minio://mlpipeline/v2", "/minio/mlpipeline/v2"),
        ("/folder/on/a/volume", "/folder/on/a/volume"),
    ],
)
def test_artifacts_are_where_the_launcher_of_kubeflow_copies_them(uri, folder):
    assert folder_of(uri) == folder


@pytest.mark.parametrize(
    ("beam_args", "elsewhere"),
    [
        ((), False),
        (("--runner=DirectRunner",), False),
        (("--runner=apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner",), False),
        (("--runner=DataflowRunner", "--region=r"), True),
        (("--runner=DirectRunner", "--runner=FlinkRunner"), True),
        (("--runner", "FlinkRunner"), True),
    ],
)
def test_beam_workers_elsewhere_are_known_by_the_runner(beam_args, elsewhere):
    assert workers_are_elsewhere(beam_args) == elsewhere


def test_a_step_writes_to_the_folder_and_tells_the_address(tmp_path, monkeypatch):
    monkeypatch.setattr(kubeflow_step, "_FOLDERS", {"minio://": f"{tmp_path}/minio/"})
    push(tmp_path / "serving", make_model(tmp_path / "trained"))
    uri, output = "minio://bucket/run/LastBlessed/model", tmp_path / "told" / "output_metadata.json"
    given = {
        "inputs": {"parameterValues": {"push_base": str(tmp_path / "serving")}},
        "outputs": {
            "artifacts": {"model": {"artifacts": [{"uri": uri, "type": MODEL}]}},
            "outputFile": str(output),
        },
    }
    spec = {"parameters": {"push_base": {"parameterType": "STRING"}}}
    call("components.verdict.last_blessed.LastPushed_Executor", given, spec)
    copied = tmp_path / "minio" / "bucket" / "run" / "LastBlessed" / "model" / "Format-Serving"
    assert held(copied) == held(tmp_path / "trained")
    (told,) = json.loads(output.read_text())["artifacts"]["model"]["artifacts"]
    assert told["uri"] == uri
    assert told["metadata"]["pushed_version"].isdigit()


def test_what_refuses_ends_the_container_with_its_status_and_its_reasons(tmp_path, capsys):
    finding = {
        "check": "empty-sequence", "severity": "error", "split": "train", "feature": "f0",
        "message": "7 sequences have no step", "count": 7, "examples": [], "fix": "",
    }  # fmt: skip
    (tmp_path / "findings.json").write_text(json.dumps({"findings": [finding]}))
    given = {
        "inputs": {"artifacts": {"findings": {"artifacts": [{"name": "4", "uri": str(tmp_path)}]}}},
        "outputs": {"outputFile": str(tmp_path / "told.json")},
    }
    spec = {"artifacts": {"findings": {"artifactType": FINDINGS}}}
    with pytest.raises(SystemExit) as left:
        call("components.auditor.component.DataGate_Executor", given, spec)
    assert left.value.code == 3
    assert capsys.readouterr().err.endswith(
        "the data has 1 error\n  - empty-sequence (train, f0): 7 sequences have no step\n"
    )
    assert not Path(tmp_path / "told.json").exists()
