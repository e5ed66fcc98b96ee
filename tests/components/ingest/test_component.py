"""What ingest writes, read back with TensorFlow's own parser."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.ingest.component import read_splits
from components.ingest.examples import write_split
from components.ingest.ts_file import read_ts
from pipeline.config import Config
from pipeline.errors import DataRefused

Write = Callable[[str, str], Path]
HEADER = "@timeStamps false\n@classLabel true a b\n@data\n"


def parsed(folder: Path) -> list[dict[str, list[object]]]:
    dataset = tf.data.TFRecordDataset(sorted(map(str, folder.glob("*.gz"))), "GZIP")
    rows = []
    for record in dataset.as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        rows.append({name: list(getattr(f, f.WhichOneof("kind")).value) for name, f in feature.items()})
    return rows


def test_one_example_per_sequence_with_one_list_per_feature(write, tmp_path):
    sequences = read_ts(write("tiny.ts", HEADER + "1,2,3:4,5,6:a\n7:8:b\n"))
    write_split(sequences, "speaker", str(tmp_path / "Split-train"))
    assert parsed(tmp_path / "Split-train") == [
        {
            "sequence_id": [b"tiny:1"],
            "sequence_length": [3],
            "speaker": [b"a"],
            "dim_0": [1.0, 2.0, 3.0],
            "dim_1": [4.0, 5.0, 6.0],
        },
        {
            "sequence_id": [b"tiny:2"],
            "sequence_length": [1],
            "speaker": [b"b"],
            "dim_0": [7.0],
            "dim_1": [8.0],
        },
    ]


def config(source: object, **changes: object) -> Config:
    data = {"source": source, **changes.pop("data", {})}
    return Config.model_validate_json(
        json.dumps({"name": "n", "task": "multiclass", "data": data, **changes})
    )


def test_the_manifest_says_how_the_split_was_made(write):
    rows = "".join(f"s{i},2015-02-0{1 + i},k{i % 2},{i}\n" for i in range(5))
    path = write("rows.csv", "id,when,kind,a\n" + rows)
    data = {"sequence_id": "id", "label": "kind", "time": "when"}
    splits, manifest = read_splits(
        config([str(path)], data=data, split={"by": "time", "cutoff": "2015-02-04"})
    )
    assert manifest == {
        "rule": "time",
        "cutoff": "2015-02-04T00:00:00",
        "left_out": {},
        "splits": {
            "train": {
                "sequences": 3,
                "steps": 3,
                "first_time": "2015-02-01T00:00:00",
                "last_time": "2015-02-03T00:00:00",
            },
            "eval": {
                "sequences": 2,
                "steps": 2,
                "first_time": "2015-02-04T00:00:00",
                "last_time": "2015-02-05T00:00:00",
            },
        },
    }
    assert splits["eval"].ids.to_pylist() == ["s3", "s4"]


def test_a_given_split_with_other_features_in_eval_is_refused(write):
    train = write("train.ts", HEADER + "1:a\n")
    evaluation = write("eval.ts", HEADER + "1:2:a\n")
    with pytest.raises(DataRefused, match="different features"):
        read_splits(config({"train": [str(train)], "eval": [str(evaluation)]}))


def test_an_id_in_both_given_splits_is_refused(write):
    path = write("same.ts", HEADER + "1:a\n")
    with pytest.raises(DataRefused, match="sequence ids occur more than once: 1") as caught:
        read_splits(config({"train": [str(path)], "eval": [str(path)]}))
    assert caught.value.problems == ("'same:1': 2 times",)


def test_real_recordings_arrive_unchanged(shared_data, tmp_path):
    sequences = read_ts(shared_data("japanese_vowels") / "JapaneseVowels_TRAIN.ts")
    write_split(sequences, "label", str(tmp_path / "out"))
    rows = parsed(tmp_path / "out")
    assert len(rows) == 270
    assert sum(row["sequence_length"][0] for row in rows) == 4274
    expected = sequences.features["dim_11"][269].as_py()
    np.testing.assert_array_equal(np.float32(rows[269]["dim_11"]), np.float32(expected))
