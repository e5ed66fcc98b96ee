"""Going back to an old version."""

import json
import re
from pathlib import Path

import pytest

from components.pusher.local_target import LocalTarget
from components.pusher.rollback import roll_back
from components.pusher.target import Pushed
from pipeline.errors import ConfigError, SluiceError
from tests.components.pusher.models import SPOILERS, held, held_as_one, make_model, numbers, push


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "models" / "fraud"


def pushed(base: Path, *contents: str) -> list[int]:
    made = [
        push(base, make_model(base.parent / "model", content), keep=9, run_id=f"run-{content}")
        for content in contents
    ]
    return [one.version for one in made]


def back(base: Path, version: int | None = None, **on_record: str) -> tuple[int, Pushed]:
    return back_with_remarks(base, version, **on_record)[:2]


def back_with_remarks(
    base: Path, version: int | None = None, **on_record: str
) -> tuple[int, Pushed, list[str]]:
    known = {int(name.removeprefix("v")): sha256 for name, sha256 in on_record.items()}
    return roll_back(LocalTarget(base), version, keep=9, reason="worse", by="ana", on_record=known)


def test_the_old_content_is_served_under_a_higher_number(base, tmp_path):
    first, second = pushed(base, "a", "b")
    before = held(base / str(first))
    old, made = back(base)
    assert (old, numbers(base)) == (first, [first, second, made.version])
    assert held(made.path) == before == held(make_model(tmp_path / "expected", "a"))


def test_manifest_and_log_say_who_went_back_from_where_and_why(base):
    first, second = pushed(base, "a", "b")
    _, made = back(base)
    manifest = json.loads((base / ".sluice" / "versions" / f"{made.version}.json").read_text())
    gone_back = {"version": second, "to": first, "reason": "worse", "by": "ana"}
    assert manifest["rolled_back_from"] == gone_back
    assert manifest["run_id"] == "run-a"
    log = [json.loads(line) for line in (base / ".sluice" / "audit.jsonl").read_text().splitlines()]
    assert [(event["event"], event["version"]) for event in log] == [
        ("pushed", first), ("pushed", second), ("rolled-back", made.version),
    ]  # fmt: skip
    assert log[-1]["rolled_back_from"] == gone_back


def test_without_a_version_it_is_the_newest_of_other_content(base):
    first, _ = pushed(base, "a", "b")
    _, again = back(base)
    old, _ = back(base)
    assert (old, again.version > old) == (first + 1, True)


def test_a_version_can_be_named(base):
    first, *_ = pushed(base, "a", "b", "c")
    assert back(base, first)[0] == first


def test_what_was_damaged_meanwhile_is_refused_with_the_file(base):
    first, second = pushed(base, "a", "b")
    (base / str(first) / "assets" / "words").write_text("half\n")
    (base / str(first) / "saved_model.pb").unlink()
    (base / str(first) / "more").write_text("")
    with pytest.raises(SluiceError, match=f"{first} is damaged") as refused:
        back(base, first)
    assert "assets/words: expected 16,000 bytes" in str(refused.value)
    assert re.search("saved_model.pb: expected .*, got no such file", str(refused.value))
    assert "more: was not there before" in str(refused.value)
    assert "give another version, or none for the newest that is whole" in str(refused.value)
    assert numbers(base) == [first, second]


def test_without_a_version_what_is_damaged_or_unknown_is_passed_over(base):
    first, second, third, _ = pushed(base, "a", "b", "c", "d")
    (base / str(third) / "saved_model.pb").unlink()
    (base / ".sluice" / "versions" / f"{second}.json").unlink()
    old, made, (one, other) = back_with_remarks(base)
    assert old == first
    assert one.startswith(f"passed over: version {third} is damaged; saved_model.pb: exp")
    assert other == (
        f"passed over: version {second} cannot be checked: neither a manifest nor a run is on record of it"
    )
    assert numbers(base)[-1] == made.version


def test_no_good_version_is_one_error_that_lists_them(base):
    first, second, third = pushed(base, "a", "b", "c")
    (base / str(first) / "assets" / "link").symlink_to("nowhere")
    (base / str(second) / "saved_model.pb").unlink()
    with pytest.raises(SluiceError, match=r"no older version in .* can be gone back to") as refused:
        back(base)
    newer, older = refused.value.problems
    assert newer.startswith(f"passed over: version {second} is damaged; saved_model.pb: expected")
    assert "assets/link: expected a file, got a link to nowhere" in older
    assert numbers(base) == [first, second, third]


@pytest.mark.parametrize("manifest", [True, False])
@pytest.mark.parametrize("spoil", SPOILERS)
def test_what_is_served_may_be_damaged_in_any_way(base, tmp_path, spoil, manifest):
    first, second = pushed(base, "a", "b")
    if not manifest:
        (base / ".sluice" / "versions" / f"{second}.json").unlink()
    spoil(base / str(second))
    old, made = back(base)
    assert old == first
    assert held(made.path) == held(make_model(tmp_path / "expected", "a"))


def test_usage_that_cannot_be_meant_is_an_error_of_usage(base):
    with pytest.raises(ConfigError, match="there is nothing to go back to"):
        back(base)
    (first,) = pushed(base, "a")
    with pytest.raises(ConfigError, match="no older version"):
        back(base)
    with pytest.raises(ConfigError, match="is the one that is served"):
        back(base, first)
    with pytest.raises(ConfigError, match="no version 12") as refused:
        back(base, 12)
    assert f"expected one of {first}" in str(refused.value)
    pushed(base, "b", "a")
    with pytest.raises(ConfigError, match="has the content of version"):
        back(base, first)


def test_a_damaged_manifest_is_like_none(base):
    first, _ = pushed(base, "a", "b")
    (base / ".sluice" / "versions" / f"{first}.json").write_bytes(b"\xff")
    with pytest.raises(SluiceError, match="neither a manifest nor a run is on record"):
        back(base, first)
    assert back(base, first, **{f"v{first}": held_as_one(base / str(first))})[0] == first


def test_a_version_without_manifest_needs_a_run_that_vouches_for_it(base, tmp_path):
    theirs = make_model(base / "7", "theirs")
    pushed(base, "a")
    with pytest.raises(SluiceError, match="neither a manifest nor a run is on record"):
        back(base, 7)
    with pytest.raises(SluiceError, match="not those of the run that pushed it"):
        back(base, 7, v7="0" * 64)
    _, made = back(base, 7, v7=held_as_one(theirs))
    assert held(made.path) == held(make_model(tmp_path / "expected", "theirs"))
