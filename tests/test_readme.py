"""What the README tells people to type is what CI runs."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def commands(path: str, pattern: str) -> list[str]:
    text = (ROOT / path).read_text(encoding="utf-8")
    blocks = re.findall(pattern, text, re.DOTALL)
    return [line for block in blocks for line in block.strip().splitlines()]


def test_ci_runs_the_commands_of_the_readme():
    readme = commands("README.md", r"```sh\n(.*?)```")
    # The run on real recordings has its own end-to-end test, for it needs files the project does not carry.
    here = [command for command in readme if "JapaneseVowels" not in command]
    assert len(here) == len(readme) - 1
    assert here == commands(".ci/run", r"set -x\n(.*?)\nset \+x")


def test_the_readme_links_only_to_what_exists():
    for page in ("README.md", "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{page}: {target}"


def test_no_index_host_or_machine_path_is_in_the_requirements():
    for path in (ROOT / "requirements").iterdir():
        assert "://" not in path.read_text(encoding="utf-8"), path.name
