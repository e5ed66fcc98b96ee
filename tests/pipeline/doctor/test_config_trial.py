"""What a run would refuse of a configuration, and what it would use."""

import socket
import subprocess
import sys

import pytest

from pipeline.doctor import config_trial

CONFIG = """
name: fraud
task: binary
data: {source: rows.csv, label: y, sequence_id: id}
"""


@pytest.fixture
def config(write):
    write("rows.csv", "id,x,y\na,1,no\na,2,no\nb,3,yes\n")
    return write("sluice.yaml", CONFIG)


def test_of_a_good_one_what_the_checks_need(config, tmp_path):
    found = config_trial.main([str(config), ["run.beam_args=[--runner=FlinkRunner]"]])
    assert found == {
        "problems": [], "source_problems": [], "source_bytes": (tmp_path / "rows.csv").stat().st_size,
        "root": f"{tmp_path}/runs/fraud", "push_base": f"{tmp_path}/serving_models/fraud",
        "beam_args": ("--runner=FlinkRunner",), "docker": False, "metadata": None, "busy": False,
        "artifacts": None,
    }  # fmt: skip


def test_beam_arguments_that_beam_does_not_know_are_told(config):
    found = config_trial.main([str(config), ["run.beam_args=[--rnner=FlinkRunner]"]])
    assert found["problems"] == ["run.beam_args: Beam knows no --rnner=FlinkRunner; look at the spelling"]


def test_mistakes_in_it_are_all_told(config):
    found = config_trial.main([str(config), ["task=classify", "model.unitz=[4]"]])
    assert list(found) == ["problems"]
    assert [problem.partition(":")[0] for problem in found["problems"]] == ["task", "model.unitz"]


def test_a_file_that_is_not_there_is_told(tmp_path):
    (problem,) = config_trial.main([str(tmp_path / "no.yaml"), []])["problems"]
    assert "cannot read the configuration (No such file or directory)" in problem


def test_a_source_and_a_schema_that_are_not_there_are_told_apart(config, tmp_path):
    found = config_trial.main([str(config), ["data.source=no.csv", f"schema={tmp_path}/no.pbtxt"]])
    (source,), (schema,) = found["source_problems"], found["problems"]
    assert source.endswith("no.csv")
    assert schema == f"schema: cannot read {tmp_path}/no.pbtxt (No such file or directory)"


def test_a_source_that_is_not_as_configured_is_told(config):
    found = config_trial.main([str(config), ["data.label=z"]])
    assert found["problems"] == []
    assert any("z" in problem for problem in found["source_problems"])


def test_a_slice_that_the_data_does_not_have_is_told(config):
    found = config_trial.main([str(config), ["gate.slices=[sex]"]])
    assert found["problems"] == ["gate.slices: no feature is called sex (known here: x)"]


def test_where_it_writes_is_not_judged_here_for_it_is_tried(config, tmp_path):
    (tmp_path / "file").touch()
    places = [f"push.to={tmp_path}/file", f"run.artifacts={tmp_path}/file"]
    found = config_trial.main([str(config), places])
    assert found["problems"] == []
    assert (found["push_base"], found["artifacts"]) == (f"{tmp_path}/file/fraud", f"{tmp_path}/file/fraud")


def test_a_database_that_does_not_answer_is_told(config):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        found = config_trial.main([str(config), [f"run.metadata=mysql://me@127.0.0.1:{port}/ml"]])
    (problem,) = found["metadata"]
    assert problem.startswith(f"run.metadata: no MySQL server answers at 127.0.0.1:{port}")


def test_another_run_at_work_is_told(config, tmp_path):
    home = tmp_path / "runs" / "fraud"
    home.mkdir(parents=True)
    code = "import sys, time\nfrom pathlib import Path\nfrom pipeline import run_lock\n"
    code += "with run_lock.held(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", code, str(home)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert config_trial.main([str(config), []])["busy"] is True
        other.kill()
    assert config_trial.main([str(config), []])["busy"] is False
