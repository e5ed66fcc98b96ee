"""The DAG, in the order the data flows. Read this first."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from ml_metadata.proto import metadata_store_pb2
from tfx import v1 as tfx
from tfx.dsl.components.base.base_node import BaseNode

from components.auditor.component import Auditor, DataGate
from components.ingest.component import Ingest
from components.ingest.layout import look
from components.pusher import component as pusher
from components.servability import versions as loaders
from components.servability.component import Servability, ServabilityGate
from components.trainer import training
from components.transform import preprocessing
from components.verdict import last_blessed
from components.verdict.class_check import ClassCheck
from components.verdict.component import ModelGate, Verdict
from components.verdict.eval_config import eval_config, training_eval_config
from components.verdict.evaluator import Evaluator
from components.verdict.slices import TIME, sliced_by
from pipeline import fingerprint
from pipeline.config import Config, FeatureKind, GivenSource, expand
from pipeline.errors import ConfigError, SluiceError
from pipeline.gate_checks import classes_named
from pipeline.runners.beam_args import beam_args

AtStart: TypeAlias = str | tfx.dsl.experimental.RuntimeParameter  # given now, or when a run is started
TRAIN, EVAL = "train", "eval"


def create_pipeline(
    config: Config,
    *,
    root: str,
    metadata: metadata_store_pb2.ConnectionConfig | None = None,
    source_fingerprint: str = "",
    kinds: Mapping[str, FeatureKind] | None = None,
    until_audit: bool = False,
    forced: AtStart = "",
    forced_by: str = "",
    source: AtStart = "",
    thresholds: AtStart = "",
    on_kubeflow: bool = False,
) -> tfx.dsl.Pipeline:
    """The pipeline of a configuration, the same for every runner.

    Args:
      config: the configuration.
      root: folder of the artifacts, local or remote.
      metadata: how ML Metadata is reached; None where the orchestrator brings its own.
      source_fingerprint: what ingest runs again for when it changes, see `fingerprint_of_ingest`.
      kinds: feature to kind, where `data.features` does not name them; else features of bytes are categories.
      until_audit: stop after the data has been judged.
      forced: why the model may be worse than the last blessed one; empty where it may not.
      forced_by: who took that on themselves.
      source: other `data.source` as YAML, see `pipeline.at_start`.
      thresholds: other `gate.thresholds` as YAML.
      on_kubeflow: compare with the model that was pushed last, for Kubeflow's server runs no resolver.
    """
    ingest = Ingest(config=_data_settings(config), source_fingerprint=source_fingerprint, source=source)
    examples = ingest.outputs["examples"]
    statistics = tfx.components.StatisticsGen(examples=examples)
    if config.schema_:
        schema = tfx.components.ImportSchemaGen(schema_file=config.schema_)
    else:
        schema = tfx.components.SchemaGen(
            statistics=statistics.outputs["statistics"], infer_feature_shape=False, exclude_splits=[EVAL]
        )
    validator = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    auditor = Auditor(
        examples=examples,
        statistics=statistics.outputs["statistics"],
        schema=schema.outputs["schema"],
        anomalies=validator.outputs["anomalies"],
        config=_audit_settings(config),
        code=fingerprint.of_code(["components/auditor", "components/ingest"]),
    )
    gate = DataGate(findings=auditor.outputs["findings"])
    stages: list[BaseNode] = [ingest, statistics, schema, validator, auditor, gate]
    if classes_named(config) or thresholds:
        gate = ClassCheck(
            statistics=statistics.outputs["statistics"], config=_class_settings(config), thresholds=thresholds
        )
        gate.add_upstream_node(stages[-1])
        stages.append(gate)
    if not until_audit:
        known = config.data.features or kinds or {}
        stages += _model_stages(
            config,
            known,
            examples,
            schema.outputs["schema"],
            gate,
            forced=forced,
            forced_by=forced_by,
            thresholds=thresholds,
            on_kubeflow=on_kubeflow,
        )
    return tfx.dsl.Pipeline(
        pipeline_name=_pipeline_name(config, root, metadata),
        pipeline_root=root,
        components=stages,
        enable_cache=True,
        metadata_connection_config=metadata,
        beam_pipeline_args=beam_args(config.run),
    )


def _pipeline_name(config: Config, root: str, metadata: metadata_store_pb2.ConnectionConfig | None) -> str:
    """The name in ML Metadata, within which results are taken from the cache and models are compared."""
    name = config.name.replace("_", "-")  # the only names Kubeflow takes
    shared = metadata is not None and (metadata.HasField("mysql") or config.artifacts is not None)
    if not shared:
        return name
    # Others are in the database too: each place of artifacts keeps its own.
    return f"{name}-{hashlib.sha256(root.encode()).hexdigest()[:8]}"


def _model_stages(
    config: Config,
    kinds: Mapping[str, FeatureKind],
    examples: tfx.types.BaseChannel,
    schema: tfx.types.BaseChannel,
    gate: BaseNode,
    *,
    forced: AtStart,
    forced_by: str,
    thresholds: AtStart,
    on_kubeflow: bool,
) -> list[BaseNode]:
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=f"{preprocessing.__name__}.{preprocessing.preprocessing_fn.__name__}",
        splits_config=tfx.proto.SplitsConfig(analyze=[TRAIN], transform=[TRAIN, EVAL]),
        disable_statistics=True,  # nothing reads them, and they take as long as the rest
        custom_config=_transform_settings(config, kinds),
    )
    transform.add_upstream_node(gate)  # refused data goes no further
    trainer = tfx.components.Trainer(
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        run_fn=f"{training.__name__}.{training.run_fn.__name__}",
        train_args=tfx.proto.TrainArgs(splits=[TRAIN]),
        eval_args=tfx.proto.EvalArgs(splits=[EVAL]),
        custom_config=_training_settings(config, kinds),
    )
    model = trainer.outputs["model"]
    resolver = _last_blessed(config, model, gate, on_kubeflow=on_kubeflow)
    evaluator = Evaluator(
        examples=examples,
        model=model,
        baseline_model=resolver.outputs[last_blessed.MODEL],
        eval_config=eval_config(config),
        example_splits=[EVAL],
    )
    train_evaluator = tfx.components.Evaluator(
        examples=examples, model=model, eval_config=training_eval_config(config), example_splits=[TRAIN]
    ).with_id("TrainEvaluator")
    verdict = Verdict(
        proposal=evaluator.outputs["blessing"],
        evaluation=evaluator.outputs["evaluation"],
        train_evaluation=train_evaluator.outputs["evaluation"],
        transformed_examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        config=_verdict_settings(config, kinds),
        forced=forced,
        forced_by=forced_by,
        code=fingerprint.of_code(["components/verdict", "components/trainer/metrics"]),
        thresholds=thresholds,
    )
    gate = ModelGate(blessing=verdict.outputs["blessing"])
    judged = [transform, trainer, resolver, evaluator, train_evaluator, verdict, gate]
    return [
        *judged,
        *_serving_stages(
            config, examples, trainer, verdict.outputs["blessing"], gate, on_kubeflow=on_kubeflow
        ),
    ]


def _serving_stages(
    config: Config,
    examples: tfx.types.BaseChannel,
    trainer: BaseNode,
    blessing: tfx.types.BaseChannel,
    gate: BaseNode,
    *,
    on_kubeflow: bool,
) -> list[BaseNode]:
    """What becomes of a model that met its bounds."""
    model = trainer.outputs["model"]
    servability = Servability(
        model=model,
        model_run=trainer.outputs["model_run"],
        task=config.task,
        config=config.servability.model_dump_json(exclude_unset=True),
        code=f"{fingerprint.of_code(['components/servability', 'serving'])}:{loaders.fingerprint()}",
    )
    servability.add_upstream_node(gate)  # a refused model ends the run, on every runner
    asked = [
        servability,
        ServabilityGate(blessing=servability.outputs["blessing"]),
        *_model_server(config, model, examples, gate, on_kubeflow=on_kubeflow),
    ]
    push = pusher.Pusher(
        model=model,
        model_blessing=blessing,
        infra_blessing=servability.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=config.push_base)
        ),
        custom_config={pusher.KEEP: config.push.keep},
    )
    for stage in asked:
        push.add_upstream_node(stage)
    return [*asked, push]


def _model_server(
    config: Config,
    model: tfx.types.BaseChannel,
    examples: tfx.types.BaseChannel,
    gate: BaseNode,
    *,
    on_kubeflow: bool,
) -> list[BaseNode]:
    """The stock stage that asks a model server in Docker, and its gate, where an image is configured."""
    if (image := config.servability.tf_serving_image) is None:
        return []
    if on_kubeflow:
        raise ConfigError(
            "TFX's InfraValidator does not compile for Kubeflow", ["leave servability.tf_serving_image out"]
        )
    name, _, tag = image.rpartition(":")
    validator = tfx.components.InfraValidator(
        model=model,
        examples=examples,
        serving_spec=tfx.proto.ServingSpec(
            tensorflow_serving=tfx.proto.TensorFlowServing(image_name=name, tags=[tag]),
            local_docker=tfx.proto.LocalDockerConfig(),
        ),
        request_spec=tfx.proto.RequestSpec(
            tensorflow_serving=tfx.proto.TensorFlowServingRequestSpec(signature_names=["serving_default"])
        ),
    )
    validator.add_upstream_node(gate)
    return [validator, ServabilityGate(blessing=validator.outputs["blessing"]).with_id("ServerGate")]


def _last_blessed(
    config: Config, model: tfx.types.BaseChannel, gate: BaseNode, *, on_kubeflow: bool
) -> BaseNode:
    """The stage that finds the model to compare with; none on the first run."""
    if on_kubeflow:
        pushed = last_blessed.LastPushed(push_base=config.push_base).with_id("LastBlessed")
        pushed.add_upstream_node(gate)  # it has no input that would let it wait
        return pushed
    channels = {
        last_blessed.MODEL: tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        last_blessed.BLESSING: tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
        last_blessed.CANDIDATE: model,
    }
    return tfx.dsl.Resolver(strategy_class=last_blessed.LastBlessedOther, **channels).with_id("LastBlessed")


def fingerprint_of_source(config: Config) -> str:
    """Digest of the source's files alone: equal for equal data, whatever reads it."""
    source = config.data.source
    groups = (source.train, source.eval) if isinstance(source, GivenSource) else (source,)
    return ":".join(fingerprint.of_files(expand(paths)) for paths in groups)


def fingerprint_of_ingest(source_fingerprint: str) -> str:
    """Digest of the source and of the code that reads it: ingest runs again when it changes."""
    return f"{fingerprint.of_code(['components/ingest'])}:{source_fingerprint}"


def kinds_of_features(config: Config) -> Mapping[str, FeatureKind]:
    """The kinds as configured, or as they will be inferred; none where the source cannot be read."""
    if config.data.features:
        return config.data.features
    try:
        return look(config).kinds
    except SluiceError:  # which Ingest raises again, as its own
        return {}


def _data_settings(config: Config) -> str:
    """What shapes the Examples, as JSON; nothing else, so that the rest does not empty the cache."""
    settings = config.model_dump(
        mode="json",
        include={"name", "task", "data", "split"},
        exclude={"data": {"max_length", "truncate", "positive"}},
        exclude_unset=True,
    )
    return _with_split_rule(config, settings)


def _audit_settings(config: Config) -> str:
    """What the findings depend on, as JSON."""
    settings = config.model_dump(
        mode="json",
        include={"name", "task", "data", "split", "schema_", "audit"},
        exclude_unset=True,
        by_alias=True,
    )
    return _with_split_rule(config, settings)


def _with_split_rule(config: Config, settings: dict[str, Any]) -> str:
    return json.dumps({**settings, "split": {**settings.get("split", {}), "by": config.split_by}})


def _transform_settings(config: Config, kinds: Mapping[str, FeatureKind]) -> preprocessing.Settings:
    return {
        "task": config.task,
        "label": config.label,
        "texts": _texts(kinds),
        "slices": list(config.data.slices),
        "timed": TIME in sliced_by(config),
        "max_length": config.data.max_length,
        "truncate": config.data.truncate,
        "vocabulary": config.model.vocabulary,
        "code": fingerprint.of_code(["components/transform"]),
    }


def _training_settings(config: Config, kinds: Mapping[str, FeatureKind]) -> training.Settings:
    window, texts = config.data.window, _texts(kinds)
    return {
        "task": config.task,
        "label": config.label,
        "positive": config.data.positive,
        "window_span": window.length + window.horizon if window else 0,
        "texts": texts,
        "prompt": config.prompt(kinds),
        "model": config.model.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json"),
        "code": fingerprint.of_code(["components/transform", "components/trainer"]),
    }


def _verdict_settings(config: Config, kinds: Mapping[str, FeatureKind]) -> str:
    """What the verdict depends on, as JSON; for generation also the kinds: they say how tokens are joined."""
    settings = config.model_dump(
        mode="json",
        include={"name", "task", "data", "gate"},
        exclude={"data": {"max_length", "truncate"}},
        exclude_unset=True,
    )
    if config.task == "generation" and config.format != "text" and kinds:
        settings["data"]["features"] = dict(kinds)
    return json.dumps(settings)


def _class_settings(config: Config) -> str:
    """What names classes, as JSON."""
    settings = config.model_dump(
        mode="json",
        include={"name": True, "task": True, "data": True, "training": {"class_weight"}, "gate": True},
        exclude={"data": {"max_length", "truncate"}},
        exclude_unset=True,
    )
    return json.dumps(settings)


def _texts(kinds: Mapping[str, FeatureKind]) -> list[str]:
    return sorted(name for name, kind in kinds.items() if kind == "text")
