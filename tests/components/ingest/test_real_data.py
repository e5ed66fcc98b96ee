"""The example configurations on the real data sets, against pandas and plain Python."""

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.config_file import load

CONFIGS = Path(__file__).resolve().parents[3] / "pipeline" / "configs"


@pytest.fixture
def example(shared_data, ingest) -> Callable[..., Any]:
    """Ingests a data set with its example configuration; the source's files as in the configuration."""

    def run(name: str, **files: str):
        folder = shared_data(name)
        config = load(CONFIGS / f"{name}.yaml", local_files=False)
        source = {key: [str(folder / file)] for key, file in files.items()}
        raw = config.model_dump(
            mode="json", exclude_unset=True, exclude={"name", "gate", "model", "training"}
        )
        data = {key: value for key, value in raw.pop("data").items() if key != "source"}
        return ingest(source.get("all", source), data=data, task=raw["task"], split=raw.get("split", {}))

    return run


def test_occupancy_is_one_series_in_order_of_time(example, shared_data):
    found = example("occupancy", all="data*.txt")
    names = ["date", "Temperature", "Humidity", "Light", "CO2", "HumidityRatio", "Occupancy"]
    parts = [
        pd.read_csv(path, names=names, skiprows=1) for path in shared_data("occupancy").glob("data*.txt")
    ]
    table = pd.concat(parts).sort_values("date").reset_index(drop=True)
    left_out = found.manifest["left_out"]
    assert left_out == {"reach across the cutoff": 60 + 5 - 1, "begin in the gap": 60}
    assert len(found.all) + sum(left_out.values()) == len(table) - 60 - 5 + 1
    for row in (found.train[0], found.train[-1], found.eval[0], found.eval[-1]):
        start = row["window_start"][0]
        steps = table.iloc[start : start + 60]
        np.testing.assert_array_equal(np.float32(row["CO2"]), steps["CO2"].to_numpy(np.float32))
        assert row["Occupancy"] == [str(table["Occupancy"][start + 59 + 5]).encode()]
        times = pd.to_datetime(steps["date"]).astype("datetime64[ns]").astype("int64") // 1000
        assert row["step_time"] == times.tolist()
    last_trained = max(row["window_start"][0] for row in found.train) + 59 + 5
    assert min(row["window_start"][0] for row in found.eval) == last_trained + 60 + 1


def test_cmapss_engines_keep_to_one_side_and_know_their_remaining_cycles(example, shared_data):
    found = example("cmapss", all="PM_train.txt")
    table = pd.read_csv(shared_data("cmapss") / "PM_train.txt", sep=r"\s+", header=None)
    cycles = table.groupby(0)[1].max()
    assert len(found.all) == len(table) - 29 * len(cycles)
    sides = [{row["series_id"][0] for row in rows} for rows in (found.train, found.eval)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 100
    for row in found.all[::97]:
        engine, last_cycle = int(row["series_id"][0]), row["step_time"][-1]
        assert row["remaining_cycles"] == [min(125, cycles[engine] - last_cycle)]
        own = table[(table[0] == engine) & (table[1] > last_cycle - 30) & (table[1] <= last_cycle)]
        np.testing.assert_array_equal(np.float32(row["s2"]), own[6].to_numpy(np.float32))
    assert "s1" not in found.train[0]


def test_sms_spam_keeps_every_message_and_repeated_ones_together(example, shared_data):
    found = example("sms_spam", all="SMSSpamCollection")
    lines = (shared_data("sms_spam") / "SMSSpamCollection").read_text(encoding="utf-8").split("\n")
    expected = Counter(tuple(line.split("\t")) for line in lines if line)
    assert Counter((row["kind"][0].decode(), row["message"][0].decode()) for row in found.all) == expected
    train, evaluation = ({row["message"][0] for row in rows} for rows in (found.train, found.eval))
    assert not train & evaluation
    assert len(train | evaluation) == 5574 - 403


def test_imdb_reviews_arrive_whole_in_their_given_split(example, shared_data):
    found = example("imdb", train="imdb_train_25k.csv.gz", eval="imdb_test_25k.csv.gz")
    assert (len(found.train), len(found.eval)) == (25_000, 25_000)
    with gzip.open(shared_data("imdb") / "imdb_test_25k.csv.gz", "rt", encoding="utf-8", newline="") as file:
        table = pd.read_csv(file, dtype=str).set_index("review_id")
    for row in found.eval[::1000]:
        truth = table.loc[row["sequence_id"][0].decode()]
        assert (row["text"][0].decode(), row["label"][0].decode()) == (truth["text"], truth["label"])
    assert set(found.train[0]) == {"sequence_id", "sequence_length", "label", "text"}


def test_basic_motions_have_a_hundred_steps_and_four_classes(example):
    found = example("basic_motions", train="BasicMotions_TRAIN.ts", eval="BasicMotions_TEST.ts")
    for rows in (found.train, found.eval):
        assert set(Counter(row["label"][0] for row in rows).values()) == {10}
        assert {len(row[f"dim_{i}"]) for row in rows for i in range(6)} == {100}
