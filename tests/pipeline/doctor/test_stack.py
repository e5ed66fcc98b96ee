"""Which stack runs where, and how what is installed differs from its pins."""

import re
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.doctor.stack import CLASSIC, MODERN, Difference, Platform, differences

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "python", "stack"),
    [
        ("Linux", "x86_64", (2, 36), (3, 10), CLASSIC),  # Debian 12
        ("Linux", "x86_64", (2, 36), (3, 11), None),
        ("Linux", "x86_64", (2, 38), (3, 13), None),
        ("Linux", "x86_64", (2, 39), (3, 12), MODERN),  # Ubuntu 24.04
        ("Linux", "x86_64", (2, 41), (3, 13), MODERN),  # Debian 13
        ("Linux", "x86_64", (2, 41), (3, 10), CLASSIC),
        ("Linux", "x86_64", (2, 41), (3, 14), None),
        ("Linux", "x86_64", None, (3, 10), None),  # Alpine
        ("Linux", "aarch64", (2, 36), (3, 10), None),
        ("Linux", "aarch64", (2, 41), (3, 13), MODERN),
        ("Linux", "riscv64", (2, 41), (3, 13), None),
        ("Darwin", "arm64", None, (3, 12), MODERN),
        ("Darwin", "arm64", None, (3, 10), None),
        ("Darwin", "x86_64", None, (3, 12), None),
        ("Windows", "AMD64", None, (3, 10), None),
    ],
)
def test_the_stack_of_a_python_on_a_machine(system, machine, glibc, python, stack):
    assert Platform(system, machine, glibc, python).stack == stack


def test_stacks_are_those_that_the_set_up_chooses_from():
    script = (ROOT / "requirements" / "install.sh").read_text()
    assert 'if [ "$glibc" -ge 39 ]; then stack=tfx-1.21; else stack=tfx-1.16; fi' in script
    found = re.search(r'then versions="([\d. ]+)"; else versions="([\d. ]+)"', script)
    assert found is not None
    for stack, versions in zip((CLASSIC, MODERN), found.groups(), strict=True):
        assert {".".join(map(str, one)) for one in stack.pythons} == set(versions.split())
        assert (ROOT / stack.requirements).is_file()


def test_only_what_differs_from_its_pin_is_found(tmp_path):
    pytest_version = metadata.version("pytest")
    pins = tmp_path / "pins.txt"
    pins.write_text(
        f"pytest=={pytest_version} \\\n    --hash=sha256:00 \\\n    --hash=sha256:01\n"
        "    # via click==0.0.1\n"
        "click==0.0.1 \\\n    --hash=sha256:02\n"
        "no-such-package[extra]==2.0 \\\n    --hash=sha256:03\n"
    )
    assert differences(pins) == [
        Difference("click", "0.0.1", metadata.version("click")),
        Difference("no-such-package", "2.0", None),
    ]


def test_pins_for_other_pythons_and_systems_do_not_count(tmp_path):
    pins = tmp_path / "pins.txt"
    pins.write_text(
        "no-such-package==1.0 ; python_full_version < '3' \\\n    --hash=sha256:00\n"
        "none-such==1.0 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
        "absent==1.0 ; python_full_version >= '3.10' \\\n    --hash=sha256:00\n"
    )
    assert differences(pins) == [Difference("absent", "1.0", None)]


@pytest.mark.parametrize("stack", [CLASSIC, MODERN])
def test_every_pin_of_a_requirements_file_is_read(stack, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.doctor.stack._installed", lambda name: None)
    text = (ROOT / stack.requirements).read_text()
    unmarked = [line for line in text.splitlines() if re.match(r"[^# ].*==", line) and " ; " not in line]
    found = {one.package for one in differences(ROOT / stack.requirements)}
    assert len(unmarked) > 200
    assert {re.split(r"[\[=]", line)[0] for line in unmarked} <= found
