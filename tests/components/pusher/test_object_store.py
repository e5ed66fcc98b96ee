"""A push to an object store, for which TensorFlow's `ram://` stands: no rename, no lock."""

import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from components.pusher import object_store
from components.pusher.manifest import Origin
from components.pusher.object_store import ObjectStore, RemoteFolder
from components.pusher.rollback import roll_back
from components.pusher.source import LocalFolder
from components.pusher.target import Pushed, target_at
from pipeline.errors import SluiceError
from tests.components.pusher.models import DAMAGES, damage, held, make_model

_NUMBER = itertools.count()
gfile = tf.io.gfile


@pytest.fixture
def base() -> Iterator[str]:
    path = f"ram://bucket{next(_NUMBER)}/fraud"
    yield path
    if gfile.exists(path):
        gfile.rmtree(path)


def push(base: str, model: Path, keep: int = 5) -> Pushed:
    return target_at(base).push(LocalFolder(model), Origin("run"), keep)


def stored(folder: str, copy: Path) -> dict[str, str]:
    """SHA-256 of each object, by hashlib: read through TensorFlow, written to a folder, hashed there."""
    for path, _, names in gfile.walk(folder):
        for name in names:
            local = copy / path.removeprefix(folder).strip("/") / name
            local.parent.mkdir(parents=True, exist_ok=True)
            with gfile.GFile(f"{path}/{name}", "rb") as file:
                local.write_bytes(file.read())
    return held(copy)


def numbers(base: str) -> list[int]:
    return sorted(int(name) for name in gfile.listdir(base) if name.isdecimal())


def test_a_version_holds_the_files_of_the_model_nested_ones_too(base, tmp_path):
    model = make_model(tmp_path / "model")
    pushed = push(base, model)
    assert pushed.path == f"{base}/{pushed.version}"
    assert stored(pushed.path, tmp_path / "copy") == held(model)
    assert target_at(base).manifests()[pushed.version].sha256 == pushed.sha256
    (event,) = gfile.listdir(f"{base}/.sluice/audit")
    assert event == f"{pushed.version}-pushed.json"


def test_zero_is_a_version_like_others(base):
    gfile.makedirs(f"{base}/0")
    with gfile.GFile(f"{base}/0/saved_model.pb", "wb") as file:
        file.write(b"graph")
    assert target_at(base).versions() == {0: f"{base}/0"}


def test_saved_model_comes_last_and_behind_the_manifest(base, tmp_path, monkeypatch):
    opened = []
    plain = gfile.GFile

    def noting(path, mode="r"):
        if mode == "wb":
            opened.append(path.removeprefix(f"{base}/"))
        return plain(path, mode)

    monkeypatch.setattr(object_store.tf.io.gfile, "GFile", noting)
    version = push(base, make_model(tmp_path / "model")).version
    assert opened[0].startswith(f".sluice/reserved/{version}/")
    assert [path for path in opened if path.startswith(str(version))] == [
        f"{version}/assets/nested/saved_model.pb", f"{version}/assets/words",
        f"{version}/variables/variables.index", f"{version}/saved_model.pb",
    ]  # fmt: skip
    assert opened.index(f".sluice/versions/{version}.json") == opened.index(f"{version}/saved_model.pb") - 1


def test_what_is_served_is_not_pushed_again_and_damage_is(base, tmp_path):
    model = make_model(tmp_path / "model")
    first = push(base, model)
    assert push(base, model) == Pushed(first.version, first.path, first.sha256, already_served=True)
    with gfile.GFile(f"{first.path}/assets/words", "wb") as file:
        file.write(b"half")
    assert push(base, model).version > first.version


def test_retention_and_numbers_that_are_never_used_again(base, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    made = [push(base, make_model(tmp_path / "m", str(number)), keep=2).version for number in range(4)]
    assert made == [1000, 1001, 1002, 1003]
    assert numbers(base) == [1002, 1003]
    for version in (1002, 1003):
        gfile.rmtree(f"{base}/{version}")
    assert push(base, make_model(tmp_path / "m", "later")).version == 1004


def test_pushes_at_once_all_arrive_under_their_own_numbers(base, tmp_path):
    models = [make_model(tmp_path / f"m{number}", str(number)) for number in range(8)]
    made: dict[int, Pushed] = {}

    def one(number: int) -> None:
        made[number] = push(base, models[number], keep=20)

    threads = [threading.Thread(target=one, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({pushed.version for pushed in made.values()}) == 8
    for number, pushed in made.items():
        assert stored(pushed.path, tmp_path / f"copy{number}") == held(models[number])


def test_whoever_is_not_alone_takes_another_number(base, monkeypatch):
    """Any order of two writes and two looks: at most one of the two finds itself alone."""
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    write = object_store._write

    def and_another(path, content):
        write(path, content)
        if "/reserved/1000/" in path:
            write(f"{path.rpartition('/')[0]}/{'0' * 32}", content)

    monkeypatch.setattr(object_store, "_write", and_another)
    assert ObjectStore(base)._reserve() == 1001


def test_a_copy_that_arrives_damaged_is_taken_back(base, tmp_path, monkeypatch):
    first = push(base, make_model(tmp_path / "a", "a"))
    plain = gfile.GFile

    class Spoiling:
        def __init__(self, path, mode):
            self._file = plain(path, mode)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

        def write(self, piece):
            self._file.write(piece[:-1])

    def spoil(path, mode="r"):
        bad = mode == "wb" and path.endswith("/variables/variables.index")
        return Spoiling(path, mode) if bad else plain(path, mode)

    monkeypatch.setattr(object_store.tf.io.gfile, "GFile", spoil)
    with pytest.raises(SluiceError, match="is damaged; push again") as refused:
        push(base, make_model(tmp_path / "b", "b"))
    assert "variables/variables.index: expected" in str(refused.value)
    monkeypatch.undo()
    assert list(target_at(base).versions()) == [first.version]
    assert [name for name in gfile.listdir(base) if name.isdecimal() and gfile.listdir(f"{base}/{name}")] == [
        str(first.version)
    ]


def test_a_dead_push_is_swept_up_when_it_is_certainly_dead(base, tmp_path):
    model = make_model(tmp_path / "model")
    died = {"young": 60, "old": 4000}
    for version, age_s in zip((100, 200), died.values(), strict=True):
        object_store._write(f"{base}/{version}/variables/variables.index", b"half")
        reserved = json.dumps({"at_s": time.time() - age_s}).encode()
        object_store._write(f"{base}/.sluice/reserved/{version}/{'a' * 32}", reserved)
    assert target_at(base).versions() == {}
    pushed = push(base, model)
    assert numbers(base) == [100, pushed.version]


@pytest.mark.parametrize("what", ["_note", "_retain"])
def test_a_failure_behind_the_last_file_is_made_up_for_by_the_next_push(
    base, tmp_path, monkeypatch, caplog, what
):
    def fail(*_):
        raise tf.errors.UnavailableError(None, None, "try again")

    made = [push(base, make_model(tmp_path / "m", content), keep=1).version for content in "ab"]
    monkeypatch.setattr(ObjectStore, what, fail)
    made.append(push(base, make_model(tmp_path / "m", "c"), keep=1).version)
    assert numbers(base) == made
    assert f"version {made[2]} was pushed, but not all tidied up behind it: try again" in caplog.text
    monkeypatch.undo()
    made.append(push(base, make_model(tmp_path / "m", "d"), keep=1).version)
    assert numbers(base) == made[2:]
    events = set(gfile.listdir(f"{base}/.sluice/audit"))
    assert {f"{version}-pushed.json" for version in made} <= events


@pytest.mark.parametrize("how", [*DAMAGES, "folder"])
def test_a_version_with_a_damaged_manifest_stays_and_pushes_go_on(base, tmp_path, how):
    first = push(base, make_model(tmp_path / "m", "0"), keep=1).version
    path = f"{base}/.sluice/versions/{first}.json"
    with gfile.GFile(path, "rb") as file:
        written = file.read()
    if how == "folder":
        gfile.remove(path)
        object_store._write(f"{path}/file", written)
    else:
        object_store._write(path, damage(written, how))
    made = [push(base, make_model(tmp_path / "m", content), keep=1).version for content in "123"]
    assert numbers(base) == [first, *made[1:]]
    assert target_at(base).manifests().get(first) is None


def test_going_back_pushes_an_old_version_again(base, tmp_path):
    first, second = (push(base, make_model(tmp_path / "m", content)) for content in "ab")
    old, pushed, _ = roll_back(target_at(base), None, keep=5, reason="worse", by="ana", on_record={})
    assert old == first.version
    assert pushed.version > second.version
    assert stored(pushed.path, tmp_path / "copy") == held(make_model(tmp_path / "a", "a"))


def test_a_source_in_an_object_store_reads_like_a_folder(base, tmp_path):
    model = make_model(tmp_path / "model")
    first = push(base, model)
    again = target_at(str(tmp_path / "out")).push(RemoteFolder(first.path), Origin(), 5)
    assert held(again.path) == held(model)


def test_a_file_system_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(SluiceError, match=r"s3://bucket/fraud: there is no file system for s3://"):
        push("s3://bucket/fraud", make_model(tmp_path / "model"))
