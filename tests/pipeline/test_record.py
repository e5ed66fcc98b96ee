"""A run's folder, and finding it again."""

import json
import os
import platform

import pytest

from pipeline import record, summary
from pipeline.errors import ConfigError


def a_run(home, content=None):
    folder = record.create(home)
    record.write(folder, record.RUN, content or {"run_id": folder.name})
    return folder


def test_latest_points_to_the_newest_run_and_names_are_never_reused(tmp_path):
    home = tmp_path / "demo"
    folders = [a_run(home) for _ in range(3)]
    assert len({folder.name for folder in folders}) == 3
    assert (home / record.LATEST).resolve() == folders[-1]
    assert record.runs(home) == folders[::-1]


def test_a_run_is_found_by_folder_id_name_or_as_the_newest(tmp_path):
    first, second = a_run(tmp_path / "one"), a_run(tmp_path / "two")
    assert record.find(str(first), tmp_path) == first.resolve()
    assert record.find(str(tmp_path / "one" / "latest"), tmp_path) == first.resolve()
    assert record.find("one", tmp_path) == first
    assert record.find(None, tmp_path).name == max(first.name, second.name)


@pytest.mark.parametrize("run", [None, "nothing"])
def test_an_unknown_run_is_a_clear_error(tmp_path, run):
    with pytest.raises(ConfigError, match="no run"):
        record.find(run, tmp_path / "absent")


def test_a_run_is_on_record_from_its_beginning(tmp_path):
    folder = record.create(tmp_path / "demo")
    run = record.read(folder, record.RUN)
    assert (run["run_id"], run["name"], run["status"]) == (folder.name, "demo", "running")
    assert (run["exit_code"], run["finished"], run["stages"], run["pushed"]) == (None, None, [], None)
    assert run["process"] == {"pid": os.getpid(), "host": platform.node()}


def test_runs_of_one_second_have_names_of_their_own_in_ml_metadata(tmp_path):
    runs = [record.read(record.create(tmp_path / name), record.RUN) for name in ("one", "two", "three")]
    assert len({run["metadata_run"] for run in runs}) == 3
    assert [record.run_id_of(run["metadata_run"]) for run in runs] == [run["run_id"] for run in runs]


def test_a_killed_run_without_record_is_a_run_too(tmp_path):
    whole, killed = a_run(tmp_path / "demo"), record.create(tmp_path / "demo")
    (killed / record.RUN).unlink()
    assert set(record.runs(tmp_path / "demo")) == {whole, killed}
    assert record.find("demo", tmp_path) == killed
    assert list(summary.why(killed)) == [
        f"demo {killed.name}: killed before its first stage",
        "  finished: no stage",
        "  the same command goes on from there: behind its finished stages, and a training's last epoch",
    ]


def test_a_file_is_replaced_whole(tmp_path):
    record.write(tmp_path, "a.json", {"one": 1})
    record.write(tmp_path, "a.json", {"two": "ü"})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"two": "ü"}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert record.read(tmp_path, "absent.json") is None


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"run\.root: cannot write"):
        record.create(tmp_path / "file" / "demo")
