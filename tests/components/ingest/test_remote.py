"""Every format read from TensorFlow's `ram://`, which stands for object stores, as from a local folder."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from components.ingest.component import write_splits
from pipeline.errors import DataRefused
from tests.components.ingest.conftest import make_config

gfile = tf.io.gfile
STEPS = "".join(
    f"{name},{step},{'odd' if number % 2 else 'even'},{step / (number + 1):.4f}\n"
    for number, name in enumerate("abcdefgh")
    for step in range(9)
)
CSV = f"id,t,kind,x\n{STEPS}"
LONG = {"sequence_id": "id", "time": "t", "label": "kind"}
CASES = "".join(f"{n}.5,{n},?:{n % 2}\n" for n in range(12))
TS = f"@problemName Tiny\n@univariate true\n@classLabel true 0 1\n@data\n{CASES}"
TEXT = "so is it, and so it was; " * 40


def example(number: int) -> bytes:
    features = {
        "kind": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"odd" if number % 2 else b"even"])),
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=[0.5 * number] * (1 + number % 3))),
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def sequence_example(number: int) -> bytes:
    plain = tf.train.Example.FromString(example(number)).features.feature
    steps = [
        tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        for value in plain["x"].float_list.value
    ]
    return tf.train.SequenceExample(
        context=tf.train.Features(feature={"kind": plain["kind"]}),
        feature_lists=tf.train.FeatureLists(feature_list={"x": tf.train.FeatureList(feature=steps)}),
    ).SerializeToString()


def records(make: Callable[[int], bytes], compression: str = "") -> Callable[[Path], None]:
    def save(path: Path) -> None:
        with tf.io.TFRecordWriter(str(path), compression) as writer:
            for number in range(12):
                writer.write(make(number))

    return save


def text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(content, encoding="utf-8")  # type: ignore[return-value]


def packed(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(gzip.compress(content.encode()))  # type: ignore[return-value]


def parquet(path: Path) -> None:
    rows = [line.split(",") for line in STEPS.splitlines()]
    columns = [list(column) for column in zip(*rows, strict=True)]
    table = {"id": columns[0], "t": [int(cell) for cell in columns[1]], "kind": columns[2]}
    pq.write_table(pa.table({**table, "x": [float(cell) for cell in columns[3]]}), path, row_group_size=20)


GENERATION = {"task": "generation", "split": {"by": "order", "eval_fraction": 0.25}}
WINDOWS = {"window": {"length": 20, "stride": 20}}
FORMATS: dict[str, tuple[str, Callable[[Path], None], dict[str, Any]]] = {
    "csv": ("rows.csv", text(CSV), {"data": LONG}),
    "csv.gz": ("rows.csv.gz", packed(CSV), {"data": LONG}),
    "tsv": ("rows.tsv", text(CSV.replace(",", "\t")), {"data": LONG}),
    "rows without id": ("rows.csv", text(CSV), {"data": {"label": "kind", "ignore": ["id"]}}),
    "blanks": (
        "rows.txt", text(STEPS.replace(",", "  ")),
        {"data": {**LONG, "format": "csv", "delimiter": "whitespace", "columns": ["id", "t", "kind", "x"]}},
    ),
    "parquet": ("rows.parquet", parquet, {"data": LONG}),
    "ts": ("cases.ts", text(TS), {}),
    "ts, packed": ("cases.ts.gz", packed(TS), {}),
    "tfrecord": ("rows.tfrecord", records(example), {"data": {"label": "kind"}}),
    "tfrecord, packed": ("rows.tfrecord.gz", records(example, "GZIP"), {"data": {"label": "kind"}}),
    "sequence_example": (
        "rows.tfrecord", records(sequence_example),
        {"data": {"label": "kind", "payload": "sequence_example"}},
    ),
    "text": ("some.txt", text(TEXT), {"data": {"format": "text", **WINDOWS}, **GENERATION}),
    "text, packed": (
        "some.txt.gz", packed(TEXT), {"data": {"format": "text", "tokens": "words", **WINDOWS}, **GENERATION},
    ),
}  # fmt: skip


def written(source: list[str], folder: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """The manifest, and the bytes of each file of the splits."""
    changes = {"split": {"by": "order", "eval_fraction": 0.25}, **changes}
    found = write_splits(make_config(source, **changes), str(folder), beam.Pipeline(runner=FnApiRunner()))
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {"manifest": found, **{str(path.relative_to(folder)): path.read_bytes() for path in files}}


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    address = f"ram://{tmp_path.name}"
    gfile.makedirs(address)
    yield address


def upload(path: Path, folder: str) -> str:
    gfile.makedirs(folder)
    gfile.copy(str(path), f"{folder}/{path.name}")
    return f"{folder}/{path.name}"


@pytest.mark.parametrize("name", FORMATS)
def test_a_remote_file_makes_the_same_examples_as_a_local_one(tmp_path, bucket, name):
    file, save, changes = FORMATS[name]
    save(tmp_path / file)
    remote = written([upload(tmp_path / file, bucket)], tmp_path / "remote", changes)
    local = written([str(tmp_path / file)], tmp_path / "local", changes)
    assert local["manifest"]["splits"]["train"]["sequences"] > 0
    assert remote == local


def test_files_of_one_name_in_two_folders_give_the_same_ids(tmp_path, bucket):
    for number, folder in enumerate(("mon", "tue")):
        (tmp_path / folder).mkdir()
        cases = "".join(f"{n},{n}:{n % 2}\n" for n in range(number, number + 6))
        (tmp_path / folder / "cases.ts").write_text(TS.replace(CASES, cases))
        upload(tmp_path / folder / "cases.ts", f"{bucket}/{folder}")
    remote = written([f"{bucket}/*/cases.ts"], tmp_path / "remote", {})
    assert remote == written([f"{tmp_path}/*/cases.ts"], tmp_path / "local", {})


def test_a_row_that_cannot_be_read_is_named_with_its_address_and_line(tmp_path, bucket):
    path = tmp_path / "rows.csv"
    path.write_text(CSV.replace("c,3,even,1.0000", "c,3,even,high").replace("a,8,even,8.0000", "a,8,even"))
    remote = upload(path, bucket)
    with pytest.raises(DataRefused) as refused:
        written([remote], tmp_path / "out", {"data": {**LONG, "features": {"x": "float"}}})
    lines = path.read_text().splitlines()
    short, high = lines.index("a,8,even") + 1, lines.index("c,3,even,high") + 1
    assert f"{remote}, line {short}, expected 4 cells, got 3" in str(refused.value)
    assert f"{remote}, line {high}, column x: expected a number, got 'high'" in str(refused.value)


@pytest.mark.parametrize(
    ("file", "save", "said"),
    [
        ("rows.csv.gz", packed(CSV), "cannot be read as CSV"),
        ("rows.tfrecord.gz", records(example, "GZIP"), "cannot be unpacked"),
        ("cases.ts.gz", packed(TS), "cannot be unpacked"),
        ("rows.parquet", parquet, "cannot be read as Parquet"),
    ],
)
def test_a_remote_file_that_is_cut_off_is_refused_as_a_local_one(tmp_path, bucket, file, save, said):
    save(tmp_path / file)
    whole = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(whole[:-4])
    data = {"label": "kind"} if "tfrecord" in file else {} if file.startswith("cases") else LONG
    for source in (upload(tmp_path / file, bucket), str(tmp_path / file)):
        with pytest.raises(DataRefused) as refused:
            written([source], tmp_path / "out", {"data": data})
        assert f"{source}: {said}" in str(refused.value)


def test_a_file_that_goes_while_it_is_read_is_no_fault_of_the_data(tmp_path, bucket, monkeypatch):
    (tmp_path / "rows.csv").write_text(CSV)
    source = upload(tmp_path / "rows.csv", bucket)

    def fail(*_: object) -> None:
        raise tf.errors.UnavailableError(None, None, "the store is busy")

    monkeypatch.setattr(gfile, "copy", fail)
    with pytest.raises(Exception, match=rf"{source}: cannot be used \(the store is busy\)") as failed:
        written([source], tmp_path / "out", {"data": LONG})
    assert not isinstance(failed.value, DataRefused)
    assert not list((tmp_path / "out").rglob("*.gz"))


def test_json_of_the_manifest_says_nothing_of_where_the_files_were(tmp_path, bucket):
    (tmp_path / "rows.csv").write_text(CSV)
    remote = written([upload(tmp_path / "rows.csv", bucket)], tmp_path / "out", {"data": LONG})
    assert "ram://" not in json.dumps(remote["manifest"])
