"""Keeps the last table of each benchmark in RESULTS.md, with the machine it was measured on."""

import json
import math
import os
import platform
import re
import subprocess
import sys
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEADING = "# Results\n\nThe last table of each benchmark, as the script printed it.\n"


def machine() -> str:
    """The machine and the versions that a measurement depends on."""
    cpu = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", cpu.read_text()) if cpu.exists() else None
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = ("tfx", "apache-beam", "pyarrow", "tensorflow")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    day = datetime.now(timezone.utc).date()
    return (
        f"{day}, {os.cpu_count()} cores ({found[1] if found else platform.machine()}), {memory_gb:.0f} GB, "
        f"Python {platform.python_version()}, {versions}"
    )


def measure(module: str, *arguments: str) -> dict[str, float]:
    """Runs `python -m module --one …` in a process of its own and gives the JSON of its last line."""
    command = [sys.executable, "-W", "ignore", "-m", module, "--one", *arguments]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[:1])} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def growth(table: list[dict[str, Any]], size: str, side: str) -> str:
    """How the seconds of a side grow with the size, from the first of its lines to the last."""
    ours = [one for one in table if one["side"] == side]
    if len(ours) < 2:
        return ""
    first, last = ours[0], ours[-1]
    exponent = math.log(last["seconds"] / first["seconds"]) / math.log(last[size] / first[size])
    return f"Time of {side} grows as n^{exponent:.2f} from {first[size]:,} to {last[size]:,} {size}."


def keep(name: str, text: str) -> None:
    """Replaces the section of a benchmark in RESULTS.md, or adds it."""
    page = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else _HEADING
    sections = {section.split("\n", 1)[0]: section for section in page.split("\n## ")[1:]}
    sections[name] = f"{name}\n\n{text}\n"
    RESULTS.write_text(
        "".join([_HEADING, *(f"\n## {sections[title].strip()}\n" for title in sorted(sections))]),
        encoding="utf-8",
    )
