"""Stock TFX's Pusher with a push that appears whole or not at all.

The stock one copies in place, names versions by the second, and takes a half-copied folder that is
already there for a push that is done.
"""

import logging
from typing import Any

from tfx import types
from tfx import v1 as tfx
from tfx.components.pusher.executor import Executor
from tfx.dsl.components.base import executor_spec
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from components.artifact_json import read
from components.pusher.manifest import Origin
from components.pusher.source import LocalFolder, Source
from components.pusher.target import Pushed, target_at
from components.verdict.component import VERDICT
from pipeline.errors import SluiceError
from pipeline.record import run_id_of
from pipeline.summary import met_and_asked

log = logging.getLogger("sluice.pusher")

KEEP = "keep"  # in custom_config: how many of the newest versions stay
# Of the PushedModel, beside the stock ones (pushed, pushed_destination, pushed_version).
SHA256, ALREADY_SERVED = "sha256", "already_served"

_MODEL_IN_BLESSING = "has_model"  # of an InfraBlessing: it holds the model, with warm-up requests


class SafeExecutor(Executor):
    """Pushes a blessed model to the base path of TensorFlow Serving."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the base class.

        Raises:
          SluiceError: nothing was pushed, and why.
        """
        pushed_model = artifact_utils.get_single_instance(
            output_dict[standard_component_specs.PUSHED_MODEL_KEY]
        )
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed_model)
            return
        model = self.GetModelPath(input_dict)
        custom = json_utils.loads(exec_properties[standard_component_specs.CUSTOM_CONFIG_KEY])
        target = target_at(_base(exec_properties))
        pushed = target.push(_source(model), self._origin(input_dict), custom[KEEP])
        if pushed.already_served:
            log.info("version %d has this content already: nothing is pushed", pushed.version)
        else:
            io_utils.copy_dir(model, pushed_model.uri)  # as the stock one does, for archiving
        self._say(pushed_model, pushed)

    def GetModelPath(self, input_dict: dict[str, list[types.Artifact]]) -> str:  # noqa: N802 (TFX's name)
        """The model with warm-up requests where the InfraBlessing holds one, else the trainer's."""
        blessings = input_dict.get(standard_component_specs.INFRA_BLESSING_KEY)
        if blessings and blessings[0].get_int_custom_property(_MODEL_IN_BLESSING):
            return str(path_utils.stamped_model_path(blessings[0].uri))
        return str(super().GetModelPath(input_dict))

    def _say(self, pushed_model: types.Artifact, pushed: Pushed) -> None:
        self._MarkPushed(pushed_model, pushed_destination=pushed.path, pushed_version=str(pushed.version))
        pushed_model.set_string_custom_property(SHA256, pushed.sha256)
        pushed_model.set_int_custom_property(ALREADY_SERVED, int(pushed.already_served))

    def _origin(self, input_dict: dict[str, list[types.Artifact]]) -> Origin:
        run = self._context and self._context.pipeline_run_id  # Kubeflow tells a step nothing of its run
        run_id = run_id_of(run) if run else None
        blessings = input_dict.get(standard_component_specs.MODEL_BLESSING_KEY)
        if not blessings or not fileio.exists(f"{blessings[0].uri.rstrip('/')}/{VERDICT}"):
            return Origin(run_id)
        verdict = read(blessings[0].uri, VERDICT)
        met, asked = met_and_asked(verdict["decisions"])
        forced = verdict["forced"] and {"reason": verdict["forced"], "by": verdict["forced_by"]}
        return Origin(run_id, {"blessed": verdict["blessed"], "met": met, "asked": asked}, forced)


class Pusher(tfx.components.Pusher):
    """Hands a blessed model to TensorFlow Serving as a new version, crash-safe."""

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(SafeExecutor)


def _base(exec_properties: dict[str, Any]) -> str:
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
    if destination.WhichOneof("destination") != "filesystem":
        raise SluiceError("the push destination is no file system; give its base_directory")
    return str(destination.filesystem.base_directory)


def _source(path: str) -> Source:
    if "://" not in path:
        return LocalFolder(path)
    from components.pusher.object_store import RemoteFolder

    return RemoteFolder(path)
