"""The image of the pipeline, read without Docker: what it is made of, in which order, and who runs in it."""

import fnmatch
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STACKS = {"tfx-1.16": "3.10-slim-bookworm", "tfx-1.21": "3.13-slim-trixie"}


def instructions() -> list[tuple[str, str]]:
    """(keyword, rest) of each instruction, in order; continued lines are one."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    words = [line.partition(" ") for line in lines if line and not line.startswith("#")]
    return [(keyword, rest) for keyword, _, rest in words]


def of(keyword: str) -> list[str]:
    return [rest for name, rest in instructions() if name == keyword]


def copied() -> list[str]:
    """What is copied from this folder, with the stack filled in."""
    sources = [one.split()[:-1] for one in of("COPY") if not one.startswith("--from=")]
    return [
        source.replace("${STACK}", stack) for one in sources for source in one for stack in STACKS
    ]  # fmt: skip


def ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out of the build; the last line that matches decides."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    found = False
    for line in lines:
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").removeprefix("**/")
        names = path.split("/") if line.startswith("**/") else [path.split("/")[0]]
        if any(fnmatch.fnmatch(name, pattern) for name in names):
            found = not line.startswith("!")
    return found


def test_the_base_is_a_python_of_a_named_version_and_distribution():
    arguments = dict(one.split("=") for one in of("ARG") if "=" in one)
    assert STACKS[arguments["STACK"]] == arguments["PYTHON"]
    assert {one.split(" AS ")[0] for one in of("FROM")} == {"python:${PYTHON}", "packages"}
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert f"PYTHON={STACKS['tfx-1.21']} --build-arg STACK=tfx-1.21" in text
    for stack, python in STACKS.items():
        assert (ROOT / "requirements" / f"{stack}.txt").is_file()
        assert re.fullmatch(r"\d+\.\d+-slim-[a-z]+", python)


def test_what_runs_in_it_is_not_root_and_kubernetes_can_tell():
    last = [index for index, (name, _) in enumerate(instructions()) if name == "FROM"][-1]
    final = instructions()[last:]
    (user,) = [rest for name, rest in final if name == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "by number: runAsNonRoot cannot look a name up"
    names = [name for name, _ in final]
    assert "COPY" not in names[names.index("USER") :]


def test_requirements_come_before_the_code_hashed_and_without_an_index():
    order = [rest for name, rest in instructions() if name in ("COPY", "RUN")]
    installs = next(index for index, rest in enumerate(order) if rest.startswith("pip install"))
    assert "--requirement requirements/${STACK}.txt" in order[installs]
    code = min(index for index, rest in enumerate(order) if rest.startswith(("pipeline ", "components ")))
    assert installs < code, "a change of the code leaves the layer of packages as it is"
    assert order[installs].count("--require-hashes") == 2
    assert "://" not in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_what_is_copied_exists_and_is_not_ignored():
    for source in copied():
        assert (ROOT / source).exists(), source
        assert not ignored(source), source


@pytest.mark.parametrize(
    "path",
    [".git/config", "runs/demo/run.json", "data/demo.csv", "serving_models/demo/1", ".venv/bin/python",
     "tests/conftest.py", "benchmarks/push.py", ".env", "components/__pycache__/x.pyc"],
)  # fmt: skip
def test_data_runs_and_history_stay_out(path):
    assert ignored(path)


def test_every_package_of_the_project_is_in_it():
    found = re.search(r"include=\[(.*?)\]", (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert found is not None
    packages = re.findall(r'"(\w+)\*"', found[1])
    assert set(packages) <= set(copied())
