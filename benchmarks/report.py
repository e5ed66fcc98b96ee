"""How large the page of a run is, and how long it takes to make and to open it.

    .venv/bin/python -m benchmarks.report

Runs are made up: one of usual size, and one with 200 slices and 300 features. Each page is made in a
process of its own, and opened five times in Debian's Chromium; the slowest counts. The last table is kept
in RESULTS.md.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.results import keep, machine, measure

_CHROMIUM = "/usr/bin/chromium"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
_SIZES = {"usual": (3, 10), "large": (200, 300)}
_TIMES = 5


def one(size: str, place: str) -> dict[str, float]:
    """Makes a page, and says how long it took."""
    slices, features = _SIZES[size]
    from tests.pipeline.report.made import make

    run = make(
        Path(place), "multiclass", "model_refused", slices=slices, features=[f"f{n}" for n in range(features)]
    )
    begin = time.perf_counter()
    from pipeline.report.written import write

    page = write(run)
    return {"make_s": time.perf_counter() - begin, "bytes": page.stat().st_size}


def opening(page: Path) -> float:
    """The longest time in seconds from the request to the load event, with all sorting and folding done."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_FLAGS)
        for _ in range(_TIMES):
            window = browser.new_page()
            begin = time.perf_counter()
            window.goto(page.as_uri(), wait_until="load")
            window.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
            found.append(time.perf_counter() - begin)
            window.close()
        browser.close()
    return max(found)


def main() -> None:
    """Runs the benchmark, prints its table and keeps it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--one", nargs=2, metavar=("SIZE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(*arguments.one)))
        return
    lines = [
        "| run | slices | features | KB | made in, s (with the imports) | opens in, s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        for size, (slices, features) in _SIZES.items():
            place = Path(folder) / size
            found = measure("benchmarks.report", size, str(place))
            seconds = opening(place / "report.html")
            lines.append(
                f"| {size} | {slices} | {features} | {found['bytes'] / 1000:,.0f} | {found['make_s']:.1f} | "
                f"{seconds:.2f} |"
            )
            print(lines[-1], file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    keep("report", f"`python -m benchmarks.report`: {machine()}\n\n{text}")


if __name__ == "__main__":
    main()
