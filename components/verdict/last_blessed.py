"""Which model a new one is compared with."""

from typing import Any

import tensorflow as tf
from tfx import types
from tfx import v1 as tfx
from tfx.utils import io_utils, path_utils

from components.pusher.target import target_at

MODEL, BLESSING, CANDIDATE = "model", "model_blessing", "candidate"
VERSION, NONE_YET = "pushed_version", "none"  # property of what `LastPushed` found, and its value if nothing


class LastBlessedOther(tfx.dsl.experimental.LatestBlessedModelStrategy):
    """The latest blessed model that is not the candidate itself.

    TFX's own strategy gives a model that is judged again to itself as the baseline: nothing to compare, and
    a repeated run would find no stage after it in the cache, and push the same model a second time.
    """

    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Resolves `model` and `model_blessing`, given the `candidate`; see the base class."""
        candidates = input_dict[CANDIDATE]
        others = [model for model in input_dict[MODEL] if model.id not in {one.id for one in candidates}]
        found = super().resolve_artifacts(store, {MODEL: others, BLESSING: input_dict[BLESSING]})
        return {**found, CANDIDATE: candidates}


@tfx.dsl.components.component
def LastPushed(  # noqa: N802 (TFX names a component by its function)
    model: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.Model],
    push_base: tfx.dsl.components.Parameter[str],
) -> None:
    """Copies the model that TensorFlow Serving serves: the last one that was blessed, servable and pushed.

    It takes the resolver's place on Kubeflow Pipelines, whose server refuses a specification with one.

    Args:
      model: the newest version, which its property `pushed_version` names; empty where there is none.
      push_base: what TensorFlow Serving polls.
    """
    newest = next(iter(target_at(push_base).versions().items()), None)
    if newest is None:
        model.set_string_custom_property(VERSION, NONE_YET)
        tf.io.gfile.makedirs(model.uri)
        return
    version, path = newest
    io_utils.copy_dir(path, path_utils.serving_model_dir(model.uri))
    model.set_string_custom_property(VERSION, str(version))
