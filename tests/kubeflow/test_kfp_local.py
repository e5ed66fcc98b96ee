"""The compiled demo in kfp's own local engine: an orchestrator that nobody here wrote."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, make_home
from tests.kubeflow.conftest import compile_for_kubeflow

ENGINE = ROOT / ".kfp" / "bin" / "python"


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not ENGINE.exists(), reason="`make test-long` makes the environment of kfp's engine")
def test_kfps_own_engine_pushes_the_demo(tmp_path):
    home = make_home(tmp_path)
    compiled = compile_for_kubeflow(home, "demo")
    script = Path(__file__).with_name("kfp_local.py")
    environment = {
        **os.environ,
        "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),  # in the image the code is where Python finds it
    }
    command = [str(ENGINE), str(script), str(home.path / "pipeline.yaml"), str(tmp_path / "root")]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=550
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (verdict,) = (tmp_path / "root").rglob("verdict.json")
    assert json.loads(verdict.read_text())["blessed"]
    (version,) = compiled.versions("demo")
    assert (version / "saved_model.pb").is_file()
