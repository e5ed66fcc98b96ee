"""Java, the job server's jar and servers, each of them absent for real."""

import socket
from pathlib import Path

import pytest

from pipeline.doctor import beam_runners, examination
from pipeline.runners import starter


@pytest.fixture(autouse=True)
def without_java_home(monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.fixture
def java(tmp_path, monkeypatch):
    """A Java that says which it is; alone on PATH."""

    def make(said: str, status: int = 0) -> None:
        script = tmp_path / "bin" / "java"
        script.parent.mkdir(exist_ok=True)
        script.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit {status}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(script.parent))

    return make


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_392"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ("something else", None),
    ],
)
def test_the_version_of_java_is_its_major_one(java, said, version):
    java(said)
    assert beam_runners.java_version("java") == version


def test_a_java_that_fails_is_none(java):
    java('version "17.0.1"', status=1)  # as that of macOS without a JDK
    assert beam_runners.java_version("java") is None


def test_no_java_on_path_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert beam_runners.java_version("java") is None


def test_java_home_comes_first_for_a_job_server_of_beam(java, tmp_path, monkeypatch):
    java('version "17.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert list(beam_runners.results(["--runner=FlinkRunner"], tmp_path))[-1].found == "Java 17"
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "removed"))
    assert list(beam_runners.results(["--runner=FlinkRunner"], tmp_path))[-1].found == "no Java"


@pytest.mark.parametrize(
    ("java", "fetched", "maven", "found", "remedy"),
    [
        (None, True, True, "no Java", "apt-get install default-jre-headless"),
        (8, True, True, "Java 8, expected 11 or newer", "apt-get install default-jre-headless"),
        (17, False, True, "not fetched", "make spark"),
        (17, False, False, "no Maven, which fetches it; not fetched", "apt-get install maven && make spark"),
    ],
)
def test_without_java_or_jars_spark_is_ruled_out(java, fetched, maven, found, remedy):
    result = beam_runners.cluster("spark", java, fetched=fetched, maven=maven)
    assert (result.state, result.found, result.remedy) == ("lack", found, remedy)
    assert (result.stops_run, result.consequence) == (False, "python -m pipeline.runners.spark")


def test_what_make_fetched_is_found(java, tmp_path):
    java('version "17.0.1"')
    flink, spark = beam_runners.results([], tmp_path)
    assert flink.found == spark.found == "no Maven, which fetches it; not fetched"
    jars("flink", tmp_path).mkdir(parents=True)
    flink, spark = beam_runners.results([], tmp_path)
    assert (flink.state, flink.found) == ("ok", "Java 17, and what make flink fetched")
    assert spark.state == "lack"


def jars(engine: str, root: Path) -> Path:
    """Where those who start an engine look for its jars, in another checkout."""
    return root / starter.jars(engine).relative_to(examination.ROOT)


@pytest.mark.parametrize("runner", ["FlinkRunner", "SparkRunner", "apache_beam.runners.FlinkRunner"])
def test_a_runner_that_starts_a_job_server_needs_java(tmp_path, monkeypatch, runner):
    monkeypatch.setenv("PATH", str(tmp_path))
    *_, result = beam_runners.results([f"--runner={runner}"], tmp_path)
    assert result.stops_run
    assert (result.found, result.remedy) == ("no Java", "apt-get install default-jre-headless")
    assert not any(one.stops_run for one in beam_runners.results(["--runner=DataflowRunner"], tmp_path))


def test_the_jar_of_a_job_server_has_to_be_where_it_is_said_to_be(java, tmp_path):
    java('version "17.0.1"')
    arguments = ["--runner=FlinkRunner", f"--flink_job_server_jar={tmp_path}/server.jar"]
    *_, result = beam_runners.results(arguments, tmp_path)
    assert (result.stops_run, result.found) == (True, f"no file {tmp_path}/server.jar")
    (tmp_path / "server.jar").touch()
    *_, result = beam_runners.results(arguments, tmp_path)
    assert (result.state, result.found) == ("ok", "Java 17")


def test_servers_that_are_named_are_asked_for_a_connection(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        arguments = [f"--job_endpoint=localhost:{port}", "--environment_type=EXTERNAL"]
        assert [one.state for one in beam_runners.results(arguments, tmp_path)][2:] == ["ok"]
    *_, result = beam_runners.results([*arguments, f"--environment_config=127.0.0.1:{port}"], tmp_path)
    assert result.stops_run
    assert result.found == f"nothing answers at localhost:{port}, 127.0.0.1:{port}"


def test_where_no_server_is_named_none_is_asked(tmp_path):
    arguments = [
        "--flink_master=[auto]",
        "--environment_type=DOCKER",
        "--environment_config=apache/beam:2.65.0",
    ]
    assert [one.name for one in beam_runners.results(arguments, tmp_path)] == ["flink", "spark"]
