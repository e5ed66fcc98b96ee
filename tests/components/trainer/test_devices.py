"""What the machine has decides how the training computes."""

import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer import devices
from components.trainer.devices import computing_in, precision, strategy, xla_pays
from components.trainer.fitting import compile_model
from components.trainer.inputs import Inputs
from components.trainer.model import Head, answering, build
from pipeline.config import Model, Training

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def machine(monkeypatch):
    """A machine with GPUs of these compute capabilities; None is one that does not tell."""

    def has(*capabilities: tuple[int, int] | None) -> None:
        gpus = dict(enumerate(capabilities))
        details = {place: {} if one is None else {"compute_capability": one} for place, one in gpus.items()}
        monkeypatch.setattr(
            tf.config, "list_physical_devices", lambda kind: list(gpus) if kind == "GPU" else []
        )
        monkeypatch.setattr(
            tf.config, "list_logical_devices", lambda kind: list(gpus) if kind == "GPU" else []
        )
        monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)

    return has


@pytest.mark.parametrize(
    ("steps", "shapes", "state", "expected"),
    [
        (999_999, 1, 1024, False),
        (1_000_000, 1, 1024, True),
        (1_000_000, 2, 1024, False),
        (2_000_000, 2, 64 * 64, True),
        (2_000_000, 2, 64 * 65, False),
    ],
)
def test_xla_pays_from_a_million_steps_a_shape_on_for_small_states(machine, steps, shapes, state, expected):
    machine()
    assert xla_pays(steps, shapes, state) is expected


def test_xla_never_pays_on_a_gpu(machine):
    machine((8, 0))
    assert not xla_pays(10**12, 1, 1)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ([], "float32"),
        ([(6, 1)], "float32"),
        ([(7, 0)], "mixed_float16"),
        ([(8, 6), (9, 0)], "mixed_float16"),
        ([(8, 6), (6, 1)], "float32"),
        ([None], "float32"),
        ([(10, 0)], "mixed_float16"),
    ],
)
def test_float16_is_computed_where_every_gpu_is_fast_at_it(machine, capabilities, expected):
    machine(*capabilities)
    assert precision() == expected


def test_several_gpus_share_each_batch(machine, monkeypatch):
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    machine((8, 0), (8, 0))
    assert strategy() == "mirrored"
    for few in ([], [(8, 0)]):
        machine(*few)
        assert strategy() is tf.distribute.get_strategy()


def test_a_precision_ends_with_its_block():
    before = keras.config.dtype_policy()
    with pytest.raises(KeyError), computing_in("mixed_float16"):
        assert keras.config.dtype_policy().name == "mixed_float16"
        raise KeyError
    assert keras.config.dtype_policy() is before


def test_importing_touches_no_device():
    assert all(not isinstance(one, tf.config.PhysicalDevice) for one in vars(devices).values())


def test_float16_trains_and_answers_as_float32_does():
    config, head, inputs = (
        Model(units=(4,), dropout=0.0, embedding=3),
        Head("binary"),
        Inputs(("x",), {"word": 5}),
    )
    keras.utils.set_random_seed(1)
    with computing_in("mixed_float16"):
        model = build(config, inputs, head)
        compile_model(model, head, Training(), jit=False)
    random = np.random.default_rng(1)
    features = {
        "numbers": random.normal(size=(16, 5, 1)).astype(np.float32),
        "tokens": random.integers(0, 5, (16, 5, 1)).astype(np.int32),
        "mask": np.arange(5) < random.integers(1, 6, 16)[:, None],
    }
    target = (features["numbers"].sum(axis=(1, 2)) > 0).astype(np.float32)[:, None]
    before = model.get_weights()
    model.optimizer.learning_rate = 0.25
    batches = tf.data.Dataset.from_tensor_slices((features, target, np.ones(16, np.float32))).batch(8)
    history = model.fit(batches, epochs=2, verbose=0, shuffle=False).history
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert float(model.optimizer.inner_optimizer.learning_rate) == 0.25
    assert np.isfinite(history["mean_loss"]).all()
    moved = [np.abs(one - other).max() for one, other in zip(model.get_weights(), before, strict=True)]
    assert max(moved) > 0.1  # as only the rate that was set moves them
    assert all(weight.dtype == np.float32 for weight in model.get_weights())
    logits = model(features)
    assert (model.layers[-1].name, logits.dtype) == ("head", tf.float32)
    assert keras.config.dtype_policy().name == "float32"
    answers = np.asarray(answering(model, config, inputs, head)(features))
    expected = 1 / (1 + np.exp(-logits.numpy()[:, 0].astype(float)))
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers[:, 1], expected, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("widths", [(), (3, 6)])
def test_two_devices_fit_one_model(transformed, tmp_path, widths):
    """With a kill in between; in a process of its own, whose CPU counts as two devices."""
    program = f"""
        import sys
        import numpy as np
        import tensorflow as tf
        import tensorflow_transform as tft
        from components.trainer.checkpoint import Checkpoint
        from components.trainer.dataset import Data
        from components.trainer.fitting import Report, compile_model, fit
        from components.trainer.inputs import read_inputs
        from components.trainer.model import Head, answering, build
        from components.trainer.target import Target
        from pipeline.config import Model, Training

        cpu, = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        transform = tft.TFTransformOutput({transformed.output.transform_savedmodel_dir.rsplit("/", 1)[0]!r})
        inputs, head = read_inputs(transform, "kind"), Head("multiclass", 3)
        config, training = Model(units=(4,), dropout=0.2), Training(epochs=2, batch_size=6)
        target = Target(head, ("2", "10", "z"))
        data = Data([{transformed.files!r}], transform, inputs, target, "kind", 7, {widths!r})
        mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
        assert mirrored.num_replicas_in_sync == 2
        part = data.part(None, 1)

        def run(last):
            fitted = part.epochs(36, 1)
            with mirrored.scope():
                model = build(config, inputs, head)
                compile_model(model, head, training, jit=False)
            def batches(epoch):
                if epoch == last:
                    raise KeyboardInterrupt
                return fitted(epoch)
            report = Report(head, 2, {str(tmp_path / "logs")!r})
            return model, fit(model, batches, part.sorted(), training, Checkpoint({str(tmp_path)!r}), report)

        try:
            run(1)
        except KeyboardInterrupt:
            pass
        model, state = run(None)
        assert len(state.epochs) == 2
        answers = answering(model, config, inputs, head)
        found, count = 0.0, 0
        for inputs, target, weight in part.in_order().as_numpy_iterator():
            chosen = answers(inputs).numpy()[np.arange(len(target)), target]
            found, count = found - (weight * np.log(chosen)).sum(), count + weight.sum()
        assert count == 36
        np.testing.assert_allclose(state.epochs[state.best_epoch]["val_loss"], found / count, rtol=1e-4)
        print("done")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "done" in done.stdout
