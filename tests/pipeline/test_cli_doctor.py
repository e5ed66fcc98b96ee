"""`sluice doctor` as a process, in environments that lack something for real."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from pipeline.config import Push, Run
from pipeline.doctor import examination
from pipeline.doctor.stack import CLASSIC

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
name: tiny
task: binary
data: {source: rows.csv, sequence_id: id, time: t, label: y}
model: {units: [4]}
training: {epochs: 1}
gate:
  thresholds: [{metric: log_loss, max: 100}]
  beat_trivial_by: null
  max_overfit_gap: null
  confidence: null
"""


@pytest.fixture
def config(write) -> Path:
    numbers = np.random.default_rng(1).normal(size=600)
    rows = [f"s{at // 3},{at % 3},{number},{'ny'[at // 3 % 2]}" for at, number in enumerate(numbers)]
    write("rows.csv", "\n".join(["id,t,x,y", *rows]))
    return write("sluice.yaml", CONFIG)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH in which TensorFlow is broken, so that importing ends at once."""
    (tmp_path / "stubs" / "tensorflow").mkdir(parents=True)
    (tmp_path / "stubs" / "tensorflow" / "__init__.py").write_text(
        "raise ImportError('libtensorflow is gone')\n"
    )
    return tmp_path / "stubs"


def doctor(
    *arguments: str,
    path: Path | None = None,
    cwd: Path = ROOT,
    python: tuple[str, ...] = (),
    **variables: str,
) -> tuple[int, str, str]:
    """Exit status, output and errors.

    Args:
      arguments: of the command.
      path: comes first in PYTHONPATH.
      cwd: the working directory.
      python: options of the interpreter.
      variables: of the environment.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, filter(None, (path, ROOT)))),
        **variables,
    }
    ended = subprocess.run(
        [sys.executable, *python, "-m", "pipeline", "doctor", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout, ended.stderr


def by_name(*arguments: str, **settings: Any) -> tuple[int, Mapping[str, Any]]:
    status, out, err = doctor(*arguments, "--json", **settings)
    assert err == ""
    report = json.loads(out)
    assert report["works"] == (status == 0)
    return status, {result["name"]: result for result in report["results"]}


def test_without_click_it_says_so_in_one_sentence(tmp_path):
    status, out, err = doctor(python=("-S",))
    assert (status, out) == (1, "")
    assert err == (
        f"sluice needs the package click, which {sys.executable} does not have; "
        "make setup installs in .venv all that is needed\n"
    )


def test_with_nothing_but_click_it_says_what_is_missing(tmp_path, config):
    (tmp_path / "click").symlink_to(Path(click.__file__).parent)
    status, found = by_name(str(config), path=tmp_path, python=("-S",))
    assert status == 1
    assert re.fullmatch(r"missing: absl-py, .* and \d{3} more", found["packages"]["found"])
    assert "ModuleNotFoundError: No module named" in found["configuration"]["found"]
    assert found["imports"]["found"].startswith("ModuleNotFoundError: No module named 'tensorflow'")
    assert found["imports"]["remedy"].endswith("requirements/install.sh")


def test_other_commands_point_to_it_where_a_package_is_missing(tmp_path, config):
    (tmp_path / "click").symlink_to(Path(click.__file__).parent)
    ended = subprocess.run(
        [sys.executable, "-S", "-m", "pipeline", "check", str(config)],
        cwd=ROOT, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert re.fullmatch(
        r"cannot be loaded: No module named '\w+'; sluice doctor says what is missing, and the remedy\n",
        ended.stderr,
    )


def test_a_broken_package_is_a_finding_and_the_rest_is_still_looked_at(broken, config):
    status, out, err = doctor(str(config), path=broken)
    assert (status, err) == (1, "")
    assert re.search(
        r"^lack     imports           ImportError: libtensorflow is gone \(.*tensorflow/__init__.py\)\n"
        r"         rules out         sluice run\n"
        r"         remedy            .+",
        out, re.MULTILINE,
    )  # fmt: skip
    assert re.search(r"^ok       run.root          .*/runs/tiny: .* was written; .* free$", out, re.MULTILINE)
    assert out.endswith(f"sluice run {config} does not work here: see imports\n")


def test_without_docker_java_and_flink_it_says_what_that_rules_out(broken, tmp_path):
    _, found = by_name(path=broken, PATH=str(tmp_path), JAVA_HOME="")
    assert found["docker"]["found"] == "not installed"
    assert found["docker"]["remedy"].startswith("apt-get install docker.io")
    assert found["flink"]["found"].startswith("no Java")
    assert found["docker"]["exit_code"] == 0
    assert found["flink"]["exit_code"] == 0


def test_a_package_of_another_version_is_named(broken):
    (broken / "click-0.0.1.dist-info").mkdir()
    (broken / "click-0.0.1.dist-info" / "METADATA").write_text("Name: click\nVersion: 0.0.1\n")
    _, found = by_name(path=broken)
    assert found["packages"]["state"] == "warning"
    assert "click 0.0.1, pinned " in found["packages"]["found"]


def test_a_folder_that_cannot_be_made_stops_a_run(broken, config, tmp_path):
    (tmp_path / "runs").touch()
    status, found = by_name(str(config), path=broken)
    assert status == 1
    assert found["run.root"]["found"] == f"{tmp_path}/runs cannot be written: Not a directory"
    assert found["run.root"]["remedy"] == "--set run.root=FOLDER"
    assert found["push.to"]["state"] == "ok"


def test_a_run_that_is_at_work_in_the_folder_stops_another(tmp_path):
    chosen = {"root": str(tmp_path / "runs"), "push_base": str(tmp_path / "m"), "busy": True}
    found = {result.name: result for result in examination._folders(chosen)}
    assert found["run.root"].found == f"another run is at work in {tmp_path}/runs"
    assert found["run.root"].stops_run
    assert found["push.to"].state == "ok"


def test_a_temporary_folder_that_is_not_there_is_a_finding(broken, tmp_path, monkeypatch):
    monkeypatch.setattr(examination, "gettempdir", lambda: str(tmp_path / "gone" / "tmp"))
    (tmp_path / "gone").touch()
    found = {result.name: result for result in examination._folders({})}
    assert found["temporary folder"].stops_run
    assert found["temporary folder"].remedy == "export TMPDIR=FOLDER"


@pytest.mark.parametrize(
    ("own", "pip", "install", "reinstall"),
    [
        (True, False, "{root}/requirements/install.sh", "make -C {root} clean setup"),
        (False, True, "{python} -m pip install {pins}", "{python} -m pip install --force-reinstall {pins}"),
        (False, False, "uv pip install --python {python} {pins}",
         "uv pip install --python {python} --reinstall {pins}"),
    ],
)  # fmt: skip
def test_what_mends_an_environment_depends_on_whose_it_is(
    own, pip, install, reinstall, tmp_path, monkeypatch
):
    python = str(tmp_path / (".venv" if own else "venv") / "bin" / "python")
    for folder in (".venv", "venv"):
        (tmp_path / folder / "bin").mkdir(parents=True)
    (tmp_path / "requirements").mkdir()
    (tmp_path / CLASSIC.requirements).touch()
    monkeypatch.setattr(examination, "ROOT", tmp_path)
    monkeypatch.setattr(examination, "find_spec", lambda name: name if pip else None)
    monkeypatch.setattr(sys, "executable", python)
    names = {
        "root": tmp_path,
        "python": python,
        "pins": f"--require-hashes -r {tmp_path}/{CLASSIC.requirements}",
    }
    for anew, expected in ((False, install), (True, reinstall)):
        assert examination._install(CLASSIC, anew=anew) == expected.format(**names)


def test_a_wrong_configuration_alone_is_wrong_usage(config, monkeypatch, capsys):
    monkeypatch.setattr(examination, "_libraries", lambda *_: iter(()))
    from pipeline import cli

    for override, name in (("modle.units=[4]", "configuration"), ("data.source=no.csv", "sources")):
        with pytest.raises(SystemExit) as left:
            cli.main(["doctor", str(config), "--set", override])
        assert left.value.code == 2
        assert capsys.readouterr().out.endswith(f"sluice run {config} does not work here: see {name}\n")


def test_keys_are_changed_of_a_configuration_only():
    status, _, err = doctor("--set", "run.root=x")
    assert status == 2
    assert "--set changes a key of CONFIG; give it" in err


def test_without_a_configuration_the_folders_are_the_defaults():
    assert Run().root == examination.RUN_ROOT
    assert Push().to == examination.PUSH_TO


def test_text_that_the_terminal_cannot_show_does_not_end_it(broken, tmp_path):
    folder = tmp_path / "Ω"
    folder.mkdir()
    status, out, err = doctor(path=broken, cwd=folder, PYTHONIOENCODING="latin-1")
    assert (status, err) == (1, "")
    assert "/\\u03a9 was written" in out


def test_a_working_directory_that_is_gone_is_a_finding(broken, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    ended = subprocess.run(
        ["sh", "-c", 'rmdir "$PWD" && exec "$0" -m pipeline doctor', sys.executable],
        cwd=gone, env={**os.environ, "PYTHONPATH": f"{broken}:{ROOT}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (1, "")
    assert re.search(
        r"^lack     run.root +\S+ cannot be written: No such file or directory$", ended.stdout, re.MULTILINE
    )


@pytest.mark.slow
def test_where_it_says_so_a_run_works_whatever_else_is_lacking(config, tmp_path):
    (tmp_path / "kfp").mkdir()
    (tmp_path / "kfp" / "__init__.py").write_text("raise ImportError('kfp is broken')\n")
    driver = tmp_path / "bin" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho 'GPU 0: one that TensorFlow does not find'\n")
    driver.chmod(0o755)
    variables = {"PATH": str(driver.parent), "JAVA_HOME": ""}
    status, found = by_name(str(config), path=tmp_path, **variables)
    assert {name: one["found"] for name, one in found.items() if one["exit_code"]} == {}
    assert status == 0
    lacking = {name for name, one in found.items() if one["state"] != "ok"}
    assert {"docker", "flink", "spark", "gpu", "kubeflow"} <= lacking
    assert found["gpu"]["remedy"].endswith(f'-m pip install "tensorflow[and-cuda]=={version("tensorflow")}"')
    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", str(config)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}", **variables},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".sluice")) == []
