"""Counts and latencies under TensorFlow Serving's names, as text for Prometheus."""

import bisect
import itertools
import threading
from collections import defaultdict
from pathlib import Path

REQUESTS, LATENCY = ":tensorflow:serving:request_count", ":tensorflow:serving:request_latency"
RUNTIME, LOADS = ":tensorflow:serving:runtime_latency", ":tensorflow:cc:saved_model:load_attempt_count"
MEMORY = "process_resident_memory_bytes"  # of the stand-in alone: the real server tells nothing of it
# Microseconds: a scale of 10, each 1.8 times the one before, 33 buckets of which the last is +Inf.
_LIMITS = [10 * 1.8**power for power in range(33)]

Labels = tuple[tuple[str, str], ...]


class _Histogram:
    def __init__(self) -> None:
        self.counts, self.sum = [0] * (len(_LIMITS) + 1), 0.0

    def add(self, value: float) -> None:
        self.counts[bisect.bisect_right(_LIMITS, value)] += 1
        self.sum += value


class Metrics:
    """What the monitoring page shows; threads may add to it at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, dict[Labels, int]] = defaultdict(lambda: defaultdict(int))
        self._histograms: dict[str, dict[Labels, _Histogram]] = defaultdict(lambda: defaultdict(_Histogram))

    def requested(self, model: str, entrypoint: str, status: str, seconds: float) -> None:
        """A request was answered, with an OK or an error."""
        named = (("model_name", model), ("status", status))
        timed = (("model_name", model), ("API", "Predict"), ("entrypoint", entrypoint), ("status", status))
        with self._lock:
            self._counters[REQUESTS][named] += 1
            self._histograms[LATENCY][timed].add(seconds * 1e6)

    def ran(self, model: str, seconds: float) -> None:
        """The graph took so long."""
        labels = (("model_name", model), ("API", "Predict"), ("runtime", "TF1"))
        with self._lock:
            self._histograms[RUNTIME][labels].add(seconds * 1e6)

    def loaded(self, folder: Path, status: str) -> None:
        """A version was loaded, or could not be."""
        with self._lock:
            self._counters[LOADS][("model_path", str(folder)), ("status", status)] += 1

    def page(self) -> str:
        """The text of the page."""
        lines = []
        with self._lock:
            for name, counters in sorted(self._counters.items()):
                lines.append(f"# TYPE {name} counter")
                lines += [f"{name}{{{_listed(labels)}}} {count}" for labels, count in counters.items()]
            for name, histograms in sorted(self._histograms.items()):
                lines.append(f"# TYPE {name} histogram")
                for labels, histogram in histograms.items():
                    lines += _histogram_lines(name, _listed(labels), histogram)
        if (memory := resident_bytes()) is not None:
            lines += [f"# TYPE {MEMORY} gauge", f"{MEMORY}{{}} {memory}"]
        return "\n".join([*lines, ""])


def resident_bytes(process: str = "self") -> int | None:
    """Memory of a process; None where the system has no /proc."""
    status = Path("/proc", process, "status")
    if not status.exists():
        return None
    (line,) = (one for one in status.read_text().splitlines() if one.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _listed(labels: Labels) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _histogram_lines(name: str, labels: str, histogram: _Histogram) -> list[str]:
    reached = list(itertools.accumulate(histogram.counts))
    limits = [*(f"{limit:g}" for limit in _LIMITS), "+Inf"]
    lines = [
        f'{name}_bucket{{{labels},le="{limit}"}} {count}'
        for limit, count in zip(limits, reached, strict=True)
    ]
    return [*lines, f"{name}_sum{{{labels}}} {histogram.sum:g}", f"{name}_count{{{labels}}} {reached[-1]}"]
