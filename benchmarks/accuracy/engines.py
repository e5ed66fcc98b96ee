"""C-MAPSS FD001 as published: what the pushed model says of the 100 test engines."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.accuracy.runs import CONFIGS

RMSE = "rmse on the test engines"


def rmse_on_test_engines(model: Path, data: Path) -> float:
    """Root of the mean squared error in cycles, labels capped as in training.

    Args:
      model: folder of a SavedModel; asked through `sequences` about the last window of each engine.
      data: folder of PM_test.txt and PM_truth.txt.
    """
    import tensorflow as tf

    from components.ingest.names import argument_name
    from pipeline.config_file import load

    config = load(CONFIGS / "cmapss.yaml", local_files=False).data
    assert config.columns is not None
    assert config.window is not None
    assert config.label_max is not None
    rows = pd.read_csv(data / "PM_test.txt", sep=r"\s+", header=None, names=list(config.columns))
    truth = np.loadtxt(data / "PM_truth.txt")
    engines = [engine.tail(config.window.length) for _, engine in rows.groupby("engine")]
    if len(engines) != len(truth):
        raise SystemExit(
            f"expected a true number of cycles for each of {len(engines)} engines, got {len(truth)}"
        )
    loaded = tf.saved_model.load(str(model))  # its variables live as long as it does
    ask = loaded.signatures["sequences"]
    wanted = ask.structured_input_signature[1]
    known = {argument_name(column): column for column in config.columns}
    lengths = np.array([len(engine) for engine in engines])
    features = {
        name: tf.constant(_padded([engine[known[name]] for engine in engines]), spec.dtype)
        for name, spec in wanted.items()
        if name != "lengths"
    }
    answer = ask(lengths=tf.constant(lengths, tf.int64), **features)["prediction"].numpy()
    return float(np.sqrt(np.mean((answer - np.minimum(truth, config.label_max)) ** 2)))


def _padded(steps: list[Any]) -> Any:
    """[engines, steps] with 0 at the end."""
    longest = max(len(one) for one in steps)
    return np.stack([np.pad(one.to_numpy(float), (0, longest - len(one))) for one in steps])
