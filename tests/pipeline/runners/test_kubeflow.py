"""The specification for Kubeflow: what kfp itself reads in it, and what must not stand in it."""

import getpass
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp import compiler, components, dsl
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as tfx_runner

from pipeline.config import Config, GivenSource, Run
from pipeline.config_file import load
from pipeline.errors import ConfigError
from pipeline.kubeflow_checks import STEPS
from pipeline.runners import kubeflow

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = """
name: far_away
task: multiclass
data:
  source: placeholder.csv
  sequence_id: id
  label: kind
  features: {f0: float, words: text}
gate: {thresholds: [{metric: "recall[stop]", min: 0.8}]}
push: {to: gs://bucket/serving}
kubeflow:
  root: gs://bucket/runs
  resources:
    default: {cpu: 500m, memory: 4G}
    Trainer: {cpu: 4, memory: 16Gi, gpu: 2}
  retries: {default: 3, Trainer: {times: 1, backoff: 2min}}
  secrets:
    STORE_KEY: {name: store-access, key: id}
    STORE_SECRET: {name: store-access, key: secret}
  volumes: {recordings: /data}
"""
SECRET = "planted-7f3a"  # noqa: S105


def configured(folder: Path, **changes: object) -> Config:
    """A configuration whose every place is in an object store."""
    path = folder / "sluice.yaml"
    path.write_text(SETTINGS)
    config = load(path, local_files=False)
    source = changes.pop("source", ("gs://bucket/data/*.csv",))
    return config.model_copy(update={"data": config.data.model_copy(update={"source": source}), **changes})


def written(config: Config, image: str = "registry/sluice:1") -> str:
    return kubeflow.specification(config, image, config.data.features or {})


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORE_SECRET", SECRET)
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        return written(configured(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def spec(text: str) -> dict[str, Any]:
    return next(yaml.safe_load_all(text))


def tasks(spec: dict[str, Any]) -> dict[str, Any]:
    return spec["root"]["dag"]["tasks"]


def test_kfp_loads_it_with_its_parameters_and_their_defaults(text):
    loaded = components.load_component_from_text(text)
    assert loaded.name == "far-away"
    assert {name: one.default for name, one in loaded.component_spec.inputs.items()} == {
        "source": "gs://bucket/data/*.csv",
        "thresholds": '[{"metric": "recall[stop]", "min": 0.8}]',
        "force_bless_reason": "",
    }
    assert set(loaded.platform_spec.platforms) == {"kubernetes"}


def test_every_message_is_one_that_the_server_knows(spec):
    json_format.ParseDict(spec, kfp.PipelineSpec())
    json_format.ParseDict(spec["deploymentSpec"], kfp.PipelineDeploymentConfig())
    assert spec["schemaVersion"] == "2.1.0"
    assert spec["defaultPipelineRoot"] == "gs://bucket/runs"


def test_every_step_is_a_container_for_the_server_runs_no_resolver(spec):
    executors = spec["deploymentSpec"]["executors"]
    assert {name for name, one in executors.items() if list(one) != ["container"]} == set()
    assert {one["container"]["image"] for one in executors.values()} == {"registry/sluice:1"}
    assert set(tasks(spec)) == set(STEPS) - {"ImportSchemaGen"}


def test_what_is_served_is_looked_up_when_the_data_has_passed(spec):
    assert tasks(spec)["LastBlessed"]["dependentTasks"] == ["ClassCheck"]
    assert tasks(spec)["Transform"]["dependentTasks"] == ["ClassCheck", "Ingest", "SchemaGen"]


def test_a_given_schema_takes_the_place_of_the_inferred_one(tmp_path):
    config = configured(tmp_path, schema_="gs://bucket/contract.pbtxt")
    assert set(tasks(next(yaml.safe_load_all(written(config))))) == set(STEPS) - {"SchemaGen"}


def test_resources_retries_and_caching_stand_as_the_sdk_writes_them(spec, tmp_path):
    @dsl.container_component
    def step():
        return dsl.ContainerSpec(image="image")

    @dsl.pipeline(name="theirs")
    def theirs():
        large = step().set_cpu_limit("4").set_memory_limit("16Gi").set_retry(1, backoff_duration="120s")
        large.set_accelerator_limit(2).set_accelerator_type("nvidia.com/gpu")
        small = step().set_cpu_limit("500m").set_memory_limit("4G").set_retry(3, backoff_duration="30s")
        small.set_caching_options(enable_caching=True)

    compiler.Compiler().compile(theirs, str(tmp_path / "theirs.yaml"))
    made = yaml.safe_load((tmp_path / "theirs.yaml").read_text())
    for ours, theirs_ in (("Trainer", "step"), ("Transform", "step-2")):
        limits = spec["deploymentSpec"]["executors"][f"{ours}_executor"]["container"]["resources"]
        expected = made["deploymentSpec"]["executors"][f"exec-{theirs_}"]["container"]["resources"]
        # A newer SDK writes the limits once more, as text.
        known = json_format.ParseDict(expected, limits_of(), ignore_unknown_fields=True)
        assert json_format.ParseDict(limits, limits_of()) == trimmed(known)
        task, other = tasks(spec)[ours], made["root"]["dag"]["tasks"][theirs_]
        assert task["retryPolicy"] == other["retryPolicy"]
        assert task["cachingOptions"] == other["cachingOptions"]


def limits_of() -> Any:
    return kfp.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec()


def trimmed(found: Any) -> Any:
    """Without what older servers do not know."""
    for message in (found, found.accelerator):
        for field, _ in message.ListFields():
            if field.name.startswith("resource_"):
                message.ClearField(field.name)
    return found


def test_gates_are_not_started_again_and_what_looks_around_is_not_cached(spec):
    again = {name for name, task in tasks(spec).items() if "retryPolicy" in task}
    assert set(tasks(spec)) - again == {"DataGate", "ClassCheck", "ModelGate", "ServabilityGate"}
    cached = {name for name, task in tasks(spec).items() if task["cachingOptions"].get("enableCache")}
    assert set(tasks(spec)) - cached == {"Ingest", "LastBlessed", "Pusher"}


def test_ingest_is_cached_where_the_configuration_says_so(tmp_path):
    config = configured(tmp_path)
    settings = config.kubeflow.model_copy(update={"cache": {"Ingest": True, "default": False}})
    found = tasks(next(yaml.safe_load_all(written(config.model_copy(update={"kubeflow": settings})))))
    assert [name for name, task in found.items() if task["cachingOptions"].get("enableCache")] == ["Ingest"]


def test_secrets_are_named_and_volumes_mounted_in_every_step(text):
    spec, platform = yaml.safe_load_all(text)
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert executors.keys() == spec["deploymentSpec"]["executors"].keys()
    for one in executors.values():
        (secret,), (mount,) = one["secretAsEnv"], one["pvcMount"]
        assert secret["secretName"] == "store-access"
        assert secret["keyToEnv"] == [
            {"secretKey": "id", "envVar": "STORE_KEY"},
            {"secretKey": "secret", "envVar": "STORE_SECRET"},
        ]
        assert (mount["constant"], mount["mountPath"]) == ("recordings", "/data")


def test_without_secrets_and_volumes_there_is_one_document(tmp_path):
    config = configured(tmp_path)
    settings = config.kubeflow.model_copy(update={"secrets": {}, "volumes": {}})
    assert len(list(yaml.safe_load_all(written(config.model_copy(update={"kubeflow": settings}))))) == 1


def test_neither_a_secret_nor_anything_of_this_machine_stands_in_it(text):
    assert SECRET not in text
    for own in (str(ROOT), str(Path.home()), f"/home/{getpass.getuser()}", "/tmp", "sluice.yaml"):  # noqa: S108
        assert own not in text, own


def test_it_is_the_same_each_time_so_that_the_cache_holds(text, tmp_path):
    assert written(configured(tmp_path)) == text


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (("gs://b/a.csv",), "gs://b/a.csv"),
        (("gs://b/a.csv", "gs://b/c.csv"), '["gs://b/a.csv", "gs://b/c.csv"]'),
        (("/data/a #1.csv",), '["/data/a #1.csv"]'),
        (GivenSource(train=("/t.csv",), eval=("/e.csv",)), '{"train":["/t.csv"],"eval":["/e.csv"]}'),
    ],
)
def test_the_source_is_said_so_that_yaml_reads_it_back(tmp_path, source, said):
    assert kubeflow._source_text(configured(tmp_path, source=source)) == said
    given = source.model_dump(mode="json") if isinstance(source, GivenSource) else list(source)
    assert yaml.safe_load(said) in (given, given[0] if isinstance(given, list) else given)


def test_beam_workers_elsewhere_have_the_code_from_an_image(tmp_path):
    runner = ("--runner=DataflowRunner", "--temp_location=gs://bucket/temp")
    config = configured(tmp_path, run=Run(beam_args=runner))
    with pytest.raises(ConfigError, match="a step on Kubeflow cannot send them the code") as caught:
        written(config)
    assert "--sdk_container_image=IMAGE" in caught.value.problems[0]
    image = "--sdk_container_image=registry/workers:1"
    text = written(config.model_copy(update={"run": Run(beam_args=(*runner, image))}))
    assert image in text
    assert str(ROOT) not in text


def test_the_container_runs_the_entry_point_of_the_project(spec):
    container = spec["deploymentSpec"]["executors"]["Pusher_executor"]["container"]
    assert container["command"] == ["python", "-m", "pipeline.runners.kubeflow_step"]
    assert container["args"][:2] == ["--executor_class_path", "components.pusher.component.SafeExecutor"]
    assert tfx_runner.KUBEFLOW_TFX_CMD[:2] == ("python", "-m"), "TFX starts its own the same way"
