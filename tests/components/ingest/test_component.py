"""Ingest as a whole: the manifest, given splits, and the same bytes whatever the order and the workers."""

import hashlib
import json
from pathlib import Path

import apache_beam as beam
import numpy as np
import pandas as pd
import pytest
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingest import beam_flow, csv_file, examples
from components.ingest.component import write_splits
from pipeline.config import Config

LONG = {"sequence_id": "id", "label": "kind", "time": "t"}


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*.gz"))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def frame(sequences: int = 60, seed: int = 1) -> pd.DataFrame:
    numbers = np.random.default_rng(seed)
    lengths = numbers.integers(1, 9, sequences)
    return pd.DataFrame(
        {
            "id": np.repeat([f"s{i}" for i in range(sequences)], lengths),
            "t": np.concatenate([np.arange(length) * 10 + i for i, length in enumerate(lengths)]),
            "kind": np.repeat([["p", "q"][i % 2] for i in range(sequences)], lengths),
            "a": numbers.normal(size=lengths.sum()).round(3),
            "site": np.repeat([["n", "s", "e"][i % 3] for i in range(sequences)], lengths),
        }
    )


def test_the_manifest_says_how_the_split_was_made(write, ingest):
    rows = "".join(f"s{i},2015-02-0{1 + i},k{i % 2},{i}\n" for i in range(5))
    path = write("rows.csv", "id,when,kind,a\n" + rows)
    found = ingest(path, data={**LONG, "time": "when"}, split={"by": "time", "cutoff": "2015-02-04"})
    assert found.manifest == {
        "rule": "time",
        "cutoff": "2015-02-04T00:00:00",
        "gap": 0,
        "unit": "sequences",
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
        "rows": {"read": 5, "skipped": 0, "examples": []},
        "features": {"a": "float"},
        "inferred": True,
        "time": "timestamp[us]",
    }
    assert [row["sequence_id"] for row in found.eval] == [[b"s3"], [b"s4"]]


def test_windows_carry_their_series_their_place_and_the_label_of_a_later_step(write, ingest):
    path = write("rows.csv", "id,t,kind,a\n" + "".join(f"x,{i},k{i},{i}\n" for i in range(10)))
    window = {"length": 3, "stride": 2, "horizon": 1}
    found = ingest(path, data={**LONG, "window": window}, split={"by": "time", "cutoff": 5})
    assert found.train == [
        {
            "sequence_id": [b"x@0"],
            "series_id": [b"x"],
            "window_start": [0],
            "sequence_length": [3],
            "kind": [b"k3"],
            "step_time": [0, 1, 2],
            "a": [0, 1, 2],
        }
    ]
    assert [(row["window_start"], row["kind"]) for row in found.eval] == [([6], [b"k9"])]
    assert found.manifest["left_out"] == {"reach across the cutoff": 2}
    assert found.manifest["splits"]["train"]["last_time"] == 3  # the label's step belongs to it
    assert found.manifest["unit"] == "windows"


def test_one_series_needs_no_id_and_may_be_in_several_files(write, ingest):
    write("2.csv", "t,y,a\n" + "".join(f"{i},{i},{i}\n" for i in range(6)))
    path = write("1.csv", "t,y,a\n" + "".join(f"{i},{i},{i}\n" for i in range(6, 12)))
    data = {"time": "t", "label": "y", "window": {"length": 2, "horizon": 0}}
    found = ingest(str(path.parent / "*.csv"), task="regression", data=data, split={"eval_fraction": 0.25})
    assert [row["y"] for row in found.train] == [[float(i)] for i in range(1, 9)]
    assert [row["a"] for row in found.eval] == [[9, 10], [10, 11]]
    assert found.train[0]["series_id"] == [b"series"]
    assert found.manifest["rule"] == "time"


def test_the_steps_that_remain_may_be_the_label(write, ingest):
    rows = "".join(f"e{engine},{i},{i}\n" for engine in range(30) for i in range(4 + engine % 8))
    data = {"sequence_id": "id", "time": "t", "label": "left", "label_from": "remaining_steps"}
    window = {"length": 3, "horizon": 0}
    found = ingest(
        write("rows.csv", "id,t,a\n" + rows),
        task="regression",
        data={**data, "window": window},
        split={"by": "sequence"},
    )
    assert [row["left"] for row in found.all if row["series_id"] == [b"e1"]] == [[2.0], [1.0], [0.0]]


def test_remaining_steps_above_label_max_count_as_it(write, ingest):
    rows = "".join(f"e{engine},{i},{i}\n" for engine in range(30) for i in range(9))
    data = {
        "sequence_id": "id",
        "time": "t",
        "label": "left",
        "label_from": "remaining_steps",
        "label_max": 2.5,
    }
    found = ingest(
        write("rows.csv", "id,t,a\n" + rows),
        task="regression",
        data={**data, "window": {"length": 3, "horizon": 1}},
        split={"by": "sequence"},
    )
    labels = {
        tuple(row["left"][0] for row in found.all if row["series_id"] == [b"e%d" % e]) for e in range(30)
    }
    assert labels == {(2.5, 2.5, 2.5, 2.0, 1.0, 0.0)}


@pytest.mark.parametrize("kind", ["whole", "fractional"])
def test_labels_above_label_max_count_as_it_and_others_stay(write, ingest, kind):
    more = 0 if kind == "whole" else 0.25
    values = {f"s{i}": [-7, 0, 3, 4, 1000, -(10**6)][i % 6] + more for i in range(30)}
    rows = "".join(f"{name},{t},{value},{t}\n" for name, value in values.items() for t in range(3))
    found = ingest(
        write("rows.csv", "id,t,y,a\n" + rows),
        task="regression",
        data={"sequence_id": "id", "time": "t", "label": "y", "label_max": 3.5},
        split={"by": "sequence"},
    )
    assert {name: row["y"][0] for name, row in found.by_id().items()} == {
        name: value if value < 3.5 else 3.5 for name, value in values.items()
    }


def test_series_shorter_than_a_window_are_counted(write, ingest):
    rows = "".join(f"s{i},{t},p,1\n" for i in range(12) for t in range(2 if i == 3 else 6))
    found = ingest(
        write("rows.csv", "id,t,kind,a\n" + rows),
        data={**LONG, "window": {"length": 3}},
        split={"by": "sequence"},
    )
    assert found.manifest["left_out"] == {"series shorter than a window": 1}


def test_rows_of_equal_content_are_on_one_side(write, ingest):
    texts = [f"message number {i} of the many" for i in range(40)] * 3
    np.random.default_rng(2).shuffle(texts)
    path = write("sms.csv", "kind,text\n" + "".join(f"p,{text}\n" for text in texts))
    found = ingest(path, data={"label": "kind"}, split={"eval_fraction": 0.3})
    train, evaluation = ({row["text"][0] for row in rows} for rows in (found.train, found.eval))
    assert train
    assert evaluation
    assert not train & evaluation
    assert len(found.all) == 120


def test_an_id_in_both_given_splits_is_a_sequence_in_each(write, ingest):
    train = write("train.csv", "id,t,kind,a\nx,1,p,1\ny,1,p,1\n")
    evaluation = write("eval.csv", "id,t,kind,a\nx,2,p,1\nz,1,p,1\n")
    found = ingest({"train": [str(train)], "eval": [str(evaluation)]}, data=LONG)
    ids = [[row["sequence_id"][0] for row in rows] for rows in (found.train, found.eval)]
    assert ids == [[b"x", b"y"], [b"x", b"z"]]  # the auditor says what that means


def test_given_files_are_windowed_each_for_itself(write, ingest):
    train = write("b.csv", "t,kind,a\n" + "".join(f"{i},p,{i}\n" for i in range(4)))
    evaluation = write("a.csv", "t,kind,a\n" + "".join(f"{i},p,{i}\n" for i in range(4, 9)))
    data = {"time": "t", "label": "kind", "window": {"length": 3, "horizon": 0}}
    found = ingest({"train": [str(train)], "eval": [str(evaluation)]}, data=data)
    assert ([row["a"][0] for row in found.train], [row["a"][0] for row in found.eval]) == ([0, 1], [4, 5, 6])


@pytest.mark.parametrize(
    ("split", "side"),
    [({"by": "order", "eval_fraction": 0.1}, "eval"), ({"by": "time", "cutoff": 0}, "train")],
)
def test_a_split_with_an_empty_side_is_refused(write, refused, split, side):
    path = write("rows.csv", "id,t,kind,a\n" + "".join(f"x,{t},p,{t}\n" for t in range(3)))
    data = {**LONG, "window": {"length": 2, "horizon": 0}}
    assert f"the {side} split would be empty" in refused(path, data=data, split=split)


def test_a_whole_cutoff_is_exact(write, ingest):
    first = 1700000000000000000
    rows = "".join(f"s{i},{first + i},p,1\n" for i in range(300))
    path = write("rows.csv", "id,t,kind,a\n" + rows)
    found = ingest(path, data=LONG, split={"by": "time", "cutoff": first + 100})
    assert (len(found.train), len(found.eval)) == (100, 200)


def test_a_cutoff_of_another_kind_than_the_times_is_refused(write, refused):
    path = write("rows.csv", "id,t,kind,a\nx,1,p,1\ny,2,p,1\n")
    text = refused(path, data=LONG, split={"by": "time", "cutoff": "2015-01-01"})
    assert "split.cutoff does not fit data.time" in text


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from(["sequence", "time"]))
def test_the_order_of_rows_and_of_files_does_not_change_a_byte(tmp_path_factory, seed, files, by):
    """Shuffled rows in shuffled files give the same Examples, as long as time orders the steps."""
    table = frame()
    found = []
    for shuffle in (0, seed):
        folder = tmp_path_factory.mktemp("rows")
        shuffled = table.sample(frac=1, random_state=shuffle).reset_index(drop=True)
        for number in range(files):
            shuffled.iloc[number::files].to_csv(folder / f"{number}.csv", index=False)
        paths = sorted(map(str, folder.glob("*.csv")), reverse=bool(shuffle))
        found.append(examples_of(paths, {"by": by}, folder / "out"))
    assert found[0] == found[1]
    assert len(found[0]) == 2


def examples_of(
    paths: list[str], split: dict[str, object], out: Path, runner: object = None
) -> dict[str, str]:
    raw = {
        "name": "n",
        "task": "multiclass",
        "data": {"source": paths, **LONG, "slices": ["site"]},
        "split": split,
    }
    config = Config.model_validate_json(json.dumps(raw))
    write_splits(config, str(out), runner or beam.Pipeline(runner=FnApiRunner()))
    return digests(out)


def test_workers_blocks_and_shards_do_not_change_a_byte(tmp_path, monkeypatch):
    frame(400).to_csv(tmp_path / "rows.csv", index=False)
    paths, split = [str(tmp_path / "rows.csv")], {"by": "time", "eval_fraction": 0.3}
    monkeypatch.setattr(beam_flow, "_SHARD_BYTES", (tmp_path / "rows.csv").stat().st_size // 3)
    expected = examples_of(paths, split, tmp_path / "one")
    assert len(expected) == 6  # three shards in each split
    monkeypatch.setattr(csv_file, "_BLOCK_BYTES", 8192)
    assert examples_of(paths, split, tmp_path / "blocks") == expected
    options = PipelineOptions()
    options.view_as(DirectOptions).direct_running_mode = "multi_threading"
    options.view_as(DirectOptions).direct_num_workers = 3
    threads = beam.Pipeline(runner=FnApiRunner(), options=options)
    assert examples_of(paths, split, tmp_path / "threads", threads) == expected


def test_attempts_that_die_or_come_twice_leave_each_shard_once_and_whole(tmp_path, monkeypatch):
    """As on runners that try work again whose worker died, or was only slow."""
    frame(100).to_csv(tmp_path / "rows.csv", index=False)
    paths, split = [str(tmp_path / "rows.csv")], {"by": "sequence"}
    expected = examples_of(paths, split, tmp_path / "once")
    whole, serialized = beam_flow._Write._write, examples._serialized

    def halfway(*arguments):
        yield next(serialized(*arguments))[:3]
        raise InterruptedError

    def again(self, *shard):
        monkeypatch.setattr(examples, "_serialized", halfway)
        with pytest.raises(InterruptedError):
            whole(self, *shard)
        monkeypatch.setattr(examples, "_serialized", serialized)
        whole(self, *shard)
        assert list((tmp_path / "again").glob("unfinished-*"))
        return whole(self, *shard)

    monkeypatch.setattr(beam_flow._Write, "_write", again)
    assert examples_of(paths, split, tmp_path / "again") == expected
    left = {
        str(path.relative_to(tmp_path / "again"))
        for path in (tmp_path / "again").rglob("*")
        if path.is_file()
    }
    assert left == set(expected)


def test_the_shards_together_are_the_whole(tmp_path, monkeypatch, ingest):
    table = frame(100)
    table.to_csv(tmp_path / "rows.csv", index=False)
    whole = ingest(tmp_path / "rows.csv", data=LONG, split={"by": "sequence"})
    monkeypatch.setattr(beam_flow, "_SHARD_BYTES", 200)
    parts = ingest(tmp_path / "rows.csv", data=LONG, split={"by": "sequence"})
    assert len(list((parts.folder / "Split-train").iterdir())) > 10
    for one, other in ((whole.train, parts.train), (whole.eval, parts.eval)):
        assert {row["sequence_id"][0]: row for row in one} == {row["sequence_id"][0]: row for row in other}
    assert set(whole.by_id()) == set(table["id"])
