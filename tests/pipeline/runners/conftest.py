"""Clusters of this machine, where it can have them."""

import os
import shutil
from collections.abc import Iterator

import pytest

from pipeline.runners import flink, spark, starter


def need(kind: str) -> None:
    """Skips the test where a cluster cannot be, and fails it in CI."""
    java = shutil.which("java")
    if java and starter.jars(kind).is_dir():
        return
    lacks = f"`make {kind}` was not run" if java else "Java is missing"
    if os.environ.get("CI") == "true":
        pytest.fail(lacks)
    pytest.skip(lacks)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[flink.Cluster]:
    """Flink with one job manager and two task managers."""
    need("flink")
    with flink.cluster(tmp_path_factory.mktemp("logs")) as made:
        yield made


@pytest.fixture(scope="module")
def local_spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Beam arguments of a Spark with two worker processes."""
    need("spark")
    with spark.spark(tmp_path_factory.mktemp("logs")) as made:
        yield made
