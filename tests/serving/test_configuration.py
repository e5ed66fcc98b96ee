"""The files that TensorFlow Serving, Prometheus and Grafana read."""

import json
import re
from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from serving import docker_server
from serving.metrics import MEMORY, Metrics

SERVING = Path(docker_server.__file__).parent
COMPOSE = yaml.safe_load((SERVING / "compose.yaml").read_text())
DASHBOARD = json.loads((SERVING / "grafana/dashboards/serving.json").read_text())

# Fields of tensorflow_serving/servables/tensorflow/session_bundle_config.proto and of
# tensorflow_serving/config/monitoring_config.proto, which no package brings: name, number and type.
_WRAPPED = {"max_batch_size": 1, "batch_timeout_micros": 2, "max_enqueued_batches": 3, "num_batch_threads": 4}


def messages() -> dict:
    file = descriptor_pb2.FileDescriptorProto(name="own.proto", package="own", syntax="proto3")
    wrapped = file.message_type.add(name="Int64Value")
    wrapped.field.add(name="value", number=1, type=3, label=1)
    batching = file.message_type.add(name="BatchingParameters")
    for name, number in _WRAPPED.items():
        batching.field.add(name=name, number=number, type=11, type_name=".own.Int64Value", label=1)
    batching.field.add(name="allowed_batch_sizes", number=6, type=3, label=3)
    batching.field.add(name="pad_variable_length_inputs", number=7, type=8, label=1)
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, type=8, label=1)
    prometheus.field.add(name="path", number=2, type=9, label=1)
    monitoring = file.message_type.add(name="MonitoringConfig")
    monitoring.field.add(
        name="prometheus_config", number=1, type=11, type_name=".own.PrometheusConfig", label=1
    )
    return message_factory.GetMessages([file])


def test_the_batching_is_consistent_and_pads_nothing():
    text = (SERVING / "batching.config").read_text()
    found = text_format.Parse(text, messages()["own.BatchingParameters"]())
    assert list(found.allowed_batch_sizes) == sorted(set(found.allowed_batch_sizes))
    assert found.allowed_batch_sizes[-1] == found.max_batch_size.value
    assert found.num_batch_threads.value == COMPOSE["services"]["serving"]["cpus"]
    assert "pad_variable_length_inputs: false" in text
    assert not found.pad_variable_length_inputs


def test_prometheus_asks_where_the_server_answers():
    text = (SERVING / "monitoring.config").read_text()
    found = text_format.Parse(text, messages()["own.MonitoringConfig"]()).prometheus_config
    job = yaml.safe_load((SERVING / "prometheus.yml").read_text())["scrape_configs"][0]
    assert found.enable
    assert found.path == job["metrics_path"]
    assert job["static_configs"] == [{"targets": ["serving:8501"]}]


def parsed_models(text: str):
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig()).model_config_list.config


def test_the_newest_version_of_the_demo_is_served():
    (one,) = parsed_models((SERVING / "models.config").read_text())
    assert (one.name, one.base_path) == ("demo", "/models/demo")
    assert one.model_version_policy.latest.num_versions == 1


def test_versions_with_a_label_are_served_beside_the_newest():
    (one,) = parsed_models(docker_server.models_config("fraud", {"canary": 7, "stable": 5}))
    assert dict(one.version_labels) == {"canary": 7, "stable": 5}
    assert one.model_version_policy.WhichOneof("policy_choice") == "all"
    (plain,) = parsed_models(docker_server.models_config("fraud"))
    assert plain.model_version_policy.latest.num_versions == 1


def test_the_commented_policy_can_be_used_as_it_stands():
    text = (SERVING / "models.config").read_text()
    text = text.replace("    model_version_policy { latest { num_versions: 1 } }\n", "")
    text = re.sub(r"#   (model_version_policy|version_labels)", r"\1", text)
    (one,) = parsed_models(text)
    assert set(one.version_labels.values()) == set(one.model_version_policy.specific.versions)


def test_every_image_is_pinned_and_every_port_is_this_machine_s_own():
    for service in COMPOSE["services"].values():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])
        assert service["ports"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["mem_limit"]
        assert service["cpus"]
    assert COMPOSE["services"]["serving"]["image"] == docker_server.IMAGE


def test_every_mount_exists_and_can_only_be_read():
    for service in COMPOSE["services"].values():
        for one in service["volumes"]:
            if one["type"] == "volume":
                assert one["source"] in COMPOSE["volumes"]
            elif "SLUICE_PUSH_TO" not in one["source"]:
                assert one["read_only"]
                assert (SERVING / one["source"]).exists()


def test_every_file_the_server_is_told_of_is_mounted():
    service = COMPOSE["services"]["serving"]
    targets = {one["target"] for one in service["volumes"]}
    named = {part.split("=")[1] for part in service["command"] if "=/config/" in part}
    assert named == targets - {"/models"}


def exposed() -> set[str]:
    metrics = Metrics()
    metrics.requested("m", "GRPC", "OK", 0.1)
    metrics.ran("m", 0.1)
    metrics.loaded(Path("/models/m/1"), "success")
    names = re.findall(r"^([a-z_:]+)\{", metrics.page(), re.MULTILINE)
    return {*names, MEMORY}


def test_every_metric_of_the_dashboard_is_one_the_server_has():
    expressions = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    used = {name for one in expressions for name in re.findall(r"([a-z_:]+)\{", one)}
    assert used <= exposed()
    assert len(used) >= 5


def test_the_dashboard_and_its_source_know_each_other():
    (source,) = yaml.safe_load((SERVING / "grafana/datasources/prometheus.yaml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    (provider,) = yaml.safe_load((SERVING / "grafana/dashboards/dashboards.yaml").read_text())["providers"]
    targets = {one["target"] for one in COMPOSE["services"]["grafana"]["volumes"]}
    assert provider["options"]["path"] in targets


def test_the_container_reads_the_model_and_is_reached_from_here_alone(tmp_path):
    base = tmp_path / "fraud"
    base.mkdir()
    found = docker_server.command("fraud", base, tmp_path, 8510, 8511)
    published = [found[at + 1] for at, part in enumerate(found) if part == "--publish"]
    assert published == ["127.0.0.1:8510:8500", "127.0.0.1:8511:8501"]
    mounts = [found[at + 1].split(",") for at, part in enumerate(found) if part == "--mount"]
    assert all(one[3] == "readonly" for one in mounts)
    assert all(Path(one[1].removeprefix("source=")).exists() for one in mounts)
    assert ["type=bind", f"source={base}", "target=/models/fraud", "readonly"] in mounts


@pytest.mark.parametrize("answer", [1, None])
def test_no_engine_is_no_error(monkeypatch, answer):
    monkeypatch.setattr(docker_server.shutil, "which", lambda _: None if answer is None else "/bin/false")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not docker_server.engine_answers()
