"""Stock TFX's Evaluator, which survives a baseline that cannot be compared, and blesses nothing.

The stock one fails on a last blessed model of other features or another task, and blesses whatever
meets the bounds by its point values: TFX's resolver would take a model that the verdict refused for
the last blessed one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tfx import types
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.components.evaluator.executor import Executor
from tfx.dsl.components.base import executor_spec
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import io_utils, path_utils

from components.verdict import last_blessed

BASELINE_PROPERTY = (
    "baseline"  # of the evaluation: why the last blessed model was not compared; empty if it was
)
NO_BASELINE = "there is no blessed model yet"
SAME_MODEL = "this model is the last blessed one"

_QUESTION, _ANSWER = "sequences", "serving_default"  # signatures


class ComparingExecutor(Executor):
    """Leaves out a baseline that cannot be asked what the model is asked."""

    def Do(  # noqa: N802 (TFX's name)
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """See the base class; writes why there is no comparison on the evaluation artifact."""
        model = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_KEY])
        reason = _why_not(model, input_dict.get(standard_component_specs.BASELINE_MODEL_KEY) or [])
        inputs = dict(input_dict)
        if reason:
            inputs.pop(standard_component_specs.BASELINE_MODEL_KEY, None)
        super().Do(inputs, output_dict, exec_properties)
        evaluation = artifact_utils.get_single_instance(output_dict[constants.EVALUATION_KEY])
        evaluation.set_string_custom_property(BASELINE_PROPERTY, reason)
        _propose(
            artifact_utils.get_single_instance(output_dict[standard_component_specs.BLESSING_KEY]), model
        )


class Evaluator(tfx.components.Evaluator):
    """Evaluates a model with TFMA, beside the last blessed one where both can be asked the same."""

    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(ComparingExecutor)


def _why_not(model: types.Artifact, baseline: Sequence[types.Artifact]) -> str:
    if not baseline or baseline[0].get_string_custom_property(last_blessed.VERSION) == last_blessed.NONE_YET:
        return NO_BASELINE
    if baseline[0].uri == model.uri:
        return SAME_MODEL
    return not_comparable(
        *(_signatures(path_utils.serving_model_path(one.uri)) for one in (model, *baseline))
    )


def not_comparable(model: Mapping[str, Any], baseline: Mapping[str, Any]) -> str:
    """Why a baseline cannot be asked about examples made for a model; empty where it can.

    A feature that is new does not matter to the baseline. One that it misses, or that has another type,
    leaves it without its question.

    Args:
      model: SignatureDef by name.
      baseline: the same of the last blessed model.
    """
    if not baseline:
        return "the last blessed model cannot be read any more"
    if missing := sorted(set(model) - set(baseline)):
        return f"the last blessed model has no signature {', '.join(missing)}: it was made for another task"
    answers, others = (set(one[_ANSWER].outputs) for one in (model, baseline))
    if answers != others:
        said, wanted = (", ".join(sorted(names)) for names in (others, answers))
        return f"the last blessed model answers {said}, this one {wanted}"
    features, asked = ({**one[_QUESTION].inputs} for one in (model, baseline))
    if missing := sorted(set(asked) - set(features)):
        return f"the last blessed model reads features that are not there any more: {', '.join(missing)}"
    changed = sorted(name for name in asked if asked[name].dtype != features[name].dtype)
    if changed:
        return f"the last blessed model reads features as another type: {', '.join(changed)}"
    return ""


def _signatures(folder: str) -> dict[str, Any]:
    try:
        with tf.io.gfile.GFile(f"{folder}/saved_model.pb", "rb") as file:
            saved = saved_model_pb2.SavedModel.FromString(file.read())
    except (tf.errors.OpError, DecodeError):  # removed, or damaged
        return {}
    return dict(saved.meta_graphs[0].signature_def) if saved.meta_graphs else {}


def _propose(blessing: types.Artifact, model: types.Artifact) -> None:
    """Takes back the blessing that TFMA's point values may have given, and says which model it is about.

    Only the verdict blesses. It copies what the model is called from here, for TFX turns the id into
    Kubeflow's own name in the Evaluator's output alone.
    """
    blessing.set_string_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    given = f"{blessing.uri}/{constants.BLESSED_FILE_NAME}"
    if tf.io.gfile.exists(given):
        tf.io.gfile.remove(given)
        io_utils.write_string_file(f"{blessing.uri}/{constants.NOT_BLESSED_FILE_NAME}", "")
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, constants.NOT_BLESSED_VALUE)
