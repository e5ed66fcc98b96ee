"""The Evaluator's own additions: which baseline can be compared, and who may bless."""

from pathlib import Path

import pytest
import tensorflow as tf
from tfx import types
from tfx import v1 as tfx
from tfx.components.evaluator.executor import Executor
from tfx.types import artifact_utils

from components.verdict.evaluator import (
    BASELINE_PROPERTY,
    NO_BASELINE,
    SAME_MODEL,
    ComparingExecutor,
)
from components.verdict.last_blessed import NONE_YET, VERSION, LastBlessedOther

artifacts = tfx.types.standard_artifacts


class Answering(tf.Module):
    """A model with the signatures of an export: features by type, and the names of what it answers."""

    def __init__(self, features: dict[str, tf.DType], answers: tuple[str, ...]) -> None:
        super().__init__()
        self._features, self._answers = features, answers

    def save(self, folder: str, *more: str) -> None:
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serving_default(examples):
            return {name: tf.strings.length(examples) for name in self._answers}

        @tf.function
        def sequences(lengths, **features):
            return {"lengths": lengths, **{f"{name}_": tf.identity(one) for name, one in features.items()}}

        specs = {name: tf.TensorSpec([None, None], kind, name=name) for name, kind in self._features.items()}
        lengths = tf.TensorSpec([None], tf.int64, name="lengths")
        concrete = sequences.get_concrete_function(lengths=lengths, **specs)
        signatures = {"serving_default": serving_default, "sequences": concrete}
        tf.saved_model.save(self, folder, signatures=signatures | dict.fromkeys(more, serving_default))


CLASSIFIER = ("probabilities", "label", "score", "classes")
TWO = {"f0": tf.float32, "f1": tf.float32}


def model(folder: Path, features=TWO, answers=CLASSIFIER, *more: str) -> types.Artifact:
    Answering(features, answers).save(f"{folder}/Format-Serving", *more)
    artifact = artifacts.Model()
    artifact.uri = str(folder)
    return artifact


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the executor with a stock one that only says which baseline it was given, and blesses."""

    def stock(self, input_dict, output_dict, exec_properties):
        del self, exec_properties
        given.append([one.uri for one in input_dict.get("baseline_model", [])])
        blessing = output_dict["blessing"][0]
        Path(blessing.uri, "BLESSED").touch()
        blessing.set_int_custom_property("blessed", 1)

    given: list[list[str]] = []
    monkeypatch.setattr(Executor, "Do", stock)

    def made(candidate, *baseline):
        outputs = {"evaluation": [artifacts.ModelEvaluation()], "blessing": [artifacts.ModelBlessing()]}
        for name, (artifact,) in outputs.items():
            artifact.uri = str(tmp_path / name)
            (tmp_path / name).mkdir(exist_ok=True)
        inputs = {"model": [candidate], "baseline_model": list(baseline)}
        ComparingExecutor().Do(inputs, outputs, {})
        reason = outputs["evaluation"][0].get_string_custom_property(BASELINE_PROPERTY)
        return given[-1], reason, outputs["blessing"][0]

    return made


def test_a_baseline_that_reads_what_there_is_is_compared(run, tmp_path):
    ours = model(tmp_path / "ours", {**TWO, "f2": tf.float32})
    for name, features in (("same", {**TWO, "f2": tf.float32}), ("fewer", TWO)):
        theirs = model(tmp_path / name, features)
        assert run(ours, theirs)[:2] == ([theirs.uri], "")


def test_the_first_model_and_a_model_judged_again_have_no_baseline(run, tmp_path):
    ours = model(tmp_path / "ours")
    assert run(ours)[:2] == ([], NO_BASELINE)
    assert run(ours, ours)[:2] == ([], SAME_MODEL)
    nothing = artifacts.Model()
    nothing.set_string_custom_property(VERSION, NONE_YET)
    assert run(ours, nothing)[:2] == ([], NO_BASELINE)


@pytest.mark.parametrize(
    ("features", "answers", "reason"),
    [
        ({**TWO, "f9": tf.float32}, CLASSIFIER, "reads features that are not there any more: f9"),
        ({"f0": tf.string, "f1": tf.float32}, CLASSIFIER, "reads features as another type: f0"),
        (TWO, ("prediction",), "answers prediction, this one classes, label, probabilities, score"),
    ],
)
def test_a_baseline_that_cannot_be_asked_the_same_is_left_out_with_the_reason(
    run, tmp_path, features, answers, reason
):
    ours, theirs = model(tmp_path / "ours"), model(tmp_path / "theirs", features, answers)
    given, said, _ = run(ours, theirs)
    assert given == []
    assert said == f"the last blessed model {reason}"


def test_a_baseline_of_another_task_lacks_a_signature(run, tmp_path):
    ours = model(tmp_path / "ours", TWO, CLASSIFIER, "evaluation", "generate")
    assert run(ours, model(tmp_path / "theirs"))[1] == (
        "the last blessed model has no signature evaluation, generate: it was made for another task"
    )


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
        lambda file: file.write_bytes(b""),
    ],
)
def test_a_baseline_that_is_gone_or_damaged_does_not_end_the_run(run, tmp_path, damage):
    ours, theirs = model(tmp_path / "ours"), model(tmp_path / "theirs")
    damage(tmp_path / "theirs" / "Format-Serving" / "saved_model.pb")
    given, said, _ = run(ours, theirs)
    assert given == []
    assert said == "the last blessed model cannot be read any more"


def test_what_tfma_blesses_is_no_blessing(run, tmp_path):
    ours = model(tmp_path / "ours")
    ours.id = 7
    _, _, blessing = run(ours)
    assert blessing.get_int_custom_property("blessed") == 0
    assert blessing.get_int_custom_property("current_model_id") == 7
    assert blessing.get_string_custom_property("current_model") == ours.uri
    assert [path.name for path in Path(blessing.uri).iterdir()] == ["NOT_BLESSED"]


def blessed_by_id(*ids: int):
    found = []
    for at in ids:
        one = artifacts.ModelBlessing()
        one.set_int_custom_property("current_model_id", at)
        one.set_int_custom_property("blessed", 1)
        found.append(one)
    return found


def models(*ids: int):
    found = [artifacts.Model() for _ in ids]
    for one, at in zip(found, ids, strict=True):
        one.id = at
    return found


@pytest.mark.parametrize(
    ("blessed", "candidate", "expected"),
    [((), 3, []), ((1, 2), 3, [2]), ((1, 2, 3), 3, [2]), ((3,), 3, []), ((1, 3), 1, [3])],
)
def test_the_last_blessed_model_is_another_than_the_one_that_is_judged(blessed, candidate, expected):
    asked = {
        "model": models(1, 2, 3),
        "model_blessing": blessed_by_id(*blessed),
        "candidate": models(candidate),
    }
    found = LastBlessedOther().resolve_artifacts(None, asked)
    assert [one.id for one in found["model"]] == expected
    assert artifact_utils.get_single_instance(found["candidate"]).id == candidate
