"""Whole runs of the command line, each in a home of its own."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline import demo_data

ROOT = Path(__file__).resolve().parents[2]
SLUICE = str(Path(sys.executable).with_name("sluice"))


@dataclass(frozen=True)
class Home:
    """A folder with the example configurations, as in a fresh checkout."""

    path: Path

    def sluice(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [SLUICE, *arguments]
        return subprocess.run(
            command, cwd=self.path, capture_output=True, text=True, check=False, timeout=500
        )

    def json(self, name: str, file: str) -> Any:
        return json.loads((self.path / "runs" / name / "latest" / file).read_text(encoding="utf-8"))

    def versions(self, name: str) -> list[str]:
        folder = self.path / "serving_models" / name
        there = folder.iterdir() if folder.is_dir() else ()
        return sorted(path.name for path in there if path.name.isdecimal())

    def newest(self, name: str) -> Path:
        """Folder of the newest version that is served."""
        return self.path / "serving_models" / name / self.versions(name)[-1]

    def artifact(self, name: str, stage: str, key: str) -> Path:
        folder = self.path / "runs" / name / "artifacts" / stage / key
        return max(folder.iterdir(), key=lambda path: int(path.name))


def make_home(path: Path) -> Home:
    shutil.copytree(ROOT / "pipeline" / "configs", path / "pipeline" / "configs")
    demo_data.make(path / "data" / "demo.csv")
    return Home(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def first(home: Home) -> subprocess.CompletedProcess[str]:
    """The demo, run once; everything else in this module builds on it."""
    done = home.sluice("run", "pipeline/configs/demo.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done
