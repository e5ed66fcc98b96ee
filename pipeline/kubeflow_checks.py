"""What the section `kubeflow` may have wrong, and the steps that it can name."""

import re
from collections.abc import Iterator

from pipeline.config import Config
from pipeline.config_kubeflow import DEFAULT
from pipeline.words import nearest

GATES = ("DataGate", "ClassCheck", "ModelGate", "ServabilityGate")
ASKS_EACH_TIME = ("LastBlessed", "Pusher")  # what is being served, which may have changed
UNCACHED = ("Ingest", *ASKS_EACH_TIME)  # unless it is named: the data may be others at the same place
STEPS = (
    "Ingest", "StatisticsGen", "SchemaGen", "ImportSchemaGen", "ExampleValidator", "Auditor", "DataGate",
    "ClassCheck", "Transform", "Trainer", "LastBlessed", "Evaluator", "TrainEvaluator", "Verdict",
    "ModelGate", "Servability", "ServabilityGate", "Pusher",
)  # fmt: skip


def kubeflow_problems(config: Config) -> Iterator[str]:
    """Steps that there are not, and settings that no step can have."""
    settings = config.kubeflow
    for key in ("resources", "retries", "cache"):
        for step in getattr(settings, key):
            if step not in (*STEPS, DEFAULT):
                yield f"kubeflow.{key}, {step}: no such step{nearest(step, (DEFAULT, *STEPS))}"
    for step in ASKS_EACH_TIME:
        if settings.cache.get(step):
            yield f"kubeflow.cache, {step}: it looks at what is being served each time; leave it out"
    if settings.root is not None and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^\s/]\S*", settings.root):
        yield f"kubeflow.root: expected an address such as gs://bucket/root, got {settings.root!r}"
