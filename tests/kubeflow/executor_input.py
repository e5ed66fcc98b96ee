"""What a container is told, and what is kept of its answer: the server's driver and its metadata."""

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format, struct_pb2
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp

from tests.kubeflow.specification import Step

_IDS = itertools.count(1)


@dataclass(frozen=True)
class Artifact:
    """An artifact as it is on record; its type is only in the component that made it."""

    uri: str
    metadata: dict[str, Any]
    name: str = field(default_factory=lambda: str(next(_IDS)))

    def as_input(self) -> kfp.RuntimeArtifact:
        """As the driver hands it over: with the number that it has on record, and an empty type."""
        found = kfp.RuntimeArtifact(name=self.name, uri=self.uri)
        found.type.instance_schema = ""
        found.metadata.update({**self.metadata, "display_name": "of the server", "store_session_info": "{}"})
        return found


Outputs = dict[str, Artifact]  # of one step, by key


def executor_input(
    step: Step, parameters: dict[str, struct_pb2.Value], done: dict[str, Outputs], folder: Path
) -> kfp.ExecutorInput:
    """What a step is started with.

    Args:
      step: the step.
      parameters: of the run.
      done: outputs of the steps before.
      folder: of this step in the root of the run.
    """
    made = kfp.ExecutorInput()
    for name, definition in step.component.input_definitions.parameters.items():
        value = _value(step.task.inputs.parameters[name], parameters)
        made.inputs.parameter_values[name].CopyFrom(_typed(value, definition))
    for key, source in step.task.inputs.artifacts.items():
        found = done[source.task_output_artifact.producer_task]
        artifact = found[source.task_output_artifact.output_artifact_key]
        made.inputs.artifacts[key].artifacts.append(artifact.as_input())
    for key, definition in step.component.output_definitions.artifacts.items():
        planned = made.outputs.artifacts[key].artifacts.add(uri=str(folder / key))
        planned.type.CopyFrom(definition.artifact_type)
    made.outputs.output_file = str(folder / "executor_output.json")
    return made


def recorded(made: kfp.ExecutorInput) -> Outputs:
    """The outputs of a step that is done: what it said of them, else what was planned."""
    told = json_format.Parse(Path(made.outputs.output_file).read_text(encoding="utf-8"), kfp.ExecutorOutput())
    outputs = {}
    for key, planned in made.outputs.artifacts.items():
        artifact = told.artifacts[key].artifacts[0] if key in told.artifacts else planned.artifacts[0]
        metadata = json_format.MessageToDict(artifact.metadata)
        assert None not in metadata.values(), f"{key}: the server keeps no empty metadata"
        outputs[key] = Artifact(artifact.uri or planned.artifacts[0].uri, metadata)
    return outputs


def _value(source: Any, parameters: dict[str, struct_pb2.Value]) -> struct_pb2.Value:
    if source.WhichOneof("kind") == "component_input_parameter":
        return parameters[source.component_input_parameter]
    assert source.runtime_value.WhichOneof("value") == "constant"
    constant: struct_pb2.Value = source.runtime_value.constant
    return constant


def _typed(value: struct_pb2.Value, definition: Any) -> struct_pb2.Value:
    """The driver refuses values of another type than the component states."""
    kinds = {
        kfp.ParameterType.STRING: "string_value",
        kfp.ParameterType.NUMBER_INTEGER: "number_value",
        kfp.ParameterType.NUMBER_DOUBLE: "number_value",
    }
    assert value.WhichOneof("kind") == kinds[definition.parameter_type]
    return value
