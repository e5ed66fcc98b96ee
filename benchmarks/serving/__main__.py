"""What a request to the stand-in takes, and versions that switch under load.

    .venv/bin/python -m benchmarks.serving [--model FOLDER] [--seconds N]
    .venv/bin/python -m benchmarks.serving --load 30m --every 10s [--model FOLDER]

The first asks the `sequences` signature of the demo model with 1 and 64 sequences, by 1 and 8 clients at
once, each for some seconds: the C++ loader alone, then gRPC and REST of `sluice serve --no-docker` in a
process of its own. How long the graph took, the server tells itself. The second asks without a pause
while a copy of the model comes as a new version again and again, and counts what fails. Without --model
the demo pipeline makes one. The last tables are kept in RESULTS.md.
"""

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

from benchmarks.results import keep, machine
from benchmarks.serving.latency import measure, report
from benchmarks.serving.load import under_load
from benchmarks.serving.served import push_demo

_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """A duration such as 10s, 30m or 1h, in seconds."""
    if not (found := re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)):
        raise argparse.ArgumentTypeError(f"{text}: expected a duration such as 10s, 30m or 1h")
    return float(found[1]) * _UNITS[found[2]]


def main() -> None:
    """Runs the benchmark, prints its table and keeps it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="folder of a version that Sluice pushed")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--load", type=seconds, metavar="DURATION", help="switch versions under load instead")
    parser.add_argument("--every", type=seconds, default=10.0, metavar="DURATION", help="a new version")
    arguments = parser.parse_args()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = arguments.model or push_demo(folder / "demo-run")
        command = f"`python -m benchmarks.serving {' '.join(sys.argv[1:])}`".replace(" `", "`")
        if arguments.load:
            title, text = (
                "serving, versions under load",
                under_load(model, folder, arguments.load, arguments.every),
            )
        else:
            title, text = "serving", report(measure(model, folder, arguments.seconds))
    print(f"\n{text}")
    keep(title, f"{command}: {machine()}\n\n{text}")


if __name__ == "__main__":
    main()
