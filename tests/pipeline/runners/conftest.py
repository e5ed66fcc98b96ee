"""A Flink cluster, where this machine can have one."""

import os
import shutil
from collections.abc import Iterator

import pytest

from pipeline.runners import flink


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[flink.Cluster]:
    """One job manager and two task managers; the test is skipped where they cannot be, and fails in CI."""
    lacks = "Java is missing" if shutil.which("java") is None else "`make flink` was not run"
    if shutil.which("java") and (flink.HOME / "jars").is_dir():
        with flink.cluster(tmp_path_factory.mktemp("logs")) as made:
            yield made
    elif os.environ.get("CI") == "true":
        pytest.fail(lacks)
    else:
        pytest.skip(lacks)
