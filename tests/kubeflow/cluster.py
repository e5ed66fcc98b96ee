"""Runs specifications: each step when those before it are done, or from the cache."""

import hashlib
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from google.protobuf import json_format, struct_pb2

from tests.kubeflow.executor_input import Outputs, executor_input, recorded
from tests.kubeflow.launcher import Ended, launch
from tests.kubeflow.specification import Specification, Step

_AT_ONCE = 2  # a process each, and each of them loads TensorFlow


@dataclass
class Run:
    """What became of a run; a step that is in none of them was not started."""

    folder: Path
    outputs: dict[str, Outputs] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    cached: set[str] = field(default_factory=set)

    @property
    def failed(self) -> list[str]:
        """The steps that failed, however often they were started."""
        return [name for name, ended in self.ended.items() if ended.statuses[-1]]

    def artifact(self, step: str, key: str) -> Path:
        """Where an artifact lies."""
        return Path(self.outputs[step][key].uri)


class Cluster:
    """Where runs leave their artifacts and what is cached."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cache: dict[str, Outputs] = {}
        self._runs = 0

    def run(self, specification: Specification, **parameters: str) -> Run:
        """Runs a pipeline; as soon as one step has failed, no other one is started."""
        self._runs += 1
        run = Run(self._root / specification.name / f"run-{self._runs}")
        values, waiting = specification.parameters(parameters), dict(specification.steps)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            running: dict[Future[None], str] = {}
            while True:
                ready = [] if run.failed else [
                    name for name, step in waiting.items() if step.after <= run.outputs.keys()
                ]  # fmt: skip
                for name in ready:
                    running[pool.submit(self._step, run, waiting.pop(name), values)] = name
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    del running[future]
                    future.result()
        assert run.failed or not waiting, f"no step makes what {sorted(waiting)} need"
        return run

    def _step(self, run: Run, step: Step, parameters: dict[str, struct_pb2.Value]) -> None:
        if run.failed:
            return
        told = executor_input(step, parameters, run.outputs, run.folder / step.name)
        fingerprint = hashlib.sha256(
            step.container.SerializeToString(deterministic=True)
            + json_format.MessageToJson(told.inputs, sort_keys=True).encode()
        ).hexdigest()
        if step.task.caching_options.enable_cache and fingerprint in self._cache:
            run.outputs[step.name] = self._cache[fingerprint]
            run.cached.add(step.name)
            return
        run.ended[step.name] = launch(step, told)
        if run.ended[step.name].statuses[-1] == 0:
            run.outputs[step.name] = self._cache[fingerprint] = recorded(told)
