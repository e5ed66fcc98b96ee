"""Makes the demo's data: sequences whose class shows only in the order of their steps."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

SEQUENCES, STEPS, FEATURES = 1000, 10, 5
CLASSES = ("falling", "peak", "rising")
_JITTER = 5.0  # steps by which a value may miss its place


def make(path: str | Path, seed: int = 1) -> None:
    """Writes a long CSV with `sequence_id`, `time`, `f0` … `f4` and `label`.

    Every value is drawn from one normal distribution. The class decides only how the values of a
    sequence are arranged: about rising, about falling, or with the high ones in the middle. So
    nothing that ignores the order of the steps (mean, minimum, maximum, all values as a set) says
    anything about the class.

    Args:
      path: the file to write; its folder is made.
      seed: of the random numbers; one seed always gives one file.
    """
    random = np.random.default_rng(seed)
    classes = random.integers(len(CLASSES), size=SEQUENCES)
    values = np.sort(random.normal(size=(SEQUENCES, STEPS, FEATURES)), axis=1)
    step = np.arange(STEPS)
    shapes = np.stack([-step, -2 * np.abs(step - (STEPS - 1) / 2), step])  # low where values should be low
    wanted = shapes[classes][:, :, None] + random.normal(scale=_JITTER, size=values.shape)
    place = wanted.argsort(axis=1).argsort(axis=1)
    values = np.take_along_axis(values, place, axis=1)
    table = pd.DataFrame(
        {
            "sequence_id": np.repeat([f"s{number:04d}" for number in range(SEQUENCES)], STEPS),
            "time": np.tile(step, SEQUENCES),
            **{f"f{i}": values[:, :, i].ravel().round(4) for i in range(FEATURES)},
            "label": np.repeat(np.array(CLASSES)[classes], STEPS),
        }
    )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)


if __name__ == "__main__":
    make(sys.argv[1])
