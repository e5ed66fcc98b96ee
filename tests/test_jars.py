"""What `make flink` fetches is what the checksums name, or nothing is kept."""

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Stands for Maven: puts files into the folder it is given.
MAVEN = """#!/bin/sh
for argument; do case "$argument" in -DoutputDirectory=*) folder=${argument#*=} ;; esac; done
mkdir -p "$folder"
"""


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "jars.sh", tmp_path / "requirements")
    (tmp_path / "requirements" / "flink.pom.xml").touch()
    return tmp_path


def fetch(checkout: Path, brings: dict[str, str] | None, names: dict[str, str], java: bool = True):
    """Runs the script where Maven brings files, and the checksums name files, by name and content."""
    tools = checkout / "tools"
    tools.mkdir()
    for tool in ("sh", "dirname", "rm", "mkdir", "mv", "sha256sum", "ls", "wc"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    if java:
        (tools / "java").symlink_to("/bin/true")
    if brings is not None:
        puts = "".join(f'echo "{content}" > "$folder/{name}"\n' for name, content in brings.items())
        (tools / "mvn").write_text(MAVEN + puts)
        (tools / "mvn").chmod(0o755)
    sums = (
        f"{hashlib.sha256((content + chr(10)).encode()).hexdigest()}  {name}\n"
        for name, content in names.items()
    )
    (checkout / "requirements" / "flink.sha256").write_text("".join(sums))
    command = [str(checkout / "requirements" / "jars.sh"), "flink"]
    return subprocess.run(command, env={"PATH": str(tools)}, capture_output=True, text=True, check=False)


def test_verified_files_are_kept_and_older_ones_go(checkout):
    (checkout / ".flink" / "jars").mkdir(parents=True)
    (checkout / ".flink" / "jars" / "old.jar").touch()
    done = fetch(checkout, brings={"a.jar": "one", "b.jar": "two"}, names={"a.jar": "one", "b.jar": "two"})
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (checkout / ".flink" / "jars").iterdir()) == ["a.jar", "b.jar"]


@pytest.mark.parametrize(
    ("brings", "names", "says"),
    [
        ({"a.jar": "one"}, {"a.jar": "other"}, "a file is not the one that requirements/flink.sha256 names"),
        ({"a.jar": "one"}, {"a.jar": "one", "b.jar": "two"}, "a file is not the one"),
        ({"a.jar": "one", "b.jar": "two"}, {"a.jar": "one"}, "more files came than"),
        (None, {"a.jar": "one"}, "Maven is missing; install it"),
    ],
)
def test_what_is_not_named_is_refused_and_the_older_files_stay(checkout, brings, names, says):
    (checkout / ".flink" / "jars").mkdir(parents=True)
    (checkout / ".flink" / "jars" / "old.jar").touch()
    done = fetch(checkout, brings, names)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"make flink: {says}")
    assert [path.name for path in (checkout / ".flink" / "jars").iterdir()] == ["old.jar"]


def test_missing_java_is_named(checkout):
    done = fetch(checkout, brings={}, names={}, java=False)
    assert done.returncode == 1
    assert done.stderr.startswith("make flink: Java is missing; install version 11 or 17")
