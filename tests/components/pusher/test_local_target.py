"""A push to a folder: whole or not at all, never twice, never a number again."""

import errno
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.pusher import local_target
from components.pusher.local_target import LocalTarget
from components.pusher.numbering import surplus
from pipeline.errors import SluiceError
from tests.components.pusher.models import (
    DAMAGES,
    SPOILERS,
    damage,
    held,
    held_as_one,
    make_model,
    numbers,
    push,
    undecodable_name,
)

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "models" / "fraud"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def events(base: Path) -> list[tuple[str, int]]:
    lines = (base / ".sluice" / "audit.jsonl").read_text().splitlines()
    return [(event["event"], event["version"]) for event in map(json.loads, lines)]


def nothing_is_left_over(base: Path) -> bool:
    home = base / ".sluice"
    manifests = {path.name for path in (home / "versions").iterdir()}
    return (
        not any((home / "staging").iterdir())
        and not any((home / "trash").iterdir())
        and manifests == {f"{version}.json" for version in numbers(base)}
    )


def test_a_version_holds_the_files_of_the_model_nested_ones_too(base, model):
    before = int(time.time())
    pushed = push(base, model)
    assert before <= pushed.version <= time.time()
    assert pushed.path == str(base / str(pushed.version))
    assert held(pushed.path) == held(model)
    assert "assets/nested/saved_model.pb" in held(pushed.path)
    assert sorted(path.name for path in base.iterdir()) == [".sluice", str(pushed.version)]


def test_the_manifest_says_what_was_pushed_and_why(base, model):
    verdict = {"blessed": True, "met": 9, "asked": 9}
    forced = {"reason": "new sensors", "by": "ana"}
    pushed = push(base, model, run_id="20261122T101112Z", verdict=verdict, forced=forced)
    manifest = json.loads((base / ".sluice" / "versions" / f"{pushed.version}.json").read_text())
    assert {name: file["sha256"] for name, file in manifest["files"].items()} == held(model)
    assert manifest["files"]["saved_model.pb"]["size"] == (model / "saved_model.pb").stat().st_size
    assert manifest["sha256"] == pushed.sha256 == held_as_one(model)
    assert (manifest["run_id"], manifest["verdict"], manifest["forced"]) == (
        "20261122T101112Z", verdict, forced,
    )  # fmt: skip
    assert manifest["rolled_back_from"] is None
    assert manifest["pushed_at"].endswith("Z")
    assert events(base) == [("pushed", pushed.version)]


def test_the_model_that_is_served_is_not_pushed_again(base, model):
    first = push(base, model)
    again = push(base, model)
    assert (again.already_served, first.already_served) == (True, False)
    assert (again.version, again.path, again.sha256) == (first.version, first.path, first.sha256)
    assert numbers(base) == [first.version]


def test_a_served_version_that_was_damaged_is_pushed_anew(base, model):
    first = push(base, model)
    Path(first.path, "assets", "words").write_text("half\n")
    again = push(base, model)
    assert not again.already_served
    assert held(again.path) == held(model)


@pytest.mark.parametrize("spoil", SPOILERS)
def test_a_served_version_that_cannot_be_read_is_pushed_anew(base, model, spoil):
    spoil(Path(push(base, model).path))
    assert held(push(base, model).path) == held(model)


def test_a_served_version_that_the_disk_does_not_give_back_is_pushed_anew(base, model, monkeypatch):
    first = push(base, model)
    unreadable = Path(first.path, "assets", "words")
    plain = Path.open

    def failing(path, *args, **kwargs):
        if path == unreadable:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return plain(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", failing)
    assert push(base, model).version > first.version


def test_versions_go_up_within_a_second_and_when_the_clock_goes_back(base, tmp_path, monkeypatch):
    made = []
    for number, now in enumerate((1000.9, 1000.9, 1000.0, 400.0, 5000.0, 10.0)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        made.append(push(base, make_model(tmp_path / "m", str(number))).version)
    assert made == [1000, 1001, 1002, 1003, 5000, 5001]


def test_a_number_is_never_used_again_whoever_removed_it(base, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 100.0)
    assert push(base, make_model(tmp_path / "m", "a")).version == 100
    shutil.rmtree(base / "100")
    assert push(base, make_model(tmp_path / "m", "b")).version == 101
    assert events(base) == [("pushed", 100), ("gone", 100), ("pushed", 101)]
    (base / "700").mkdir()  # another tool's
    assert push(base, make_model(tmp_path / "m", "c")).version == 701


def test_no_number_after_the_largest_is_a_clear_error(base, model):
    (base / str(2**63 - 1)).mkdir(parents=True)
    with pytest.raises(SluiceError, match=r"no version after 9223372036854775807"):
        push(base, model)


PUSHER = textwrap.dedent("""
    import sys
    from pathlib import Path
    from tests.components.pusher.models import push
    print(push(Path(sys.argv[1]), Path(sys.argv[2]), keep=20).version)
""")


def test_eight_pushes_at_once_all_arrive_under_their_own_numbers(base, tmp_path):
    models = [make_model(tmp_path / f"m{number}", str(number)) for number in range(8)]
    commands = [[sys.executable, "-c", PUSHER, str(base), str(one)] for one in models]
    running = [subprocess.Popen(one, cwd=ROOT, stdout=subprocess.PIPE, text=True) for one in commands]
    made = [int(one.communicate()[0]) for one in running]
    assert len(set(made)) == 8
    assert numbers(base) == sorted(made)
    for version, source in zip(made, models, strict=True):
        assert held(base / str(version)) == held(source)
    assert sorted(version for _, version in events(base)) == sorted(made)


def test_an_older_version_goes_when_there_are_more_than_keep(base, tmp_path):
    made = [push(base, make_model(tmp_path / "m", str(number)), keep=3).version for number in range(5)]
    assert numbers(base) == made[2:]
    assert [event for event in events(base) if event[0] == "removed"] == [
        ("removed", made[0]), ("removed", made[1]),
    ]  # fmt: skip
    assert nothing_is_left_over(base)


def test_what_is_served_stays_also_where_only_one_is_kept(base, tmp_path):
    first, second = (push(base, make_model(tmp_path / "m", content), keep=1).version for content in "ab")
    assert numbers(base) == [first, second]
    third = push(base, make_model(tmp_path / "m", "c"), keep=1).version
    assert numbers(base) == [second, third]


def test_what_another_tool_has_put_there_stays(base, tmp_path):
    make_model(base / "3", "theirs")
    made = [push(base, make_model(tmp_path / "m", str(number)), keep=2).version for number in range(4)]
    assert numbers(base) == [3, *made[2:]]


@given(
    ours=st.sets(st.integers(0, 2**63 - 1), max_size=12),
    keep=st.integers(1, 6),
    place=st.integers(0, 20),
)
def test_retention_keeps_the_newest_and_the_served(ours, keep, place):
    served = sorted(ours)[place] if place < len(ours) else None
    gone = set(surplus(ours, keep, served))
    stay = ours - gone
    assert gone <= ours
    assert set(sorted(ours, reverse=True)[:keep]) <= stay
    assert served is None or served in stay
    assert len(stay) <= keep + 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents=st.lists(st.sampled_from("abc"), max_size=8), keep=st.integers(1, 3))
def test_any_series_of_pushes_ends_with_the_last_content_served(tmp_path, contents, keep):
    base = tmp_path / "models" / "n"
    shutil.rmtree(base, ignore_errors=True)
    for content in contents:
        before = numbers(base)[-1:] if base.exists() else []
        model = make_model(tmp_path / "model", content)
        push(base, model, keep)
        assert held(base / str(numbers(base)[-1])) == held(model)
        assert set(before) <= set(numbers(base))
        assert len(numbers(base)) <= keep + 1
        assert nothing_is_left_over(base)


def test_what_dead_pushes_have_left_is_swept_up(base, tmp_path, model):
    first = push(base, model)
    home = base / ".sluice"
    make_model(home / "staging" / "dead")
    make_model(home / "trash" / "dead")
    never = first.version + 1000  # died between its manifest and its rename
    (home / "versions" / f"{never}.json").write_text(
        (home / "versions" / f"{first.version}.json").read_text().replace(str(first.version), str(never))
    )
    (home / "versions" / "7.json.part").write_text("{")
    with (home / "audit.jsonl").open("a") as log:
        log.write('{"at": "2026-11-22T10:00:0')
    later = push(base, make_model(tmp_path / "m", "later"))
    assert later.version == never + 1
    assert nothing_is_left_over(base)
    known = [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines() if line[-1] == "}"]
    assert [(one["event"], one["version"]) for one in known] == [
        ("pushed", first.version), ("abandoned", never), ("pushed", later.version),
    ]  # fmt: skip


def test_a_push_that_died_before_its_line_in_the_log_is_added_by_the_next(base, tmp_path, model):
    first = push(base, model)
    (base / ".sluice" / "audit.jsonl").unlink()
    second = push(base, make_model(tmp_path / "m", "second"))
    assert events(base) == [("pushed", first.version), ("pushed", second.version)]


@pytest.mark.parametrize("how", [*DAMAGES, "folder"])
def test_a_version_with_a_damaged_manifest_stays_and_pushes_go_on(base, tmp_path, how):
    first = push(base, make_model(tmp_path / "m", "0"), keep=1).version
    path = base / ".sluice" / "versions" / f"{first}.json"
    if how == "folder":
        path.unlink()
        make_model(path)
    else:
        path.write_bytes(damage(path.read_bytes(), how))
    made = [push(base, make_model(tmp_path / "m", content), keep=1).version for content in "123"]
    assert numbers(base) == [first, *made[1:]]
    assert LocalTarget(base).manifests()[first] is None
    shutil.rmtree(base / str(first))
    push(base, make_model(tmp_path / "m", "4"), keep=1)
    assert ("gone", first) in events(base)
    assert nothing_is_left_over(base)


def test_links_and_pipes_are_named_and_refused(base, model):
    (model / "assets" / "link").symlink_to("/etc/passwd")
    os.mkfifo(model / "pipe")
    with pytest.raises(SluiceError, match="cannot be pushed") as refused:
        push(base, model)
    assert "assets/link: expected a file, got a link to /etc/passwd" in str(refused.value)
    assert "pipe: expected a file, got a device, pipe or socket" in str(refused.value)
    assert numbers(base) == []


def test_a_name_that_is_no_text_is_named_and_refused(base, model):
    undecodable_name(model)
    with pytest.raises(SluiceError, match="cannot be pushed") as refused:
        push(base, model)
    assert r"assets/\xff: expected a name in UTF-8; rename the file" in str(refused.value)


def test_a_folder_without_saved_model_is_refused(base, model):
    (model / "saved_model.pb").unlink()
    with pytest.raises(SluiceError, match=r"expected a SavedModel, got no saved_model\.pb"):
        push(base, model)


def test_a_source_that_changes_while_it_is_copied_is_refused(base, tmp_path, model, monkeypatch):
    first = push(base, model)
    other = make_model(tmp_path / "m", "other")
    copy = local_target.durable.copy

    def spoil(source, target):
        (other / "variables" / "variables.index").write_text("changed")
        return copy(source, target)

    monkeypatch.setattr(local_target.durable, "copy", spoil)
    with pytest.raises(SluiceError, match="changed while it was being copied") as refused:
        push(base, other)
    assert "variables/variables.index: expected" in str(refused.value)
    assert numbers(base) == [first.version]
    assert nothing_is_left_over(base)


def test_a_copy_that_the_disk_spoiled_is_refused(base, tmp_path, model, monkeypatch):
    first = push(base, model)
    copy = local_target.durable.copy

    def spoil(source, target):
        digest = copy(source, target)
        if target.name == "words":
            content = bytearray(target.read_bytes())
            content[100] ^= 1
            target.write_bytes(content)
        return digest

    monkeypatch.setattr(local_target.durable, "copy", spoil)
    with pytest.raises(SluiceError, match="is damaged; look at the disk") as refused:
        push(base, make_model(tmp_path / "m", "other"))
    assert "assets/words: expected" in str(refused.value)
    assert numbers(base) == [first.version]
    assert nothing_is_left_over(base)


@pytest.mark.parametrize("at", range(1, 9))
def test_a_disk_that_is_full_midway_leaves_no_version(base, tmp_path, model, monkeypatch, at):
    first = push(base, model)
    fsync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) >= at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SluiceError, match="what was served before is as it was") as refused:
        push(base, make_model(tmp_path / "m", "other"))
    assert "a file: No space left on device; free some space, or keep fewer versions" in str(refused.value)
    monkeypatch.undo()
    assert numbers(base) == [first.version]
    assert nothing_is_left_over(base)
    assert held(first.path) == held(model)


def test_a_failure_behind_the_rename_is_made_up_for_by_the_next_push(base, tmp_path, model, monkeypatch):
    first = push(base, model, keep=1)
    second = push(base, make_model(tmp_path / "m", "second"), keep=1)
    monkeypatch.setattr(local_target.shutil, "rmtree", lambda *_, **__: None)
    monkeypatch.setattr(LocalTarget, "forget", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "no")))
    third = push(base, make_model(tmp_path / "m", "third"), keep=1)
    assert numbers(base) == [second.version, third.version]
    monkeypatch.undo()
    push(base, make_model(tmp_path / "m", "fourth"), keep=1)
    assert nothing_is_left_over(base)
    assert ("gone", first.version) in events(base)


def test_a_target_that_is_a_file_is_a_clear_error(tmp_path, model):
    (tmp_path / "models").write_text("")
    with pytest.raises(SluiceError, match="expected a folder, and a file is there"):
        push(tmp_path / "models" / "fraud", model)


@pytest.fixture
def another_push(base):
    """A push of another process that has the lock; its end, when this is called."""
    ready, done = multiprocessing.Event(), multiprocessing.Event()

    def hold():
        with LocalTarget(base)._locked():
            ready.set()
            done.wait()

    holder = multiprocessing.get_context("fork").Process(target=hold)
    holder.start()
    ready.wait()
    yield done.set
    done.set()
    holder.join()


def test_a_lock_that_is_never_let_go_is_a_clear_error(base, model, monkeypatch, another_push):
    monkeypatch.setattr(local_target, "_WAIT_S", 0.2)
    with pytest.raises(SluiceError, match="another push has been at work there"):
        push(base, model)
    monkeypatch.undo()
    another_push()
    assert numbers(base) == []
    assert push(base, model).version == numbers(base)[0]


def test_a_push_that_has_to_wait_says_so_once(base, model, another_push, caplog):
    caplog.set_level("INFO", "sluice.pusher")
    ends = threading.Timer(0.5, another_push)
    ends.start()
    push(base, model)
    ends.join()
    assert [record.getMessage() for record in caplog.records] == [
        "waiting for another push to end, up to 600 s"
    ]
    push(base, make_model(base.parent / "m", "second"))
    assert len(caplog.records) == 1


ON_A_SMALL_DISK = textwrap.dedent("""
    import subprocess, sys
    from pathlib import Path
    from pipeline.errors import SluiceError
    from tests.components.pusher.models import held, make_model, numbers, push
    disk, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
    first = push(disk / "n", make_model(scratch / "a", "a"))
    (scratch / "a" / "variables" / "big").write_bytes(bytes(4_000_000))
    for remount in ((), ("mount", "-o", "remount,ro", disk)):
        if remount:
            subprocess.run(remount, check=True)
        try:
            push(disk / "n", scratch / "a")
        except SluiceError as error:
            print(error)
        assert numbers(disk / "n") == [first.version]
        assert held(first.path) == held(make_model(scratch / "b", "a"))
        assert not list((disk / "n" / ".sluice" / "staging").iterdir())
""")


def test_a_disk_that_is_full_and_one_that_is_read_only(tmp_path):
    (tmp_path / "disk").mkdir()
    apart = ["unshare", "--mount", sys.executable, "-c", ON_A_SMALL_DISK]
    if shutil.which("unshare") is None or subprocess.run([*apart[:2], "true"], check=False).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    command = [*apart, str(tmp_path / "disk"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "No space left on device; free some space, or keep fewer versions (push.keep)" in done.stdout
    assert "Read-only file system; mount it for writing, or give another folder (push.to)" in done.stdout
