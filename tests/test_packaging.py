"""What Beam's workers install: the sdist that --setup_file makes."""

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.stager import Stager
from packaging.requirements import Requirement

from pipeline.config import Run
from pipeline.runners.beam_args import beam_args

ROOT = Path(__file__).resolve().parents[1]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
# A worker that has the pinned requirements and what it was sent, and not this checkout.
WORKER = """
import sys
sys.path[:0] = sys.argv[1:]
import components.auditor.beam_flow, components.ingest.beam_flow, components.trainer.metrics.classification
from components.servability.versions import known_versions
assert known_versions() and components.ingest.beam_flow.__file__.startswith(sys.argv[1])
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what a worker installs, built as Beam builds it."""
    staging, folder = tmp_path_factory.mktemp("staging"), tmp_path_factory.mktemp("installed")
    options = PipelineOptions(beam_args(Run(beam_args=("--runner=FlinkRunner",))))
    resources = Stager.create_job_resources(options, str(staging))
    (sdist,) = staging.glob("*.tar.gz")
    assert len(resources) >= 1
    command = [
        UV, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--python", sys.executable,
        "--target", folder, sdist,
    ]  # fmt: skip
    subprocess.run(command, check=True)
    return folder


def test_the_code_of_the_stages_works_where_only_the_sdist_is_installed(installed):
    packages = str(Path(pytest.__file__).parents[1])
    command = [sys.executable, "-I", "-S", "-c", WORKER, str(installed), packages]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_its_files_are_those_of_the_checkout(installed):
    sources = [
        path.relative_to(ROOT).as_posix()
        for package in ("pipeline", "components", "serving")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]
    there = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert set(sources) <= there


@pytest.mark.parametrize("stack", ["tfx-1.16", "tfx-1.21"])
def test_the_pinned_requirements_are_all_it_wants(installed, stack):
    lines = (ROOT / "requirements" / f"{stack}.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(
        match.groups() for line in lines if (match := re.match(r"([\w.-]+)(?:\[.*\])?==([\w.+]+)", line))
    )
    (sluice,) = metadata.distributions(path=[str(installed)])
    wanted = [Requirement(text) for text in sluice.requires or ()]
    assert len(wanted) > 5
    for requirement in wanted:
        assert requirement.specifier.contains(pins[requirement.name]), requirement
