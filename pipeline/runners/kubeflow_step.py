"""What a container of Kubeflow Pipelines runs: one step, by TFX's own entry point.

TFX wrote that for Vertex AI. The open-source server and kfp's local engine hand over less: artifacts without
a name, inputs without their type. And what is in an object store they copy from and to folders of the
container, which is how every store that Kubeflow can use, MinIO and S3 too, can be used here. Where the
workers of a Beam step are elsewhere, these have no such folder, so the step uses the store itself.
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

from pipeline.errors import SluiceError

_FOLDERS = {"gs://": "/gcs/", "s3://": "/s3/", "minio://": "/minio/"}  # where Kubeflow copies from and to
_IN_PROCESS = ("DirectRunner", "FnApiRunner", "BundleBasedDirectRunner")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a step, and ends with the status and the words of what refused."""
    from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor

    logging.basicConfig()
    logging.getLogger("sluice").setLevel(logging.INFO)  # how training goes
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--executor_class_path", required=True)
    parser.add_argument("--json_serialized_invocation_args", required=True)
    parser.add_argument("--json_serialized_inputs_spec_args", required=True)
    step, beam_args = parser.parse_known_args(arguments)
    given = json.loads(step.json_serialized_invocation_args)
    in_folders = not (_is_beam(step.executor_class_path) and workers_are_elsewhere(beam_args))
    made = completed(given, json.loads(step.json_serialized_inputs_spec_args), in_folders=in_folders)
    step.json_serialized_invocation_args = json.dumps(made)
    try:
        kubeflow_v2_run_executor.main((step, beam_args))
    except SluiceError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
    _say_where(given)


def completed(given: dict[str, Any], spec: dict[str, Any], *, in_folders: bool) -> dict[str, Any]:
    """An ExecutorInput with the type and a name of every artifact, as JSON.

    Args:
      given: ExecutorInput as Kubeflow hands it over.
      spec: ComponentInputsSpec of the step, which knows the types.
      in_folders: whether artifacts are read and written where Kubeflow copies them to.
    """
    made: dict[str, Any] = json.loads(json.dumps(given))
    for side in ("inputs", "outputs"):
        for key, artifacts in made.get(side, {}).get("artifacts", {}).items():
            for artifact in artifacts["artifacts"]:
                if side == "inputs":
                    artifact["type"] = spec["artifacts"][key]["artifactType"]
                artifact["name"] = artifact.get("name") or artifact["uri"]
                artifact["uri"] = folder_of(artifact["uri"]) if in_folders else artifact["uri"]
    return made


def folder_of(uri: str) -> str:
    """Where Kubeflow's launcher copies an artifact of an object store from and to."""
    for scheme, folder in _FOLDERS.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return uri


def workers_are_elsewhere(beam_args: Sequence[str]) -> bool:
    """Whether Beam's work is done outside this container."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

    runner = PipelineOptions(list(beam_args)).view_as(StandardOptions).runner
    return runner is not None and runner.rpartition(".")[2] not in _IN_PROCESS


def _is_beam(executor: str) -> bool:
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.utils import import_utils

    return issubclass(import_utils.import_class_by_path(executor), BaseBeamExecutor)


def _say_where(given: dict[str, Any]) -> None:
    """Tells Kubeflow of each artifact the address that it gave, not the folder."""
    from tfx.dsl.io import fileio

    outputs = given["outputs"]
    with fileio.open(outputs["outputFile"], "r") as file:
        told = json.loads(file.read())
    for key, artifacts in told.get("artifacts", {}).items():
        artifacts["artifacts"][0]["uri"] = outputs["artifacts"][key]["artifacts"][0]["uri"]
    with fileio.open(outputs["outputFile"], "w") as file:
        file.write(json.dumps(told))


if __name__ == "__main__":
    main()
