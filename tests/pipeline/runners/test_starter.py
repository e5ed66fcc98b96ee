"""What a cluster on this machine lacks is said."""

import shutil

import pytest

from pipeline.errors import ConfigError
from pipeline.runners import flink, spark, starter


@pytest.mark.parametrize(("kind", "start"), [("flink", flink.cluster), ("spark", spark.spark)])
def test_missing_jars_are_an_error_that_says_how_to_fetch_them(tmp_path, monkeypatch, kind, start):
    monkeypatch.setattr(starter, "_CHECKOUT", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/java")
    missing = rf"\.{kind}/jars is missing\n.*`make {kind}`"
    with pytest.raises(ConfigError, match=missing), start(tmp_path / "logs"):
        pass


def test_missing_java_is_an_error_that_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    missing = r"Java is missing\n.*apt-get install"
    with pytest.raises(ConfigError, match=missing), flink.cluster(tmp_path / "logs"):
        pass
