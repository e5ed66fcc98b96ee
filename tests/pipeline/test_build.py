"""One DAG for every runner: it compiles for Kubeflow and builds for Beam."""

import json
import re
from pathlib import Path

import apache_beam as beam
import pytest
import yaml
from tfx import v1 as tfx
from tfx.dsl.compiler import compiler
from tfx.orchestration.beam.beam_dag_runner import BeamDagRunner
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from pipeline import demo_data, fingerprint
from pipeline.build import (
    _training_settings,
    _verdict_settings,
    create_pipeline,
    fingerprint_of_ingest,
    fingerprint_of_source,
)
from pipeline.config import Config, Run, Servability
from pipeline.config_file import load
from pipeline.errors import ConfigError
from pipeline.metadata_connection import connection

CONFIGS = Path(__file__).resolve().parents[2] / "pipeline" / "configs"
DATA_STAGES = ["Ingest", "StatisticsGen", "SchemaGen", "ExampleValidator", "Auditor", "DataGate"]
MODEL_STAGES = [
    "Transform", "Trainer", "LastBlessed", "TrainEvaluator", "Evaluator", "Verdict", "ModelGate",
    "Servability", "ServabilityGate", "Pusher",
]  # fmt: skip


@pytest.fixture
def demo(tmp_path: Path) -> Config:
    demo_data.make(tmp_path / "demo.csv")
    return load(CONFIGS / "demo.yaml", [f"data.source={tmp_path}/demo.csv"])


def stage_names(config: Config, **options: object) -> list[str]:
    pipeline = create_pipeline(config, root="root", **options)
    return [node.pipeline_node.node_info.id for node in compiler.Compiler().compile(pipeline).nodes]


def test_the_stages_stand_in_the_order_the_data_flows(demo):
    assert stage_names(demo) == DATA_STAGES + MODEL_STAGES


def test_a_check_stops_after_the_data_is_judged(demo):
    assert stage_names(demo, until_audit=True) == DATA_STAGES


def test_a_given_schema_is_imported(demo, tmp_path):
    (tmp_path / "s.pbtxt").write_text("")
    with_schema = load(
        CONFIGS / "demo.yaml", [f"data.source={tmp_path}/demo.csv", f"schema={tmp_path}/s.pbtxt"]
    )
    assert "ImportSchemaGen" in stage_names(with_schema)


def test_transform_waits_for_the_gate_and_the_gate_for_the_auditor(demo):
    ir = compiler.Compiler().compile(create_pipeline(demo, root="root"))
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    assert "DataGate" in nodes["Transform"].upstream_nodes
    assert list(nodes["DataGate"].upstream_nodes) == ["Auditor"]


@pytest.mark.parametrize("name", ["demo", "japanese_vowels"])
def test_it_compiles_for_kubeflow(name, tmp_path):
    config = load(CONFIGS / f"{name}.yaml", local_files=False)
    settings = kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
        default_image="sluice:test", use_pipeline_spec_2_1=True
    )
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        settings, output_dir=str(tmp_path), output_filename="pipeline.yaml"
    )
    runner.run(create_pipeline(config, root="gs://bucket/root", on_kubeflow=True), write_out=True)
    spec = next(iter(yaml.safe_load_all((tmp_path / "pipeline.yaml").read_text())))
    executors = json.dumps(spec["deploymentSpec"])
    assert set(spec["root"]["dag"]["tasks"]) == {*DATA_STAGES, *MODEL_STAGES}
    assert "resolver" not in executors, "the server of Kubeflow runs none"
    assert "components.pusher.component.SafeExecutor" in executors
    assert "components.ingest.component" in executors
    assert str(tmp_path) not in executors


def test_nothing_is_pushed_before_the_gate_let_the_model_through(demo):
    ir = compiler.Compiler().compile(create_pipeline(demo, root="root"))
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    assert {"Servability", "ServabilityGate"} <= set(nodes["Pusher"].upstream_nodes)
    assert "ModelGate" in nodes["Servability"].upstream_nodes
    assert list(nodes["ModelGate"].upstream_nodes) == ["Verdict"]


def test_a_model_server_is_asked_as_well_where_an_image_is_named(demo):
    named = demo.model_copy(update={"servability": Servability(tf_serving_image="tensorflow/serving:2.16.1")})
    ir = compiler.Compiler().compile(create_pipeline(named, root="root"))
    nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in ir.nodes}
    assert {"InfraValidator", "ServerGate"} <= set(nodes["Pusher"].upstream_nodes)
    assert "ModelGate" in nodes["InfraValidator"].upstream_nodes
    with pytest.raises(ConfigError, match="InfraValidator does not compile"):
        create_pipeline(named, root="root", on_kubeflow=True)


def test_a_bound_changes_the_verdict_and_leaves_training_cached(demo, tmp_path):
    def settings(stage: str, *overrides: str) -> str:
        config = load(CONFIGS / "demo.yaml", [f"data.source={tmp_path}/demo.csv", *overrides])
        ir = compiler.Compiler().compile(create_pipeline(config, root="root"))
        (node,) = (one for one in ir.nodes if one.pipeline_node.node_info.id == stage)
        parameters = node.pipeline_node.parameters.parameters
        return str(sorted((name, str(value)) for name, value in parameters.items()))

    for stage, changes in [("Trainer", False), ("TrainEvaluator", False), ("Verdict", True)]:
        assert (settings(stage) != settings(stage, "gate.min_slice_size=10")) == changes


def test_it_builds_for_the_beam_orchestrator(demo, tmp_path, monkeypatch):
    built = []

    def keep(self: beam.Pipeline, *_: object) -> object:
        built.append(self.to_runner_api())  # pickles every stage, as a distributed runner would
        return type("Done", (), {"wait_until_finish": lambda *_: None})()

    monkeypatch.setattr(beam.Pipeline, "run", keep)
    here = demo.model_copy(update={"run": Run(root=str(tmp_path))})
    pipeline = create_pipeline(here, root=str(tmp_path), metadata=connection(here))
    BeamDagRunner().run(pipeline)
    labels = {transform.unique_name for transform in built[0].components.transforms.values()}
    assert {f"Run[{stage}]" for stage in DATA_STAGES + MODEL_STAGES} <= labels


def test_in_a_shared_database_each_root_keeps_its_own_models_and_cache(demo):
    def name(root: str, metadata: str | None, artifacts: str | None = None) -> str:
        run = demo.run.model_copy(update={"metadata": metadata, "artifacts": artifacts})
        config = demo.model_copy(update={"run": run, "name": "my_demo"})
        return create_pipeline(config, root=root, metadata=connection(config)).pipeline_info.pipeline_name

    assert name("a", None) == name("b", None) == "my-demo"
    one, other = (name(root, "mysql://u@h/d") for root in ("a", "b"))
    assert one != other
    assert name("a", "mysql://u@h/d") == one
    assert re.fullmatch(r"my-demo-[0-9a-f]{8}", one)
    elsewhere = [name(f"{bucket}/my_demo", None, bucket) for bucket in ("gs://a", "gs://b")]
    assert len({"my-demo", *elsewhere}) == 3


def test_every_stage_is_there_on_this_stack(demo):
    # TFX sets a component to None when its import fails.
    assert all(
        getattr(tfx.components, name) is not None
        for name in (
            "StatisticsGen",
            "SchemaGen",
            "ImportSchemaGen",
            "ExampleValidator",
            "Transform",
            "Trainer",
            "Evaluator",
            "InfraValidator",
            "Pusher",
        )
    )


def test_a_changed_source_has_another_fingerprint(demo, tmp_path):
    before = fingerprint_of_source(demo)
    assert fingerprint_of_source(demo) == before
    with (tmp_path / "demo.csv").open("a") as file:
        file.write("s9999,0,1,1,1,1,1,peak\n")
    assert fingerprint_of_source(demo) != before


def test_equal_data_have_one_fingerprint_wherever_they_lie_and_whatever_code_reads_them(
    demo, tmp_path, monkeypatch
):
    before = fingerprint_of_source(demo)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "demo.csv").write_bytes((tmp_path / "demo.csv").read_bytes())
    copied = load(CONFIGS / "demo.yaml", [f"data.source={tmp_path}/copy/demo.csv"])
    of_ingest = fingerprint_of_ingest(before)
    monkeypatch.setattr(fingerprint, "of_code", lambda _: "other code")
    assert fingerprint_of_source(copied) == before
    assert fingerprint_of_ingest(before) != of_ingest


def test_what_does_not_shape_the_data_leaves_ingest_cached(demo, tmp_path):
    def ingest_settings(*overrides: str) -> str:
        config = load(CONFIGS / "demo.yaml", [f"data.source={tmp_path}/demo.csv", *overrides])
        ir = compiler.Compiler().compile(create_pipeline(config, root="root"))
        return str(ir.nodes[0].pipeline_node.parameters.parameters["config"])

    assert ingest_settings() == ingest_settings("training.epochs=7", "data.max_length=5", "push.to=elsewhere")
    assert ingest_settings() != ingest_settings("split.eval_fraction=0.3")


@pytest.mark.parametrize(
    ("data", "kinds", "prompt"),
    [
        ({"source": "x.txt", "format": "text", "tokens": "words"}, {"text": "category"}, "words"),
        ({"source": "x.csv", "sequence_id": "i"}, {"chord": "category"}, "separated"),
        ({"source": "x.csv", "sequence_id": "i"}, {"body": "text"}, "text"),
    ],
)
def test_the_verdict_joins_tokens_as_prompts_are_cut_into_them(data, kinds, prompt):
    config = Config.model_validate_json(json.dumps({"name": "n", "task": "generation", "data": data}))
    assert _training_settings(config, kinds)["prompt"] == prompt
    told = Config.model_validate_json(_verdict_settings(config, kinds))
    assert told.prompt(told.data.features or {}) == prompt
