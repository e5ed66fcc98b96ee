"""Files of this machine, and the same files in TensorFlow's `ram://`, which stands for object stores."""

import gzip
import io
import itertools
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest
import tensorflow as tf
from hypothesis import strategies as st

from pipeline import locations
from pipeline.config import expand
from pipeline.config_file import load
from pipeline.errors import ConfigError, SluiceError

_NUMBER = itertools.count()
gfile = tf.io.gfile


def upload(folder: Path, to: str) -> None:
    for path in folder.rglob("*"):
        copy = f"{to}/{path.relative_to(folder)}"
        gfile.makedirs(copy if path.is_dir() else copy.rpartition("/")[0])
        if path.is_file():
            gfile.copy(str(path), copy)


@pytest.fixture
def bucket() -> str:
    return f"ram://locations{next(_NUMBER)}"


@pytest.mark.parametrize(
    "pattern",
    [
        "data/*.csv", "*/*.csv", "data/part?.csv", "data/part[12].csv", "data/odd[1].csv", "data/part1.csv",
        "data/none*.csv", "nowhere/*.csv", "data/.hidden.csv", "data/.h*.csv", "data/folder.csv", "data/*",
    ],
)  # fmt: skip
def test_a_pattern_names_the_same_files_wherever_they_are(tmp_path, bucket, pattern):
    names = ("data/part1.csv", "data/part2.csv", "data/part10.csv", "data/odd[1].csv", "data/.hidden.csv")
    for name in (*names, "data/folder.csv/inner.csv", "more/x.csv", "more/x.txt"):
        path = tmp_path / "here" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    upload(tmp_path / "here", bucket)
    local = locations.matches(f"{tmp_path}/here/{pattern}")
    remote = locations.matches(f"{bucket}/{pattern}")
    assert sorted(path.removeprefix(bucket) for path in remote) == sorted(
        path.removeprefix(f"{tmp_path}/here") for path in local
    )


def test_remote_files_come_in_the_order_of_their_names_with_numbers_by_value(bucket):
    gfile.makedirs(bucket)
    for number in (10, 2, 1):
        with gfile.GFile(f"{bucket}/part{number}.csv", "w") as file:
            file.write("rows")
    assert expand([f"{bucket}/*.csv"]) == [f"{bucket}/part{number}.csv" for number in (1, 2, 10)]
    with pytest.raises(ConfigError, match=r"no file matches ram://.*/other\.csv"):
        expand([f"{bucket}/*.csv", f"{bucket}/other.csv"])


# Longer than what is read ahead, twice.
LONG = b"".join(number.to_bytes(4, "big") for number in range(2_300_000))
assert len(LONG) > 2 * locations._READ_AHEAD_BYTES


@pytest.fixture(scope="module")
def long_file() -> str:
    gfile.makedirs("ram://long")
    with gfile.GFile("ram://long/numbers", "wb") as file:
        file.write(LONG)
    return "ram://long/numbers"


_PLACES = st.integers(0, len(LONG))
_STEPS = st.one_of(
    st.tuples(st.just("read"), st.integers(0, 5_000_000)),
    st.tuples(st.just("seek"), _PLACES),
    st.tuples(st.just("seek_from_end"), _PLACES),
)


@hypothesis.given(st.lists(_STEPS, max_size=8))
@hypothesis.settings(deadline=None, max_examples=50)
def test_a_remote_file_reads_as_the_same_bytes_in_memory_do(long_file, steps):
    memory = io.BytesIO(LONG)
    with locations.open_bytes(long_file) as file:
        for step, number in steps:
            if step == "read":
                assert file.read(number) == memory.read(number)
            elif step == "seek":
                assert file.seek(number) == memory.seek(number)
            else:
                assert file.seek(-number, io.SEEK_END) == memory.seek(-number, io.SEEK_END)
            assert file.tell() == memory.tell()


def test_a_remote_file_has_a_size_and_a_copy_that_goes_again(bucket):
    gfile.makedirs(bucket)
    with gfile.GFile(f"{bucket}/rows.csv.gz", "wb") as file:
        file.write(gzip.compress(b"rows"))
    assert locations.size(f"{bucket}/rows.csv.gz") == len(gzip.compress(b"rows"))
    with locations.local_copy(f"{bucket}/rows.csv.gz") as copy:
        assert Path(copy).name == "rows.csv.gz"
        assert gzip.decompress(Path(copy).read_bytes()) == b"rows"
    assert not Path(copy).parent.exists()


def test_a_local_file_is_no_copy(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("rows")
    with locations.local_copy(str(path)) as copy:
        assert copy == str(path)
    assert path.exists()


def test_files_of_a_store_that_lists_folders_with_a_slash_are_found(bucket, monkeypatch):
    """As TensorFlow lists gs://, which has no folders but names that end in a slash."""
    listed = [("gs://b/model", ["variables/"], ["", "graph"]), ("gs://b/model/variables/", [], ["index", ""])]
    monkeypatch.setattr(gfile, "walk", lambda _: iter(listed))
    assert locations.files_below("gs://b/model") == ["graph", "variables/index"]


@pytest.mark.parametrize("read", [locations.read_bytes, locations.size])
def test_a_missing_file_is_one_sentence(bucket, read):
    with pytest.raises(SluiceError) as refused:
        read(f"{bucket}/absent.csv")
    assert str(refused.value) == f"{bucket}/absent.csv: there is no such file"


def test_a_file_system_that_nothing_brings_is_one_sentence():
    with pytest.raises(
        SluiceError, match=r"^nowhere://bucket/a\.csv: there is no file system for nowhere://"
    ):
        locations.matches("nowhere://bucket/a.csv")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (tf.errors.PermissionDeniedError(None, None, "403"), "access is denied; look at the credentials"),
        (tf.errors.UnauthenticatedError(None, None, "401"), "access is denied; look at the credentials"),
        (tf.errors.UnavailableError(None, None, "try\n again"), r"cannot be used \(try again\)"),
    ],
)
def test_what_a_store_refuses_is_one_sentence(monkeypatch, error, said):
    def refuse(_: str) -> bool:
        raise error

    monkeypatch.setattr(gfile, "exists", refuse)
    with pytest.raises(SluiceError, match=rf"^gs://bucket/a\.csv: {said}"):
        locations.is_file("gs://bucket/a.csv")


CONFIG = """
name: demo
task: multiclass
data: {{source: {source}, sequence_id: id, label: kind, format: csv}}
"""


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("ram://none/a.csv", "data.source: no file matches ram://none/a.csv"),
        ("ram://made", "data.source: ram://made is a folder; give its files, such as ram://made/*.csv"),
        ("nowhere://b/a.csv", "data.source: nowhere://b/a.csv: there is no file system for nowhere://"),
        ("ram://made/**/a.csv", "data.source: ram://made/**/a.csv: no object store knows **"),
    ],
)
def test_a_source_that_is_not_there_is_said_before_a_run(write, source, said):
    gfile.makedirs("ram://made")
    with pytest.raises(ConfigError) as refused:
        load(write("sluice.yaml", CONFIG.format(source=source)))
    assert said in str(refused.value)


def test_nothing_remote_is_asked_where_files_do_not_matter(write, monkeypatch):
    def refuse(*_: object) -> bool:
        raise AssertionError("asked")

    for name in ("exists", "isdir", "glob"):
        monkeypatch.setattr(gfile, name, refuse)
    path = write("sluice.yaml", CONFIG.format(source="gs://b/*.csv") + "schema: gs://b/s.pbtxt\n")
    artifacts = ["run.artifacts=gs://b/artifacts", "push.to=gs://b/models"]
    config = load(path, artifacts, local_files=False)
    assert config.artifacts == "gs://b/artifacts/demo"


def test_local_files_are_asked_about_without_tensorflow(write):
    write("rows.csv", "id,kind,a\n1,x,0.5\n")
    path = write("sluice.yaml", CONFIG.format(source="rows.csv"))
    program = (
        "import sys; from pipeline import fingerprint; from pipeline.config_file import load\n"
        f"fingerprint.of_files(load({str(path)!r}).data.source)\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=120).returncode == 0
