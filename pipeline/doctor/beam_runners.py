"""What Beam's distributed runners need: Java, the jar of the job server, and servers that answer."""

import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pipeline.doctor.machine import said
from pipeline.doctor.result import Result, lack, stops

_CONNECT_S = 5.0
_OLDEST_JAVA = 11
_INSTALL_JAVA = "apt-get install default-jre-headless"
_STARTS_JAVA = re.compile(r"--runner=(.*\.)?(Flink|Spark)Runner")
_JAR = re.compile(r"--(flink|spark)_job_server_jar=")
_SERVER = re.compile(r"--(?:job_endpoint|flink_master|environment_config)=(?:https?://)?([^/:]+):(\d+)")


def results(beam_args: Sequence[str], root: Path) -> Iterator[Result]:
    """Whether Flink and Spark can be used, and whether what a configuration runs on is there.

    Args:
      beam_args: of the configuration.
      root: the checkout, in which `make flink` and `make spark` leave their jars.
    """
    java, maven = java_version("java"), shutil.which("mvn") is not None
    for engine in ("flink", "spark"):
        yield cluster(engine, java, fetched=(root / f".{engine}" / "jars").is_dir(), maven=maven)
    if any(_STARTS_JAVA.fullmatch(one) for one in beam_args):
        jars = [one.partition("=")[2] for one in beam_args if _JAR.match(one)]
        yield job_server(
            _java_of_beam(), [jar for jar in jars if "://" not in jar and not Path(jar).is_file()]
        )
    if places := [match.groups() for match in map(_SERVER.fullmatch, beam_args) if match]:
        yield servers([f"{host}:{port}" for host, port in places if not answers(host, int(port))])


def cluster(engine: str, java: int | None, *, fetched: bool, maven: bool) -> Result:
    """Whether the project's own Flink or Spark can be started.

    Args:
      engine: `flink` or `spark`.
      java: major version of Java, None where there is none.
      fetched: whether its jars are here.
      maven: whether there is Maven, which fetches them.
    """
    lacks = {
        _no_java(java): _INSTALL_JAVA,
        "" if fetched or maven else "no Maven, which fetches it": "apt-get install maven",
        "" if fetched else "not fetched": f"make {engine}",
    }
    if missing := [lacking for lacking in lacks if lacking]:
        remedy = " && ".join(lacks[lacking] for lacking in missing)
        return lack(engine, "; ".join(missing), f"python -m pipeline.runners.{engine}", remedy)
    return Result(engine, f"Java {java}, and what make {engine} fetched")


def job_server(java: int | None, absent: Sequence[str]) -> Result:
    """Whether Beam can start the job server that a configuration needs."""
    if no_java := _no_java(java):
        return stops("job server", no_java, _INSTALL_JAVA)
    if absent:
        return stops("job server", f"no file {', '.join(absent)}", "correct run.beam_args")
    return Result("job server", f"Java {java}")


def _no_java(java: int | None) -> str:
    if java is None:
        return "no Java"
    return "" if java >= _OLDEST_JAVA else f"Java {java}, expected {_OLDEST_JAVA} or newer"


def servers(silent: Sequence[str]) -> Result:
    """Whether the servers that the Beam arguments name take connections."""
    if not silent:
        return Result("beam servers", "all take connections")
    return stops(
        "beam servers", f"nothing answers at {', '.join(silent)}", "start it, or correct run.beam_args"
    )


def answers(host: str, port: int) -> bool:
    """Whether a server takes a connection."""
    with suppress(OSError), socket.create_connection((host, port), _CONNECT_S):
        return True
    return False


def java_version(program: str) -> int | None:
    """Major version of a Java; None where there is none."""
    answer = said([program, "-version"])
    if answer is None or answer[0] != 0:
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer[1])
    return int(found[1]) if found else None


def _java_of_beam() -> int | None:
    home = os.environ.get("JAVA_HOME")
    return java_version(f"{home}/bin/java" if home else "java")
