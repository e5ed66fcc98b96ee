"""Configurations compiled by the command, and a cluster to run them on."""

from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.conftest import Home
from tests.kubeflow.specification import Specification, read


@dataclass(frozen=True)
class Compiled:
    """A specification, and where its runs push to."""

    specification: Specification
    pushed: Path

    def versions(self, name: str) -> list[Path]:
        """The versions that TensorFlow Serving sees, newest last."""
        folder = self.pushed / name
        there = folder.iterdir() if folder.is_dir() else ()
        return sorted(path for path in there if path.name.isdecimal())


def compile_for_kubeflow(home: Home, name: str, *arguments: str) -> Compiled:
    """Compiles an example by the command line, for pushes to a folder of its own."""
    file, pushed = home.path / "pipeline.yaml", home.path / "pushed_by_kubeflow"
    config = f"pipeline/configs/{name}.yaml"
    done = home.sluice("compile", config, f"--output={file}", f"--set=push.to={pushed}", *arguments)
    assert done.returncode == 0, done.stderr
    return Compiled(read(file), pushed)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Relative name and content of every file of a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
