"""What importing shows: broken packages and modules that hide the stack's, provoked by stubs on the path."""

import re
from pathlib import Path

import pytest

from pipeline.doctor import import_trial
from pipeline.doctor.child import ask

ROOT = Path(__file__).resolve().parents[3]
TRIAL = import_trial.__name__


@pytest.fixture
def stub(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def write_module(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write_module


def test_an_import_that_fails_says_what_and_where(stub):
    path = stub(
        "tensorflow/__init__.py", "raise ImportError('libcudart.so.12: cannot open\\nshared object file')"
    )
    report = ask(TRIAL, [], 60).report
    assert report["failed"] == f"ImportError: libcudart.so.12: cannot open shared object file ({path})"
    assert report["elsewhere"] == {"tensorflow": str(path)}  # although it is gone again


def test_a_missing_package_is_named(stub):
    stub("tensorflow/__init__.py", "import dill_that_beam_no_longer_brings")
    failed = ask(TRIAL, [], 60).report["failed"]
    assert failed.startswith("ModuleNotFoundError: No module named 'dill_that_beam_no_longer_brings'")


def test_an_import_without_avx_ends_the_process_and_is_a_finding(stub):
    path = stub("tensorflow/__init__.py", "import os, signal\nos.kill(os.getpid(), signal.SIGILL)")
    assert ask(TRIAL, [], 60).died == f"was ended by SIGILL, in {path}, line 2"


def test_a_module_that_hides_one_of_the_stack_is_named(stub):
    hiding = {name: str(stub(f"{name}.py", "")) for name in ("colorsys", "yaml")}  # of Python, of a package
    stub("hides_nothing.py", "")
    hiding["tensorflow"] = str(
        stub("tensorflow.py", "import colorsys, hides_nothing, yaml\nraise ImportError")
    )
    assert ask(TRIAL, [], 60).report["elsewhere"] == hiding


def test_keras_settings_are_known_where_they_stop_it(monkeypatch, stub):
    monkeypatch.setenv("KERAS_BACKEND", "no_such_backend")
    stub("tensorflow/__init__.py", "import keras")
    report = ask(TRIAL, [], 60).report
    assert "no_such_backend" in report["failed"]
    assert report["keras"] == {"backend": "no_such_backend", "floatx": "float32"}


def test_every_stock_component_that_is_used_is_looked_for():
    sources = [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "components").rglob("*.py")]
    used = {
        name
        for path in sources
        for name in re.findall(r"\btfx\.components\.([A-Z]\w+)", path.read_text(encoding="utf-8"))
    }
    assert used - {"FnArgs"} == set(import_trial.COMPONENTS)


def test_a_component_that_tfx_could_not_import_is_absent(monkeypatch):
    from tfx import v1 as tfx

    assert import_trial._facts()["absent"] == []
    monkeypatch.setattr(tfx.components, "Evaluator", None)
    assert import_trial._facts()["absent"] == ["Evaluator"]


def test_places_are_written_through_tensorflow_and_left_as_they_were(tmp_path):
    import tensorflow as tf

    errors = import_trial._tried(["ram://bucket/models/", str(tmp_path), "nowhere://bucket"])
    assert errors["ram://bucket/models/"] == errors[str(tmp_path)] == ""
    assert "there is no file system for nowhere://" in errors["nowhere://bucket"]
    assert tf.io.gfile.glob("ram://bucket/models/*") == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_here_all_of_it_loads():
    report = ask(TRIAL, ["ram://bucket/models"], 300).report
    assert "failed" not in report
    assert (report["elsewhere"], report["absent"], report["places"]) == ({}, [], {"ram://bucket/models": ""})
    assert report["keras"] == {"backend": "tensorflow", "floatx": "float32"}
