"""The section `kubeflow`: units of Kubernetes, settings by step, and every mistake in words."""

import pytest

from pipeline.config import Config
from pipeline.config_file import load
from pipeline.config_kubeflow import Kubeflow, Resources, Retry
from pipeline.errors import ConfigError

TEXT = """
name: demo
task: multiclass
data: {source: rows.csv, sequence_id: id, label: kind}
kubeflow:
"""


@pytest.fixture
def settings(write):
    def read(text: str) -> Kubeflow:
        return load(write("sluice.yaml", f"{TEXT}  {text}\n"), local_files=False).kubeflow

    return read


@pytest.mark.parametrize(
    ("cpu", "cores"), [("2", 2.0), (0.5, 0.5), ("500m", 0.5), ("1500m", 1.5), (None, None)]
)
def test_cpu_is_in_cores_or_thousandths(cpu, cores):
    assert Resources(cpu=cpu).cores == cores


@pytest.mark.parametrize(
    ("memory", "gigabytes"),
    [("4G", 4.0), ("512Mi", 0.536870912), ("1.5Gi", 1.610612736), ("64000000", 0.064), ("2T", 2000.0)],
)
def test_memory_is_in_the_powers_of_kubernetes(memory, gigabytes):
    assert Resources(memory=memory).gigabytes == pytest.approx(gigabytes, rel=1e-12)


def test_a_step_has_what_is_named_for_it_and_else_the_default(settings):
    found = settings("resources: {default: {cpu: 1, memory: 4G}, Trainer: {cpu: 4, gpu: 1}}")
    trainer, other = found.resources_of("Trainer"), found.resources_of("Ingest")
    assert (trainer.cores, trainer.gigabytes, trainer.gpu, trainer.gpu_type) == (
        4.0,
        4.0,
        1,
        "nvidia.com/gpu",
    )
    assert (other.cores, other.gigabytes, other.gpu) == (1.0, 4.0, 0)


def test_plain_numbers_are_bytes_and_cores(settings):
    found = settings("resources: {default: {cpu: 2, memory: 2000000000}}").resources_of("Trainer")
    assert (found.cores, found.gigabytes) == (2.0, 2.0)


def test_retries_are_a_number_for_all_or_by_step_and_a_gate_has_its_own_only(settings):
    for_all = settings("retries: 2")
    assert for_all.retry_of("Trainer", gate=False) == Retry(times=2, backoff="30s")
    assert for_all.retry_of("DataGate", gate=True).times == 0
    by_step = settings("retries: {Trainer: {times: 1, backoff: 5min}, DataGate: 3}")
    assert by_step.retry_of("Trainer", gate=False) == Retry(times=1, backoff="5min")
    assert by_step.retry_of("DataGate", gate=True).times == 3
    assert by_step.retry_of("Ingest", gate=False).times == 0


def test_a_cache_is_for_all_or_by_step(settings):
    assert settings("cache: false").caches("Trainer", by_default=True) is False
    found = settings("cache: {Ingest: true, Trainer: false}")
    assert [found.caches(step, by_default=True) for step in ("Trainer", "Transform")] == [False, True]
    assert found.caches("Ingest", by_default=False)
    assert not Kubeflow().caches("Ingest", by_default=False)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("resources: {Trianer: {cpu: 1}}", "resources, Trianer: no such step (did you mean Trainer?)"),
        ("cache: {everything: true}", "cache, everything: no such step (known here: default, Ingest, "),
        ("retries: {all: 2}", "retries, all: no such step (known here: default, Ingest, "),
        ("resources: {Trainer: {cpu: many}}", "cpu: expected a number of cores, such as 2, 0.5 or 500m"),
        ("resources: {Trainer: {cpu: 0}}", "cpu: expected a number of cores"),
        ("resources: {Trainer: {memory: 4GB}}", "memory: expected an amount of memory, such as 16G or 512Mi"),
        ("resources: {Trainer: {gpu: -1}}", "resources.Trainer.gpu: expected at least 0, got -1"),
        ("retries: -1", "retries: expected at least 0, got -1"),
        ("retries: 1000000000000", "retries: expected at most 1000"),
        ("resources: {Trainer: {cpu: 11111111}}", "cpu: expected a number of cores"),
        ("retries: {Trainer: {times: 1, backoff: soon}}", "backoff: expected a duration"),
        ("cache: {Pusher: true}", "cache, Pusher: it looks at what is being served each time; leave it out"),
        ("root: /srv/runs", "root: expected an address such as gs://bucket/root, got '/srv/runs'"),
        ("secrets: {a b: {name: x, key: y}}", "expected the name of an environment variable"),
        ("secrets: {KEY: swordfish}", "secrets.KEY: expected keys and values"),
        ("volumes: {Models: /models}", "expected a name of Kubernetes"),
        ("volumes: {models: models}", "volumes.models: expected a folder that begins with /"),
    ],
)
def test_mistakes_are_told_in_words(settings, text, problem):
    with pytest.raises(ConfigError) as caught:
        settings(text)
    (found,) = caught.value.problems
    assert problem in found
    assert found.startswith("kubeflow.")


def test_every_other_setting_has_its_default():
    assert Config.model_fields["kubeflow"].default == Kubeflow()
