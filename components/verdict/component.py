"""Verdict: decides on a model and blesses it or not. ModelGate: ends the run where it did not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import tensorflow_transform as tft
from tfx import v1 as tfx
from tfx.components.evaluator import constants
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.artifact_json import read, write
from components.trainer.classes import in_order
from components.trainer.generation import PROMPTS
from components.trainer.inputs import read_inputs, read_vocabulary
from components.trainer.metrics.classification import CONFUSION_MATRIX
from components.transform.preprocessing import CLASSES
from components.transform.tokens import of_one_line
from components.verdict.decisions import Decision
from components.verdict.eval_config import names_of_slices
from components.verdict.evaluation import Evidence, SliceMetrics, read_evaluation
from components.verdict.evaluator import BASELINE_PROPERTY, NO_BASELINE, SAME_MODEL
from components.verdict.gates import judge
from components.verdict.intervals import Intervals
from components.verdict.policy import PARADOX, accuracy_alone
from components.verdict.shown import Words
from components.verdict.slices import has_classes
from components.verdict.trivial_metrics import trivial_metrics
from pipeline.at_start import with_thresholds
from pipeline.config import Config
from pipeline.errors import ModelRefused
from pipeline.words import on_one_line

VERDICT, EVALUATION = "verdict.json", "evaluation.json"
_TRAIN, _EVAL = "train", "eval"
_NOT_NEEDED = "--force-bless changed nothing: the model is no worse than the last blessed one"


@tfx.dsl.components.component
def Verdict(  # noqa: N802 (TFX names a component by its function)
    proposal: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    train_evaluation: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    transformed_examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    transform_graph: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.TransformGraph],
    blessing: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    config: tfx.dsl.components.Parameter[str],
    forced: tfx.dsl.components.Parameter[str],
    forced_by: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
    thresholds: tfx.dsl.components.Parameter[str] = "",
) -> None:
    """Decides on a model.

    Args:
      proposal: the Evaluator's ModelBlessing, which says what the model is called.
      evaluation: what TFMA measured on the evaluation split, beside the last blessed model.
      train_evaluation: what it measured on the training split.
      transformed_examples: of both splits, for the trivial models.
      transform_graph: what made them.
      blessing: as the stock Evaluator's, with `verdict.json` and `evaluation.json` beside.
      config: the configuration as JSON; only what the verdict needs.
      forced: why the model may be worse than the last blessed one; empty where it may not.
      forced_by: who took that on themselves.
      code: a digest of the code, so that the verdict is made anew when it changes.
      thresholds: other `gate.thresholds` as YAML, given when the run was started.

    Raises:
      ConfigError: the run was started with bounds that there cannot be.
    """
    del code  # it only takes part in the cache key
    forced = on_one_line(forced)  # on Kubeflow it comes from a form
    settings = with_thresholds(Config.model_validate_json(config), thresholds)
    names = names_of_slices(settings)
    reason = evaluation.get_string_custom_property(BASELINE_PROPERTY)
    found = read_evaluation(evaluation.uri, names)
    transform = tft.TFTransformOutput(transform_graph.uri)
    evidence = Evidence(
        eval=found,
        train=read_evaluation(train_evaluation.uri, names).slices,
        trivial=trivial_metrics(
            settings.task,
            settings.label,
            _classes(settings, transform),
            transform,
            *([f"{uri}/*"] for uri in _splits(transformed_examples)),
        ),
        no_baseline=reason,
        first=reason in (NO_BASELINE, SAME_MODEL),
    )
    decisions = judge(settings, evidence, forced)
    blessed = all(decision.passed for decision in decisions)
    words = _words(settings, transform)
    write(blessing.uri, EVALUATION, evaluation_json(evidence, settings.gate.confidence, words))
    write(blessing.uri, VERDICT, verdict_json(settings, decisions, forced, forced_by))
    _bless(blessing, proposal, blessed=blessed)


@tfx.dsl.components.component
def ModelGate(  # noqa: N802 (TFX names a component by its function)
    blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
) -> None:
    """Lets a run go on where the model is blessed.

    It is a stage of its own so that the verdict is registered before the run ends.

    Args:
      blessing: of the verdict.

    Raises:
      ModelRefused: with every reason.
    """
    refused = [one for one in read(blessing.uri, VERDICT)["decisions"] if not one["passed"]]
    if refused:
        raise ModelRefused(
            f"the model misses {len(refused)} requirement{'' if len(refused) == 1 else 's'}",
            [one["reason"] for one in refused],
        )


def evaluation_json(
    evidence: Evidence, confidence: float | None, words: Words | None = None
) -> dict[str, object]:
    """What was measured, with the interval of each metric by itself; `words` are those of continuations."""
    return {
        "confidence": confidence,
        "slices": [_slice_json(one, confidence) for one in evidence.eval.slices],
        "train": [_slice_json(one, None) for one in evidence.train],
        "baseline": [_slice_json(one, None) for one in evidence.eval.baseline],
        "trivial": {name: dict(metrics) for name, metrics in evidence.trivial.items()},
        **_shown_json(evidence, words),
    }


def _shown_json(evidence: Evidence, words: Words | None) -> dict[str, object]:
    """What is shown of the whole evaluation split."""
    overall = next((one for one in evidence.eval.slices if not one.slice), None)
    if overall is None or overall.shown is None:
        return {}
    return overall.shown.as_json(overall.examples, words)


def verdict_json(
    config: Config, decisions: Sequence[Decision], forced: str, forced_by: str = ""
) -> dict[str, object]:
    """The verdict: whether the model is blessed, and every decision."""
    needed = any(decision.forced for decision in decisions)
    return {
        "blessed": all(decision.passed for decision in decisions),
        "forced": forced if needed else None,
        "forced_by": forced_by if needed else None,
        "warnings": [
            *([PARADOX] if accuracy_alone(config) else ()),
            *([_NOT_NEEDED] if forced and not needed else ()),
        ],
        "decisions": [decision.as_json() for decision in decisions],
    }


def _slice_json(one: SliceMetrics, confidence: float | None) -> dict[str, object]:
    """A slice as it stands in evaluation.json; without a confidence, without intervals."""
    metrics: dict[str, Mapping[str, float | None]] = {}
    intervals = Intervals(one, confidence)
    for name, value in one.metrics.items():
        found = intervals.of(name) if confidence else None
        metrics[name] = {
            "value": value,
            "lower": found.lower if found else None,
            "upper": found.upper if found else None,
        }
    confusion = {} if one.confusion is None else {CONFUSION_MATRIX: asdict(one.confusion)}
    return {"slice": dict(one.slice), "examples": one.examples, "metrics": metrics, **confusion}


def _classes(config: Config, transform: tft.TFTransformOutput) -> tuple[str, ...]:
    """The classes in the order of the model's probabilities."""
    if not has_classes(config):
        return ()
    return in_order([line.decode() for line in transform.vocabulary_by_name(CLASSES)], config.data.positive)


def _words(config: Config, transform: tft.TFTransformOutput) -> Words | None:
    """What the ids of the tokens stand for that a model goes on with; None where it is no such model."""
    if config.task != "generation" or not (inputs := read_inputs(transform, config.label)).tokens:
        return None
    (feature,) = inputs.tokens
    _, between = PROMPTS[config.prompt(config.data.features or {})]
    return Words([of_one_line(token) for token in read_vocabulary(transform, feature)], between)


def _splits(examples: Any) -> list[str]:
    return [artifact_utils.get_split_uri([examples], split) for split in (_TRAIN, _EVAL)]


def _bless(blessing: Any, proposal: Any, *, blessed: bool) -> None:
    """Says it in the way that the stock Evaluator does, for Pusher, resolver and other tools of TFX."""
    for key in (
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY,
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
    ):
        called = proposal.mlmd_artifact.custom_properties[key]
        blessing.mlmd_artifact.custom_properties[key].CopyFrom(called)
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_BLESSED_KEY, int(blessed))
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(f"{blessing.uri}/{name}", "")
