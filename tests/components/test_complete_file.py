"""Files that appear when they are complete."""

import pytest
import tensorflow as tf

from components import complete_file


def test_a_file_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path):
    complete_file.write(f"{tmp_path}/found.json", "first, and longer")
    complete_file.write(f"{tmp_path}/found.json", "second")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"found.json": "second"}


def test_an_attempt_that_dies_leaves_the_earlier_file_and_what_sweep_removes(tmp_path, monkeypatch):
    complete_file.write(f"{tmp_path}/found.json", "first")
    monkeypatch.setattr(tf.io.gfile, "rename", dies)
    with pytest.raises(InterruptedError):
        complete_file.write(f"{tmp_path}/found.json", "second")
    assert (tmp_path / "found.json").read_text() == "first"
    assert len(list(tmp_path.iterdir())) == 2
    complete_file.sweep(f"{tmp_path}/")
    assert [path.name for path in tmp_path.iterdir()] == ["found.json"]


def test_two_attempts_at_one_file_do_not_meet(tmp_path):
    assert complete_file.unfinished(str(tmp_path)) != complete_file.unfinished(f"{tmp_path}/")


def dies(*_, **__):
    raise InterruptedError
