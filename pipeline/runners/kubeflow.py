"""Makes the specification of a pipeline for Kubeflow Pipelines v2."""

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as kfp
from tfx import v1 as tfx
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from pipeline import __version__
from pipeline.build import create_pipeline
from pipeline.config import Config, FeatureKind, GivenSource, source_paths
from pipeline.config_values import duration_us
from pipeline.errors import ConfigError
from pipeline.kubeflow_checks import GATES, UNCACHED
from pipeline.runners.beam_args import beam_args

SOURCE, THRESHOLDS, FORCED = "source", "thresholds", "force_bless_reason"  # parameters of a run
STARTED_BY = "who started the run on Kubeflow"
_STEP = ("python", "-m", "pipeline.runners.kubeflow_step")
_DOUBLING, _LONGEST_BACKOFF = 2.0, "3600s"  # as kfp has it


def specification(config: Config, image: str, kinds: Mapping[str, FeatureKind]) -> str:
    """The pipeline as YAML that Kubeflow Pipelines takes: the specification, and what is Kubernetes' own.

    Args:
      config: the configuration.
      image: of every step.
      kinds: feature to kind, see `create_pipeline`.
    """
    spec = _compiled(config, image, kinds)
    for name, task in spec.root.dag.tasks.items():
        _set_task(task, config, name)
    for label, executor in spec.deployment_spec["executors"].items():
        if limits := _resources(config, label.removesuffix("_executor")):
            executor["container"]["resources"] = limits
    spec.root.input_definitions.CopyFrom(_parameters(config))
    spec.pipeline_info.description = f"made by sluice {__version__}"
    if config.kubeflow.root:
        spec.default_pipeline_root = config.kubeflow.root
    documents = [json_format.MessageToDict(spec)]
    if platform := _platform(config, list(spec.deployment_spec["executors"])):
        documents.append(platform)
    body: str = yaml.safe_dump_all(documents, sort_keys=True, allow_unicode=True)
    return _heading(spec) + body


def in_the_container(config: Config) -> Iterator[tuple[str, str]]:
    """Key and path of what the steps will look for in the container, outside of their volumes."""
    named = [("data.source", path) for path in source_paths(config.data)]
    named += [("schema", config.schema_)] if config.schema_ else []
    mounted = tuple(f"{folder}/" for folder in config.kubeflow.volumes.values())
    for key, place in (*named, ("push.to", config.push.to)):
        if "://" not in place and not f"{place}/".startswith(mounted):
            yield key, place


def _compiled(config: Config, image: str, kinds: Mapping[str, FeatureKind]) -> kfp.PipelineSpec:
    """What TFX makes of it."""
    _refuse_code_of_this_machine(config)
    settings = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        default_image=image, default_commands=list(_STEP), use_pipeline_spec_2_1=True
    )
    pipeline = create_pipeline(
        config,
        root=config.kubeflow.root or "",
        kinds=kinds,
        source=_runtime(SOURCE),
        thresholds=_runtime(THRESHOLDS),
        forced=_runtime(FORCED),
        forced_by=STARTED_BY,
        on_kubeflow=True,
    )
    job = kubeflow_v2_dag_runner.KubeflowV2DagRunner(settings).run(pipeline, write_out=False)
    return json_format.ParseDict(job["pipelineSpec"], kfp.PipelineSpec())


def _refuse_code_of_this_machine(config: Config) -> None:
    """Ends where Beam's workers would be sent the project from where it is here."""
    sent = {one for one in beam_args(config.run) if one.startswith("--setup_file")}
    if sent - set(config.run.beam_args):
        raise ConfigError(
            "Beam's workers would be elsewhere, and a step on Kubeflow cannot send them the code",
            ["run.beam_args: add --sdk_container_image=IMAGE, an image that has it; see docs/kubeflow.md"],
        )


def _runtime(name: str) -> tfx.dsl.experimental.RuntimeParameter:
    return tfx.dsl.experimental.RuntimeParameter(name=name, ptype=str)


def _set_task(task: kfp.PipelineTaskSpec, config: Config, name: str) -> None:
    """Caching and retries of a step."""
    settings, gate = config.kubeflow, name in GATES
    task.caching_options.enable_cache = settings.caches(name, by_default=name not in UNCACHED)
    retry = settings.retry_of(name, gate=gate)
    if retry.times:
        task.retry_policy.max_retry_count = retry.times
        task.retry_policy.backoff_duration.FromMicroseconds(duration_us(retry.backoff))
        task.retry_policy.backoff_factor = _DOUBLING
        task.retry_policy.backoff_max_duration.FromMicroseconds(duration_us(_LONGEST_BACKOFF))


def _resources(config: Config, name: str) -> dict[str, Any]:
    """The limits of a step as every server reads them; Kubernetes reserves what it limits."""
    settings = config.kubeflow.resources_of(name)
    limits: dict[str, Any] = {}
    if settings.cores is not None:
        limits["cpuLimit"] = settings.cores
    if settings.gigabytes is not None:
        limits["memoryLimit"] = settings.gigabytes
    if settings.gpu:
        limits["accelerator"] = {"type": settings.gpu_type, "count": str(settings.gpu)}
    return limits


def _parameters(config: Config) -> kfp.ComponentInputsSpec:
    """What can be changed when a run is started, as configured where it is not."""
    defaults = {
        SOURCE: (_source_text(config), "data.source as YAML: a path or glob, a list, or {train: …, eval: …}"),
        THRESHOLDS: (_thresholds_text(config), "gate.thresholds as YAML"),
        FORCED: ("", "why the model may be worse than the one pushed last; empty where it may not"),
    }
    found = kfp.ComponentInputsSpec()
    for name, (default, description) in defaults.items():
        parameter = found.parameters[name]
        parameter.parameter_type = kfp.ParameterType.STRING
        parameter.default_value.string_value = default
        parameter.is_optional = True
        parameter.description = description
    return found


def _source_text(config: Config) -> str:
    source = config.data.source
    if isinstance(source, GivenSource):
        return source.model_dump_json()
    return source[0] if len(source) == 1 and _is_plain(source[0]) else json.dumps(list(source))


def _is_plain(text: str) -> bool:
    """Whether a text means itself in YAML."""
    try:
        return bool(yaml.safe_load(text) == text)
    except yaml.YAMLError:
        return False


def _thresholds_text(config: Config) -> str:
    stated = config.gate.model_dump(mode="json", exclude_unset=True).get("thresholds")
    return json.dumps(stated or ["default"])


def _platform(config: Config, executors: list[str]) -> dict[str, Any]:
    """Secrets by their names and volumes by their claims, for every step; nothing where there are none."""
    by_secret: dict[str, list[dict[str, str]]] = {}
    for variable, secret in config.kubeflow.secrets.items():
        by_secret.setdefault(secret.name, []).append({"secretKey": secret.key, "envVar": variable})
    # By the fields that every server reads; newer ones read others as well.
    settings = {
        "secretAsEnv": [{"secretName": name, "keyToEnv": keys} for name, keys in by_secret.items()],
        "pvcMount": [
            {"constant": claim, "mountPath": folder} for claim, folder in config.kubeflow.volumes.items()
        ],
    }
    stated = {key: value for key, value in settings.items() if value}
    if not stated:
        return {}
    deployment = {"executors": {executor: copy.deepcopy(stated) for executor in executors}}  # no anchors
    return {"platforms": {"kubernetes": {"deploymentSpec": deployment}}}


def _heading(spec: kfp.PipelineSpec) -> str:
    """The comment that Kubeflow's own compiler writes, for people."""
    inputs = [
        f"#    {name}: str [Default: {parameter.default_value.string_value!r}]"
        for name, parameter in sorted(spec.root.input_definitions.parameters.items())
    ]
    name = spec.pipeline_info.name
    lines = ["# PIPELINE DEFINITION", f"# Name: {name}", f"# Description: {spec.pipeline_info.description}"]
    return "\n".join([*lines, "# Inputs:", *inputs, ""])
