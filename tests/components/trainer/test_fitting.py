"""When fitting stops, what it reports, and that a killed one goes on as if it had not been."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.trainer import fitting
from components.trainer.checkpoint import Checkpoint, State, variables
from components.trainer.devices import computing_in
from components.trainer.fitting import Report, compile_model, fit
from components.trainer.inputs import Inputs
from components.trainer.model import HEAD, Head, build
from pipeline.config import Model, Training
from pipeline.errors import SluiceError

STEPS, BATCH = 4, 8
Arrays = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]
NUMBERS, TOKENS = Inputs(("x", "y"), {}), Inputs((), {"word": 5})


@dataclass(frozen=True)
class Task:
    """What a tiny model reads and answers."""

    head: Head
    inputs: Inputs = NUMBERS


BINARY = Task(Head("binary"))
TASKS = {
    "binary": BINARY,
    "multiclass": Task(Head("multiclass", 4)),
    "two classes": Task(Head("multiclass", 2)),
    "regression": Task(Head("regression", 1, 3.0, 1.0)),
    "next numbers": Task(Head("generation", 2)),
    "next token": Task(Head("generation", 5), TOKENS),
}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of fitting catches it."""


def drawn(count: int, task: Task, seed: int = 3) -> Arrays:
    """Padded sequences, a target that is told by their steps, and a weight of 1 for each."""
    random = np.random.default_rng(seed)
    mask = np.arange(STEPS) < random.integers(1, STEPS + 1, count)[:, None]
    numbers = random.normal(size=(count, STEPS, 2)).astype(np.float32) * mask[..., None]
    total = numbers[..., 0].sum(axis=1)
    weights = np.ones(count, np.float32)
    if task.inputs is TOKENS:
        tokens = (np.clip(numbers[..., :1] * 2 + 2, 1, 4) * mask[..., None]).astype(np.int32)
        return (
            {"tokens": tokens[:, :-1], "mask": mask[:, :-1]},
            tokens[:, 1:, 0],
            mask[:, 1:].astype(np.float32),
        )
    if task.head.task == "generation":
        return (
            {"numbers": numbers[:, :-1], "mask": mask[:, :-1]},
            numbers[:, 1:],
            mask[:, 1:].astype(np.float32),
        )
    target = {
        "binary": (total > 0).astype(np.float32)[:, None],
        "multiclass": np.digitize(total, np.linspace(-1, 1, task.head.size - 1)),
        "regression": total[:, None],
    }[task.head.task]
    return {"numbers": numbers, "mask": mask}, target, weights


def batches_of(arrays: Arrays) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(arrays).batch(BATCH)


def shuffled(arrays: Arrays, epoch: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(arrays).shuffle(99, seed=epoch).batch(BATCH)


def a_model(task: Task, training: Training, *, policy: str = "float32", **changes: object) -> keras.Model:
    keras.utils.set_random_seed(training.seed)
    with computing_in(policy):
        model = build(Model(**{"units": (3,), "embedding": 2, **changes}), task.inputs, task.head)
        compile_model(model, task.head, training, jit=False)
    return model


def a_fit(
    folder: Path,
    training: Training,
    task: Task = BINARY,
    *,
    fitted: Arrays | None = None,
    held: Arrays | None = None,
    killed_in: int | None = None,
    **changes: object,
) -> tuple[keras.Model, State]:
    """Fits a tiny model; `killed_in` is the number of the epoch whose batches it never gets."""
    fitted, held = fitted or drawn(32, task), held or drawn(16, task, seed=4)

    def batches(epoch: int) -> tf.data.Dataset:
        if epoch == killed_in:
            raise Killed
        return shuffled(fitted, epoch)

    model = a_model(task, training, **changes)
    report = Report(task.head, training.epochs, str(folder / "logs"))
    checkpoint = Checkpoint(str(folder / "unfinished"), training.model_dump(), changes)
    return model, fit(model, batches, batches_of(held), training, checkpoint, report)


def of_epochs(state: State, name: str) -> list[float]:
    return [epoch[name] for epoch in state.epochs]


class Scripted:
    """A compiled model that reports the validation losses of a script, and whose weight is the epoch."""

    def __init__(self, losses: list[float]) -> None:
        self.losses, self.epoch, self.rates = losses, 0, []
        self.optimizer = keras.optimizers.SGD(1.0)
        self.distribute_strategy = tf.distribute.get_strategy()
        self.variables, self.weight = [], 0

    def fit(self, *_, **__):
        self.rates.append(float(self.optimizer.learning_rate))
        self.weight = self.epoch
        return type("History", (), {"history": {"loss": [1.0], "mean_loss": [1.0]}})

    def evaluate(self, *_, **__):
        self.epoch += 1
        return {"loss": 0.0, "mean_loss": self.losses[self.epoch - 1]}

    def get_weights(self):
        return [np.array(self.weight)]

    def set_weights(self, weights):
        self.weight = int(weights[0])


def run_script(folder: Path, losses: list[float], **training: object) -> tuple[Scripted, State]:
    model = Scripted(losses)
    wanted = Training(**{"epochs": len(losses), "learning_rate": 0.25, **training})
    report = Report(Head("regression"), wanted.epochs, str(folder / "logs"))
    nothing = tf.data.Dataset.range(0)
    return model, fit(model, lambda _: nothing, nothing, wanted, Checkpoint(str(folder)), report)


@settings(deadline=None, max_examples=60)
@given(
    losses=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5]), min_size=1, max_size=8),
    patience=st.integers(1, 4),
)
def test_training_stops_when_patience_is_over_and_keeps_the_best_weights(tmp_path_factory, losses, patience):
    model, state = run_script(tmp_path_factory.mktemp("fit"), losses, patience=patience)
    ran = len(state.epochs)
    for stop in range(1, ran):  # it had not been over before
        assert stop - 1 - int(np.argmin(losses[:stop])) < patience
    best = int(np.argmin(losses[:ran]))
    assert ran == len(losses) or ran - 1 - best == patience
    assert (model.weight, state.best_epoch) == (best, best)


def test_of_equal_losses_the_first_is_the_best(tmp_path):
    model, state = run_script(tmp_path, [0.5, 0.5, 0.5, 0.1], patience=2)
    assert (model.weight, len(state.epochs)) == (0, 3)


def test_the_weights_after_training_are_those_that_had_the_lowest_validation_loss(tmp_path):
    held = drawn(16, BINARY, seed=4)
    wrong = (held[0], 1 - held[1], held[2])  # the better the fit, the worse the validation: the first is best
    model, state = a_fit(tmp_path, Training(epochs=4, patience=3, learning_rate=0.1), held=wrong)
    losses = of_epochs(state, "val_loss")
    assert losses.index(min(losses)) == 0
    assert len(losses) == 4
    judged = model.evaluate(batches_of(wrong), verbose=0, return_dict=True)
    assert judged["mean_loss"] == pytest.approx(min(losses), rel=1e-6)


def test_cosine_falls_along_half_a_cosine(tmp_path):
    model, state = run_script(tmp_path, [9, 8, 7, 6], schedule="cosine")
    expected = [0.25, 0.25 * (2 + math.sqrt(2)) / 4, 0.125, 0.25 * (2 - math.sqrt(2)) / 4]
    assert model.rates == pytest.approx(expected)
    assert of_epochs(state, "learning_rate") == pytest.approx(expected)


def test_plateau_halves_after_every_second_epoch_without_a_better_loss(tmp_path):
    losses = [9, 8, 8.5, 8, 8.2, 7, 9, 9, 9, 9, 9, 9]
    model, _ = run_script(tmp_path, losses, schedule="plateau", patience=10)
    expected = [1, 1, 1, 1, 1 / 2, 1 / 2, 1 / 2, 1 / 2, 1 / 4, 1 / 4, 1 / 8, 1 / 8]
    assert model.rates == pytest.approx([0.25 * one for one in expected])


def test_a_constant_rate_stays(tmp_path):
    model, _ = run_script(tmp_path, [1, 2, 3, 4], schedule="constant", patience=9)
    assert model.rates == [0.25] * 4


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    highest = logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(logits - highest).sum(axis=-1)) + highest[..., 0]


def losses_by_hand(
    head: Head, logits: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Loss, and whether the answer is right, of each sequence or step."""
    logits = logits.astype(float)
    if head.task == "binary":
        z, y = logits[:, 0], target[:, 0]
        return np.logaddexp(0, z) - y * z, (z >= 0) == (y > 0.5)
    if target.dtype.kind == "i":
        chosen = np.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
        return log_sum_exp(logits) - chosen, logits.argmax(axis=-1) == target
    return ((logits - target) ** 2).mean(axis=-1), None


@pytest.mark.parametrize("name", TASKS)
def test_reported_values_are_weighted_means_over_all_sequences(tmp_path, name):
    """Also with a last batch that is smaller, or of one, whose sequences must not weigh more than others."""
    task, random, parts = TASKS[name], np.random.default_rng(1), {}
    for part, count, seed in (("", 14, 3), ("val_", 9, 4)):
        features, target, weights = drawn(count, task, seed)
        weights *= random.choice([0.25, 1, 4], count).reshape(-1, *[1] * (weights.ndim - 1))
        parts[part] = features, target, weights.astype(np.float32)
    training = Training(epochs=1, learning_rate=1e-30)  # so that all batches meet the same weights
    model, state = a_fit(tmp_path, training, task, fitted=parts[""], held=parts["val_"], dropout=0.0, l2=0.1)
    for part, (features, target, weights) in parts.items():
        loss, right = losses_by_hand(task.head, np.asarray(model(features)), target)
        expected = {f"{part}loss": np.average(loss, weights=weights)}
        if right is not None:
            expected[f"{part}accuracy"] = np.average(right, weights=weights)
        found = {key: state.epochs[0].get(key) for key in (f"{part}loss", f"{part}accuracy")}
        assert {key: value for key, value in found.items() if value is not None} == pytest.approx(
            expected, 1e-5
        )


def test_what_is_minimised_is_the_mean_over_what_has_weight(tmp_path):
    """A batch's padding rows, of weight 0, must not make its gradient smaller."""
    features, target, weights = drawn(4, BINARY)
    doubled = {name: np.concatenate([one, one]) for name, one in features.items()}
    padded = doubled, np.concatenate([target, target]), np.concatenate([weights, 0 * weights])
    models = [a_model(BINARY, Training(), dropout=0.0) for _ in range(2)]
    models[0].fit(batches_of((features, target, weights)), verbose=0, shuffle=False)
    models[1].fit(batches_of(padded), verbose=0, shuffle=False)
    for one, other in zip(models[0].optimizer.variables, models[1].optimizer.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("batch_size", [1, BATCH])
@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_class_weights_do_what_keras_own_do(name, batch_size):
    """Also where one batch has a class more often than another, or each has one class only."""
    task = TASKS[name]
    weights = [0.5, 4.0, 1.0, 9.0][: max(2, task.head.size)]
    features, target, ones = drawn(24, task)
    ours = a_model(task, Training(), dropout=0.0)
    plain = a_model(task, Training(), dropout=0.0)
    compile_model(ours, task.head, Training(), jit=False, class_weights=weights)
    losses = {
        "binary": keras.losses.BinaryCrossentropy(from_logits=True),
        "multiclass": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    }
    plain.compile(optimizer=keras.optimizers.Adam(0.001, global_clipnorm=1.0), loss=losses[name])
    batches = tf.data.Dataset.from_tensor_slices((features, target, ones)).batch(batch_size)
    by_hand, _ = losses_by_hand(task.head, np.asarray(ours(features)), target)
    expected = np.mean(by_hand * np.array(weights)[target.ravel().astype(int)])
    assert ours.evaluate(batches, verbose=0, return_dict=True)["mean_loss"] == pytest.approx(expected, 1e-5)
    ours.fit(batches, verbose=0, shuffle=False)
    plain.fit(
        features,
        target,
        batch_size=batch_size,
        class_weight=dict(enumerate(weights)),
        shuffle=False,
        verbose=0,
    )
    for one, other in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_missing_number_is_not_learnt():
    """Its place in the answer has no gradient, and the mean is that over what is known."""
    task = TASKS["next numbers"]
    features, target, weights = drawn(BATCH, task)
    target = target.copy()  # it was a view of the features
    target[np.random.default_rng(5).random(target.shape) < 0.4] = np.nan
    known = np.isfinite(target)
    weights *= known.mean(axis=-1)
    model = a_model(task, Training(), dropout=0.0)
    squared = np.square(np.asarray(model(features), float) - target)
    counts = known & features["mask"][:, :, None] & (weights > 0)[:, :, None]
    found = model.evaluate(batches_of((features, target, weights)), verbose=0, return_dict=True)
    assert found["mean_loss"] == pytest.approx(squared[counts].mean(), 1e-5)
    target[..., 1] = np.nan
    before = model.get_layer(HEAD).get_weights()
    model.fit(batches_of((features, target, 0.5 * (weights > 0))), verbose=0, shuffle=False)
    after = model.get_layer(HEAD).get_weights()
    assert not np.array_equal(after[0][:, 0], before[0][:, 0])
    np.testing.assert_array_equal(after[0][:, 1], before[0][:, 1])
    np.testing.assert_array_equal(after[1][1], before[1][1])


@pytest.mark.parametrize("name", ["next numbers", "next token"])
def test_a_batch_of_sequences_of_one_step_has_no_next_step_and_does_no_harm(tmp_path, name):
    features, target, weights = drawn(20, TASKS[name])
    weights[8:16] = 0
    features["mask"][8:16, 1:] = False
    model, state = a_fit(tmp_path, Training(epochs=2), TASKS[name], held=(features, target, weights))
    model.fit(batches_of((features, target, weights)), verbose=0, shuffle=False)
    assert all(np.isfinite(one.numpy()).all() for one in model.weights)
    assert math.isfinite(state.epochs[-1]["val_loss"])


@pytest.mark.parametrize("norm", [0.01, 0.5])
def test_gradients_are_cut_to_their_norm_together(norm):
    """Adam's first moment after one step is a tenth of the gradient it got."""
    features, target, weights = drawn(8, TASKS["regression"])
    model = a_model(TASKS["regression"], Training(clip_norm=norm))
    model.fit(batches_of((features, target * 1e4, weights)), verbose=0, shuffle=False)
    optimizer = model.optimizer
    moments = [one.numpy() for one in optimizer.variables if "momentum" in one.path]
    assert len(moments) == len(model.trainable_variables)
    assert 10 * math.sqrt(sum((one**2).sum() for one in moments)) == pytest.approx(norm, rel=1e-4)


@pytest.mark.parametrize("cause", ["rate", "features", "validation"])
def test_a_loss_that_is_no_number_ends_training_and_says_what_to_change(tmp_path, cause):
    task = TASKS["regression"]
    fitted, held = drawn(32, task), drawn(16, task, seed=4)
    if cause != "rate":
        (fitted if cause == "features" else held)[0]["numbers"][3, 0] = np.nan
    training = Training(epochs=3, learning_rate=1e30 if cause == "rate" else 1e-3, clip_norm=5)
    with pytest.raises(SluiceError) as caught:
        a_fit(tmp_path, training, task, fitted=fitted, held=held)
    assert caught.value.summary == "training diverged"
    assert caught.value.problems[0].startswith("the loss of epoch 1 is ")
    rate = "1e+30" if cause == "rate" else "0.001"
    assert caught.value.problems[0].endswith(
        f"; lower training.learning_rate ({rate}) or training.clip_norm (5), "
        "and look for features with huge values"
    )


DROPOUT = {"dropout": 0.4, "recurrent_dropout": 0.3}
EVERYTHING = {**DROPOUT, "units": (3, 2), "bidirectional": True, "l2": 0.01}


def results(state: State) -> list[dict[str, float]]:
    """The epochs without how long they took."""
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in state.epochs]


def assert_same(found: tuple[keras.Model, State], expected: tuple[keras.Model, State]) -> None:
    for one, other in zip(variables(found[0]), variables(expected[0]), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=other.path)
    assert results(found[1]) == results(expected[1])
    assert (found[1].best_epoch, found[1].learning_rate) == (
        expected[1].best_epoch,
        expected[1].learning_rate,
    )


def test_the_same_seed_gives_the_same_model_and_another_one_another(tmp_path):
    once, again, other = (
        a_fit(tmp_path / name, Training(epochs=2, seed=seed), **DROPOUT)
        for name, seed in (("once", 7), ("again", 7), ("other", 8))
    )
    assert_same(again, once)
    assert not np.array_equal(other[0].get_weights()[0], once[0].get_weights()[0])


def goes_on_after_a_kill(folder: Path, killed_in: int, training: Training, **changes: object) -> None:
    expected = a_fit(folder / "whole", training, **changes)
    with pytest.raises(Killed):
        a_fit(folder / "killed", training, killed_in=killed_in, **changes)
    found = a_fit(folder / "killed", training, killed_in=0, **changes)  # the first epoch is not done again
    assert_same(found, expected)


def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path):
    """With dropout, whose random state is part of it."""
    training = Training(epochs=5, patience=5, schedule="cosine", learning_rate=0.05)
    goes_on_after_a_kill(tmp_path, 2, training, **DROPOUT)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("killed_in", [1, 3])
def test_a_killed_training_of_any_model_goes_on_as_if_it_had_not_been(tmp_path, killed_in, policy):
    training = Training(epochs=5, patience=5, schedule="plateau", learning_rate=0.3)
    goes_on_after_a_kill(tmp_path, killed_in, training, policy=policy, **EVERYTHING)


def test_a_training_killed_after_its_last_epoch_is_not_done_again(tmp_path):
    expected = a_fit(tmp_path, Training(epochs=1), **DROPOUT)
    found = a_fit(tmp_path, Training(epochs=1), killed_in=0, **DROPOUT)
    assert_same(found, expected)


def the_file(folder: Path) -> Path:
    (path,) = (folder / "unfinished").iterdir()
    return path


def test_a_state_is_read_as_it_was_written(tmp_path):
    arrays = [np.float32([[1, 2]]), np.array(3, np.int64), np.uint32([4, 5]), np.zeros((0, 2), np.float16)]
    state = State(0.1, [{"loss": 1 / 3}, {"loss": 1e-300}], 1, arrays[:1], arrays[1:])
    checkpoint = Checkpoint(str(tmp_path / "a" / "b"), {"x": 1})
    checkpoint.write(State(9.0))
    checkpoint.write(state)
    found = Checkpoint(str(tmp_path / "a" / "b"), {"x": 1}).read()
    assert (found.learning_rate, found.epochs, found.best_epoch) == (0.1, state.epochs, 1)
    for one, other in zip([*found.best, *found.variables], arrays, strict=True):
        assert (one.dtype, one.shape, one.tolist()) == (other.dtype, other.shape, other.tolist())


@settings(deadline=None, max_examples=200)
@given(data=st.data())
def test_a_damaged_state_is_no_state(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    checkpoint = Checkpoint(str(folder / "unfinished"))
    checkpoint.write(State(0.1, [{"loss": 1.0}], 0, [np.float32([1, 2])], [np.float32([3, 4])]))
    content = bytearray(the_file(folder).read_bytes())
    if data.draw(st.booleans(), "cut off"):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    the_file(folder).write_bytes(content)
    assert checkpoint.read() is None


def test_training_begins_anew_where_the_state_is_damaged(tmp_path):
    expected = a_fit(tmp_path / "whole", Training(epochs=2))
    with pytest.raises(Killed):
        a_fit(tmp_path / "killed", Training(epochs=2), killed_in=1)
    path = the_file(tmp_path / "killed")
    path.write_bytes(path.read_bytes()[:-9])
    assert_same(a_fit(tmp_path / "killed", Training(epochs=2)), expected)


def test_a_kill_while_the_state_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    checkpoint = Checkpoint(str(tmp_path / "unfinished"))
    checkpoint.write(State(0.5))

    def killed(*_, **__):
        raise Killed

    monkeypatch.setattr(tf.io.gfile, "rename", killed)
    with pytest.raises(Killed):
        checkpoint.write(State(0.25))
    assert checkpoint.read().learning_rate == 0.5
    checkpoint.delete()
    assert list(tmp_path.iterdir()) == []


def test_a_training_goes_on_from_a_state_of_the_time_when_epochs_had_no_seconds(tmp_path):
    expected = a_fit(tmp_path / "whole", Training(epochs=2))
    with pytest.raises(Killed):
        a_fit(tmp_path / "killed", Training(epochs=2), killed_in=1)
    checkpoint = Checkpoint(str(tmp_path / "killed" / "unfinished"), Training(epochs=2).model_dump(), {})
    state = checkpoint.read()
    state.epochs = results(state)
    checkpoint.write(state)
    found = a_fit(tmp_path / "killed", Training(epochs=2), killed_in=0)
    assert_same(found, expected)
    assert ["seconds" in epoch for epoch in found[1].epochs] == [False, True]


def test_a_state_of_other_settings_is_not_used(tmp_path):
    Checkpoint(str(tmp_path), {"seed": 1}, "transform/1", ["files"]).write(State(0.5))
    for other in (
        ({"seed": 2}, "transform/1", ["files"]),
        ({"seed": 1}, "transform/2", ["files"]),
        ({"seed": 1}, "transform/1", ["files", "more"]),
    ):
        assert Checkpoint(str(tmp_path), *other).read() is None
    assert Checkpoint(str(tmp_path), {"seed": 1}, "transform/1", ["files"]).read().learning_rate == 0.5


def test_deleting_forgets_what_trainings_given_up_have_left_too(tmp_path):
    mine, other = Checkpoint(str(tmp_path / "unfinished"), 1), Checkpoint(str(tmp_path / "unfinished"), 2)
    mine.delete()  # there is none yet
    mine.write(State(1.0))
    other.write(State(2.0))
    mine.delete()
    assert mine.read() is None
    assert list(tmp_path.iterdir()) == []


def scalars(folder: Path) -> dict[tuple[str, str, int], float]:
    """What stands in TensorBoard's event files: (part, name, step) to value."""
    found = {}
    for path in (folder / "logs").glob("*/events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found[path.parent.name, value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    return found


def test_tensorboard_gets_the_values_of_every_epoch(tmp_path):
    _, state = a_fit(tmp_path, Training(epochs=2))
    expected = {
        (part, f"epoch_{name}", step): epoch[f"{prefix}{name}"]
        for part, prefix in (("train", ""), ("validation", "val_"))
        for name in ("loss", "accuracy")
        for step, epoch in enumerate(state.epochs, start=1)
    }
    assert scalars(tmp_path) == pytest.approx(expected, rel=1e-6)


def test_an_epoch_s_seconds_are_those_that_pass_while_it_is_fitted_and_judged(tmp_path, monkeypatch):
    clock = iter([10.0, 12.5, 100.0, 100.12345])
    monkeypatch.setattr(fitting, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    _, state = a_fit(tmp_path, Training(epochs=2))
    assert of_epochs(state, "seconds") == [2.5, 0.1235]


def test_tensorboard_gets_the_epochs_of_the_killed_run_too(tmp_path):
    with pytest.raises(Killed):
        a_fit(tmp_path, Training(epochs=3), killed_in=2)
    for path in (tmp_path / "logs").glob("*/events*"):
        path.unlink()
    a_fit(tmp_path, Training(epochs=3))
    assert {step for _, _, step in scalars(tmp_path)} == {1, 2, 3}


def test_a_regression_s_errors_are_told_in_the_label_s_unit(tmp_path):
    report = Report(Head("regression", 1, 20.0, 5.0), 1, str(tmp_path))
    assert report.shown({"loss": 0.25, "val_loss": 0.04}) == {
        "train": {"loss": 0.25, "rmse": pytest.approx(10)},
        "validation": {"loss": 0.04, "rmse": pytest.approx(4)},
    }


def test_perplexity_is_told_of_tokens_only(tmp_path):
    tokens = Report(Head("generation", 5), 1, str(tmp_path))
    metrics = {"loss": math.log(3), "accuracy": 0.5, "val_loss": 1e4, "val_accuracy": 0.0}
    shown = tokens.shown(metrics)
    assert shown["train"] == {"loss": math.log(3), "accuracy": 0.5, "perplexity": pytest.approx(3)}
    assert math.isfinite(shown["validation"]["perplexity"])
    numbers = Report(Head("generation", 5), 1, str(tmp_path))
    assert numbers.shown({"loss": 2.0, "val_loss": 3.0}) == {
        "train": {"loss": 2.0},
        "validation": {"loss": 3.0},
    }


def test_each_epoch_is_a_line_of_the_log(tmp_path, caplog):
    with caplog.at_level(logging.INFO, "sluice.training"):
        report = Report(Head("binary"), 20, str(tmp_path))
        epoch = {"loss": 0.5, "accuracy": 0.75, "val_loss": 0.25, "val_accuracy": 1.0}
        report.epoch([epoch, epoch])
    assert caplog.messages == [
        "epoch 2/20  loss 0.5000  accuracy 0.7500  validation loss 0.2500  accuracy 1.0000"
    ]
