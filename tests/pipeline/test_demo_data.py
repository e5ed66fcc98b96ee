"""The demo's class depends on the order of the steps, and on nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier

from pipeline import demo_data


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[np.ndarray, np.ndarray]:
    path = tmp_path_factory.mktemp("demo") / "demo.csv"
    demo_data.make(path)
    table = pd.read_csv(path)
    return table.filter(regex="^f").to_numpy().reshape(1000, 10, 5), table["label"].to_numpy()[::10]


def test_shape_and_classes_are_as_promised(demo):
    values, labels = demo
    assert values.shape == (1000, 10, 5)
    assert sorted(set(labels)) == ["falling", "peak", "rising"]


@pytest.mark.parametrize("model", [RidgeClassifier(), RandomForestClassifier(random_state=0)])
def test_no_model_that_ignores_the_order_does_better_than_guessing(demo, model):
    values, labels = demo
    order_free = np.sort(values, axis=1).reshape(1000, -1)  # all values of a sequence, as a set
    model.fit(order_free[:800], labels[:800])
    guessing = pd.Series(labels[800:]).value_counts(normalize=True).max()
    noise = 3 * np.sqrt(guessing * (1 - guessing) / 200)
    assert model.score(order_free[800:], labels[800:]) < guessing + noise


def test_one_seed_gives_one_file(tmp_path):
    for name in ("one.csv", "two.csv"):
        demo_data.make(tmp_path / name, seed=4)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
