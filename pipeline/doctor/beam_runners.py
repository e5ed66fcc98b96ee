"""What Beam's distributed runners need: Java, the jar of the job server, and servers that answer."""

import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from pipeline.doctor.machine import said
from pipeline.doctor.result import Result, lack, stops

_CONNECT_S = 5.0
_OLDEST_JAVA = 11
_SERVER = re.compile(r"--(?:job_endpoint|flink_master|environment_config)=(?:https?://)?([^/:]+):(\d+)")


def results(beam_args: Sequence[str], jars: Path) -> Iterator[Result]:
    """Whether Flink can be used, and whether the servers that a configuration names answer.

    Args:
      beam_args: of the configuration.
      jars: the folder of the job servers' jars.
    """
    needed = any(re.fullmatch(r"--runner=(.*\.)?FlinkRunner", one) for one in beam_args)
    named = [one.partition("=")[2] for one in beam_args if one.startswith("--flink_job_server_jar=")]
    found = [Path(one) for one in named] or sorted(jars.glob("beam-runners-flink-*-job-server-*.jar"))
    yield flink(java(), [one.name for one in found if one.is_file()], beam_version(), needed=needed)
    places = [match.groups() for match in map(_SERVER.fullmatch, beam_args) if match]
    if places:
        yield servers([f"{host}:{port}" for host, port in places if not answers(host, int(port))])


def flink(java: int | None, jars: Sequence[str], beam: str | None, *, needed: bool = False) -> Result:
    """Whether Beam's Flink runner can start its job server.

    Args:
      java: major version of Java, None where there is none.
      jars: names of the job servers' jars.
      beam: version of Beam, None where it is not installed.
      needed: whether the configuration runs on Flink.
    """
    suited = [jar for jar in jars if beam and jar.endswith(f"-{beam}.jar")]
    if java is not None and java >= _OLDEST_JAVA and suited:
        return Result("flink", f"Java {java}, {suited[-1]}")
    missing, remedies = [], []
    if java is None or java < _OLDEST_JAVA:
        missing.append("no Java" if java is None else f"Java {java}, expected {_OLDEST_JAVA} or newer")
        remedies.append("apt-get install openjdk-17-jre-headless")
    if not suited:
        missing.append(f"{', '.join(jars)}, expected one of Beam {beam}" if jars else "no job server's jar")
        remedies.append("make flink")
    ruled_out = "--runner=FlinkRunner"
    if needed:
        ruled_out = "sluice run with this configuration"
    return lack("flink", "; ".join(missing), ruled_out, " && ".join(remedies), stops_run=needed)


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


def beam_version() -> str | None:
    """Version of Beam; None where it is not installed."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version("apache-beam")
    return None


def java() -> int | None:
    """Major version of the Java that Beam starts; None where there is none."""
    home = os.environ.get("JAVA_HOME")
    answer = said([f"{home}/bin/java" if home else "java", "-version"])
    if answer is None or answer[0] != 0:
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer[1])
    return int(found[1]) if found else None
