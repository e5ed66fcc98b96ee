"""Whether the gate can be fooled: by chance, by random labels, by heart, or without the order of the steps.

    .venv/bin/python -m benchmarks.gate [SECTION …] [--repetitions N] [--seeds N]

`coverage` simulates evaluations of models of known quality, held against a bound by the gate and by plain
TFMA. `random_labels`, `memorised` and `order` train the Trainer's GRU on data that it must be refused on,
under the default policy; one of `order` must pass. Every table has counts, and the exact 95 % interval of
a rate. The exit status is 1 where a requirement fails; the tables of a full run are kept in RESULTS.md.
"""

import argparse
import logging
import os
import sys
import time
import warnings

from benchmarks.results import keep, machine

_SECTIONS = ("coverage", "random_labels", "memorised", "order")
_REPETITIONS, _SEEDS = 1000, 200
_FEWER = {"memorised": 10, "order": 20}  # trainings at most


def run(name: str, repetitions: int, seeds: int) -> tuple[str, bool]:
    """The tables of a section, and whether its requirements hold."""
    from benchmarks.gate import coverage, fooled  # TensorFlow, which takes seconds

    if name == "coverage":
        return coverage.report(repetitions)
    section = {"random_labels": fooled.random_labels, "memorised": fooled.memorised, "order": fooled.order}
    return section[name](min(seeds, _FEWER.get(name, seeds)))


def main() -> None:
    """Runs the benchmark, prints its tables and keeps those of a full run."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # Beam's, of sizes that it cannot tell
    arguments = _arguments()
    names = arguments.sections or _SECTIONS
    if unknown := sorted(set(names) - set(_SECTIONS)):
        raise SystemExit(f"expected some of {', '.join(_SECTIONS)}, got {', '.join(unknown)}")
    texts, good, begin = [], True, time.perf_counter()
    for name in names:
        section_begin = time.perf_counter()
        text, holds = run(name, arguments.repetitions, arguments.seeds)
        texts.append(text)
        good &= holds
        print(f"\n{text}\n\n{name}: {time.perf_counter() - section_begin:.0f} s\n", flush=True)
    minutes = (time.perf_counter() - begin) / 60
    if set(names) == set(_SECTIONS) and (arguments.repetitions, arguments.seeds) == (_REPETITIONS, _SEEDS):
        body = "\n\n".join(texts)
        keep("the gate", f"`python -m benchmarks.gate`: {machine()}; {minutes:.0f} min\n\n{body}")
    sys.exit(0 if good else 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"{', '.join(_SECTIONS)}; default: all"
    )
    parser.add_argument("--repetitions", type=int, default=_REPETITIONS, help="evaluations of each setting")
    parser.add_argument("--seeds", type=int, default=_SEEDS, help="trainings at most of each kind")
    return parser.parse_args()


if __name__ == "__main__":
    main()
