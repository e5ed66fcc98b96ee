"""Pushes that are killed, on a small scale; `benchmarks/push` does it at length, and to stock TFX too."""

from pathlib import Path

from benchmarks.push import killing, series
from benchmarks.push.watching import faults, held
from tests.components.pusher.models import make_model


def unsafe(base: Path, source: Path) -> str:
    """What must not be done: files copied to where TensorFlow Serving looks."""
    version = base / str(int(killing.time.time()))
    for name in sorted(held(source)):
        target = version / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((source / name).read_bytes())
    return str(version)


def test_no_kill_leaves_or_shows_an_incomplete_version(tmp_path):
    make_model(tmp_path / "model" / "Format-Serving")
    found = series.run(killing.ours, tmp_path, 40)
    assert found.pushes == 40
    assert found.killed >= 20
    assert (found.seen_incomplete, found.left_incomplete, found.said_pushed_though_incomplete) == (0, 0, 0)
    assert found.newest_complete
    assert found.seen > 20
    home = tmp_path / "versions" / ".sluice"
    assert not any((home / "staging").iterdir())
    assert not any((home / "trash").iterdir())


def test_the_watcher_sees_what_an_unsafe_push_shows(tmp_path):
    make_model(tmp_path / "model" / "Format-Serving")
    found = series.run(unsafe, tmp_path, 20)
    assert found.killed >= 10
    assert found.seen_incomplete > 0
    assert found.left_incomplete > 0


def test_a_fault_of_any_kind_is_seen(tmp_path):
    model = make_model(tmp_path / "model")
    expected = held(model) | {"assets.extra/number": "0" * 64}
    (model / "assets.extra").mkdir()
    (model / "assets.extra" / "number").write_text("push 000007\n")
    assert faults(model, expected) == []
    (model / "assets.extra" / "number").write_text("push 0000")
    (model / "more").write_text("")
    (model / "assets" / "words").write_text("half")
    (model / "saved_model.pb").unlink()
    assert faults(model, expected) == ["assets.extra/number", "assets/words", "more", "saved_model.pb"]
