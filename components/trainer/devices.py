"""What the machine has: which way of computing pays there."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import tensorflow as tf

_STEPS_XLA_PAYS_FROM = 1_000_000  # on a CPU, for each shape it compiles; fewer are sooner fitted without
_STATE_XLA_PAYS_TO = 4096  # numbers in the state of a batch; beyond, TensorFlow's own products are faster
_TENSOR_CORES = (7, 0)  # compute capability from which on float16 is faster


def xla_pays(steps: int, shapes: int, state: int) -> bool:
    """Whether compiling the training with XLA takes less time than it saves; see benchmarks/RESULTS.md.

    Never on a GPU, where cuDNN's GRU is faster than what XLA makes of a loop.

    Args:
      steps: of all sequences and epochs together.
      shapes: of batches, for each of which it is compiled.
      state: numbers in the state of a batch: its sequences times the units of the widest layer.
    """
    enough, small = steps >= shapes * _STEPS_XLA_PAYS_FROM, state <= _STATE_XLA_PAYS_TO
    return enough and small and not tf.config.list_physical_devices("GPU")


def strategy() -> tf.distribute.Strategy:
    """MirroredStrategy where there are several GPUs, else the default."""
    several = len(tf.config.list_logical_devices("GPU")) > 1
    return tf.distribute.MirroredStrategy() if several else tf.distribute.get_strategy()


def precision() -> str:
    """`mixed_float16` where every GPU computes it faster, else `float32`."""
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    fast = all(one.get("compute_capability", (0, 0)) >= _TENSOR_CORES for one in details)
    return "mixed_float16" if gpus and fast else "float32"


@contextmanager
def computing_in(policy: str) -> Iterator[None]:
    """Layers made inside compute in this precision."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
