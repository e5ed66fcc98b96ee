"""Versions that switch under load: no request may fail, and memory must not grow."""

import shutil
import threading
import time
from collections import Counter
from pathlib import Path

from benchmarks.serving.clients import Ask, by_grpc, by_rest
from benchmarks.serving.served import NAME, put, serving
from serving.metrics import resident_bytes

_KEPT = 3  # versions on disk, as `push.keep` would leave them
_CLIENTS = 2  # of each interface
_SHOWN = 5


def under_load(model: Path, folder: Path, seconds: float, every_s: float) -> str:
    """Asks by gRPC and REST without a pause while a new version comes every so many seconds."""
    base = folder / NAME
    put(model, base, 1)
    counts, failures, versions = Counter[str](), list[str](), set[int]()
    lock, stop = threading.Lock(), threading.Event()
    with serving(folder) as server:
        ways = [("gRPC", by_grpc), ("REST", by_rest)] * _CLIENTS
        threads = [
            threading.Thread(
                target=_go, args=(way, make(server, model, 1), counts, failures, versions, lock, stop)
            )
            for way, make in ways
        ]
        memory = []
        for thread in threads:
            thread.start()
        end, version = time.monotonic() + seconds, 1
        while time.monotonic() < end:
            stop.wait(every_s)
            memory.append((resident_bytes(str(server.process)) or 0) / 2**20)
            version += 1
            put(model, base, version)
            shutil.rmtree(base / str(version - _KEPT), ignore_errors=True)
            print(f"version {version}, {sum(counts.values()):,} requests, {len(failures)} failures, "
                  f"{memory[-1]:.0f} MB", flush=True)  # fmt: skip
        stop.wait(every_s)
        memory.append((resident_bytes(str(server.process)) or 0) / 2**20)
        stop.set()
        for thread in threads:
            thread.join()
    return _report(counts, failures, versions, version, memory)


def _go(
    way: str,
    ask: Ask,
    counts: Counter[str],
    failures: list[str],
    versions: set[int],
    lock: threading.Lock,
    stop: threading.Event,
) -> None:
    from tensorflow_serving.apis import predict_pb2

    while not stop.is_set():
        try:
            answer = ask()
            seen = (
                {predict_pb2.PredictResponse.FromString(answer).model_spec.version.value}
                if way == "gRPC"
                else set()
            )
        except Exception as error:  # noqa: BLE001 (any is one too many)
            with lock:
                failures.append(f"{way}: {error}")
            continue
        with lock:
            counts[way] += 1
            versions |= seen


def _report(
    counts: Counter[str], failures: list[str], versions: set[int], pushed: int, memory: list[float]
) -> str:
    tenth = max(1, len(memory) // 10)
    half = len(memory) // 2
    parts = (memory[:tenth], memory[half : half + tenth], memory[-tenth:])
    begin, middle, end = (sum(part) / len(part) for part in parts)
    lines = [
        "| requests by gRPC | by REST | failed | versions | that answered | MB at begin | at half | at end |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
        f"| {counts['gRPC']:,} | {counts['REST']:,} | {len(failures)} | {pushed} | {len(versions)} "
        f"| {begin:.0f} | {middle:.0f} | {end:.0f} |",
    ]
    return "\n".join([*lines, *(f"- {one}" for one in failures[:_SHOWN])])
