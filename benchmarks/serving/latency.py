"""What a request takes, by the loader alone, gRPC and REST."""

import itertools
import re
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.serving.clients import Ask, ask_for, by_grpc, by_loader, by_rest
from benchmarks.serving.served import NAME, Server, put, serving
from serving.metrics import RUNTIME

BATCHES, CLIENTS = (1, 64), (1, 8)
_WARM_S = 1.0


@dataclass(frozen=True)
class Row:
    """What one way of asking took.

    Attributes:
      way: how it was asked.
      batch: sequences in a request.
      clients: that ask at the same time.
      p50_ms: half of the requests took no longer.
      p99_ms: of 99 % of them.
      per_second: requests.
      outside: share of a request that is not spent in the graph; None for the loader alone.
    """

    way: str
    batch: int
    clients: int
    p50_ms: float
    p99_ms: float
    per_second: float
    outside: float | None


def measure(model: Path, folder: Path, seconds: float) -> list[Row]:
    """Asks in every way, for so many seconds each."""
    put(model, folder / NAME, 1)
    sizes = list(itertools.product(BATCHES, CLIENTS))
    rows = [_one("loader", *size, partial(by_loader, model, size[0]), seconds, None) for size in sizes]
    with serving(folder) as server:
        for way, make in (("gRPC", by_grpc), ("REST", by_rest)):
            rows += [
                _one(way, *size, partial(make, server, model, size[0]), seconds, server) for size in sizes
            ]
    return sorted(rows, key=lambda row: (row.batch, row.clients))


def _one(
    way: str, batch: int, clients: int, make: Callable[[], Ask], seconds: float, server: Server | None
) -> Row:
    asks = [make() for _ in range(clients)]
    ask_for(_WARM_S, asks)
    before = _graph_s(server) if server else 0.0
    taken, whole = ask_for(seconds, asks)
    inside = _graph_s(server) - before if server else 0.0
    milliseconds = np.array(taken) * 1000
    row = Row(
        way, batch, clients, float(np.percentile(milliseconds, 50)), float(np.percentile(milliseconds, 99)),
        len(taken) / whole, 1 - inside / sum(taken) if server else None,
    )  # fmt: skip
    print(line(row), flush=True)
    return row


def _graph_s(server: Server) -> float:
    """Seconds that the server has spent in the graph, by its own count."""
    page = f"http://127.0.0.1:{server.rest_port}/monitoring/prometheus/metrics"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(page) as answer:
        found = re.search(rf"{RUNTIME}_sum\S+ (\S+)", answer.read().decode())
    return float(found[1]) / 1e6 if found else 0.0


def line(row: Row) -> str:
    """A measurement as a line of the table."""
    outside = "" if row.outside is None else f"{row.outside:.0%}"
    return (
        f"| {row.batch} | {row.clients} | {row.way} | {row.p50_ms:.2f} | {row.p99_ms:.2f} "
        f"| {row.per_second:,.0f} | {outside} |"
    )


def report(rows: list[Row]) -> str:
    """The table."""
    head = [
        "| batch | clients | | p50 ms | p99 ms | requests per second | not the model's own time |",
        "|---:|---:|---|---:|---:|---:|---:|",
    ]
    said = (
        "Clients and server share the machine. The loader's rows are calls of the C API without a server; "
        "the model's own time is that of such calls in the server, which it counts."
    )
    return "\n".join([*head, *map(line, rows), "", said])
