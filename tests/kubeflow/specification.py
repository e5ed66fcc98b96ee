"""A compiled specification, read as the server reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp


@dataclass(frozen=True)
class Step:
    """One task, its component and its container."""

    name: str
    task: kfp.PipelineTaskSpec
    component: kfp.ComponentSpec
    container: kfp.PipelineDeploymentConfig.PipelineContainerSpec

    @property
    def after(self) -> set[str]:
        """The steps that must be done before."""
        artifacts = self.task.inputs.artifacts.values()
        return {*self.task.dependent_tasks, *(one.task_output_artifact.producer_task for one in artifacts)}


@dataclass(frozen=True)
class Specification:
    """The steps of a pipeline, and the parameters of a run with their defaults."""

    name: str
    steps: dict[str, Step]
    defaults: dict[str, struct_pb2.Value]

    def parameters(self, given: dict[str, str]) -> dict[str, struct_pb2.Value]:
        """The parameters of a run; only those that there are can be given."""
        assert given.keys() <= self.defaults.keys()
        return self.defaults | {name: struct_pb2.Value(string_value=text) for name, text in given.items()}


def read(path: Path) -> Specification:
    """Reads a file; unknown fields, and what no server runs, are errors."""
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    spec = json_format.ParseDict(documents[0], kfp.PipelineSpec())
    assert spec.schema_version == "2.1.0"
    deployment = json_format.MessageToDict(spec.deployment_spec)
    executors = json_format.ParseDict(deployment, kfp.PipelineDeploymentConfig()).executors
    steps = {name: _step(name, task, spec, executors) for name, task in spec.root.dag.tasks.items()}
    parameters = spec.root.input_definitions.parameters
    return Specification(
        spec.pipeline_info.name, steps, {name: one.default_value for name, one in parameters.items()}
    )


def _step(name: str, task: kfp.PipelineTaskSpec, spec: kfp.PipelineSpec, executors: Any) -> Step:
    component = spec.components[task.component_ref.name]
    executor = executors[component.executor_label]
    assert executor.WhichOneof("spec") == "container", f"{name}: the server runs no {executor}"
    assert not task.trigger_policy.condition
    assert task.task_info.name == name
    return Step(name, task, component, executor.container)
