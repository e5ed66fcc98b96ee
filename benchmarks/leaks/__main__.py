"""Plants one defect of each kind in clean data and reports who finds it: Sluice, TFDV, deepchecks.

    .venv/bin/python -m benchmarks.leaks [--data-set NAME …] [--check NAME …] [--quick]
                                         [--no-deepchecks] [--seeds N] [--jobs N] [--data FOLDER]

A defect is found when the check of its own name reports something it does not report of the clean
data; the obvious strength of a leak or of broken data must be an error. TFDV has found it with any
anomaly, deepchecks with any condition, that is not there on the clean data. The last tables of a
full run are kept in RESULTS.md.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

_QUICK = ("demo", "occupancy", "sms_spam")


def main() -> None:
    """Runs the kit, prints its tables and keeps those of a full run."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from benchmarks.leaks.clean import SETS
    from benchmarks.leaks.planted import CHECKS
    from benchmarks.leaks.report import report
    from benchmarks.leaks.trials import all_trials, run, with_deepchecks
    from benchmarks.results import keep, machine

    arguments = _arguments(tuple(SETS), CHECKS)
    begin = time.perf_counter()
    quick: bool = arguments.quick
    names = arguments.data_set or (_QUICK if quick else tuple(SETS))
    checks = arguments.check or CHECKS
    seeds = arguments.seeds or 1
    deepchecks = not (arguments.no_deepchecks or quick)
    with tempfile.TemporaryDirectory() as home:
        flat = Path(home)
        trials = list(all_trials(names, checks, seeds, ends_only=quick))
        outcomes = run(trials, arguments.data.resolve(), flat if deepchecks else None, arguments.jobs)
        print(f"audited in {time.perf_counter() - begin:.0f} s", flush=True)
        if deepchecks:
            outcomes = with_deepchecks(outcomes, flat, arguments.jobs)
    text = report(outcomes)
    audits = sum(not one.does_not_apply for one in outcomes)
    minutes = (time.perf_counter() - begin) / 60
    print(f"\n{text}\n\n{audits} audits, {minutes:.0f} min")
    if not (arguments.data_set or arguments.check or quick or arguments.seeds or not deepchecks):
        how = f"{audits} audits, {seeds} for each strength and data set, {minutes:.0f} min"
        words = f"`python -m benchmarks.leaks`: {machine()}; {how}"
        keep("leaks", f"{words}\n\n{text}")


def _arguments(names: tuple[str, ...], checks: tuple[str, ...]) -> argparse.Namespace:
    from benchmarks.leaks.clean import SHARED

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-set", nargs="+", choices=names, help="default: all")
    parser.add_argument("--check", nargs="+", choices=checks, help="default: all")
    parser.add_argument("--quick", action="store_true", help="three data sets, one seed, two strengths")
    parser.add_argument("--no-deepchecks", action="store_true")
    parser.add_argument("--seeds", type=int, help="trials per strength and data set; default 1")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of the data sets")
    return parser.parse_args()


if __name__ == "__main__":
    main()
