"""Runs deepchecks' suites on flat tables; the Python of deepchecks' own environment runs it.

    PYTHON deepchecks_run.py FOLDER NAME …

Prints one line of JSON per name: the conditions of the data-integrity and train-test-validation
suites that fail with their defaults, and the seconds it took.
"""

import contextlib
import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

# The columns of one feature, its first, last and mean value, go together whatever the feature is.
_NOT_COUNTED = ("FeatureFeatureCorrelation",)


def main() -> None:
    """Runs the suites on every named pair of tables."""
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    for name in sys.argv[2:]:
        begin = time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):
            failed = run(folder, name)
        seconds = time.perf_counter() - begin
        print(json.dumps({"name": name, "failed": failed, "seconds": seconds}), flush=True)


def run(folder: Path, name: str) -> list[str]:
    """The failed conditions of both suites, or what deepchecks raised.

    Each as `check: condition`, and once more where it names a column that was planted, for the
    condition may fail on the clean tables as well.
    """
    from deepchecks.tabular.suites import data_integrity, train_test_validation

    try:
        train, evaluation = (_dataset(folder, name, split) for split in ("train", "eval"))
        return [
            condition
            for suite in (data_integrity(), train_test_validation())
            for condition in _failed(suite.run(train_dataset=train, test_dataset=evaluation))
        ]
    except Exception as error:  # noqa: BLE001 (a table it refuses is a result)
        return [f"refused: {type(error).__name__}"]


def _dataset(folder: Path, name: str, split: str) -> Any:
    import pandas as pd
    from deepchecks.tabular import Dataset

    roles = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return Dataset(
        pd.read_parquet(folder / f"{name}-{split}.parquet"),
        label="label",
        label_type=roles["task"],
        cat_features=roles["categories"],
        index_name="sequence_id",
        datetime_name="first_time" if roles["time"] else None,
        convert_datetime=False,
    )


def _failed(result: Any) -> list[str]:
    failed = [
        (f"{type(found.check).__name__}: {condition.name}", condition.details)
        for found in result.get_not_passed_checks(fail_if_warning=True)
        for condition in found.conditions_results
        if not condition.is_pass(fail_if_warning=True) and type(found.check).__name__ not in _NOT_COUNTED
    ]
    named = [f"{name} (planted)" for name, details in failed if "'planted" in details]
    return sorted({name for name, _ in failed} | set(named))


if __name__ == "__main__":
    main()
