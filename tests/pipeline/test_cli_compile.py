"""`sluice compile`: what it writes, what it warns of, and what it needs."""

import builtins
import json
import os
import sys
from pathlib import Path

import pytest
import yaml

from pipeline import __version__, cli

CONFIG = """
name: demo
task: multiclass
data: {{source: {source}, sequence_id: id, label: kind}}
schema: schema.pbtxt
push: {{to: {push}}}
kubeflow: {{volumes: {{models: /models}}, image: registry/ours:3}}
"""


@pytest.fixture
def config(write):
    def make(source: str = "rows.csv", push: str = "/models/here") -> str:
        rows = [f"{at},x,0.5,a call about the bill number {at} from a shop\n" for at in range(100)]
        write("rows.csv", "id,kind,a,b\n" + "".join(rows))
        return str(write("sluice.yaml", CONFIG.format(source=source, push=push)))

    return make


def sluice(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        cli.main(["compile", *arguments])
        sys.exit(0)
    out, err = capfd.readouterr()
    return int(left.value.code or 0), out, err


def images(path: Path) -> set[str]:
    spec = next(yaml.safe_load_all(path.read_text()))
    return {one["container"]["image"] for one in spec["deploymentSpec"]["executors"].values()}


def test_it_writes_the_file_and_says_for_which_image(capfd, config, tmp_path):
    out = tmp_path / "out" / "pipeline.yaml"
    out.parent.mkdir()
    for arguments, image in [
        ((), "registry/ours:3"),
        (("--image", "registry/mine:4"), "registry/mine:4"),
        (("--set", "kubeflow.image=null"), f"sluice:{__version__}"),
    ]:
        code, said, _ = sluice(capfd, config(), "-o", str(out), *arguments)
        assert (code, said.splitlines()[0]) == (0, f"wrote {out} for the image {image}")
        assert images(out) == {image}
    assert [path.name for path in out.parent.iterdir()] == ["pipeline.yaml"]


def test_it_writes_where_a_link_points_and_leaves_the_link(capfd, config, tmp_path):
    target, link = tmp_path / "target.yaml", tmp_path / "link.yaml"
    target.write_text("old")
    link.symlink_to(target)
    code, *_ = sluice(capfd, config(), "-o", str(link))
    assert (code, link.is_symlink()) == (0, True)
    assert images(target) == {"registry/ours:3"}


def test_nothing_but_a_file_of_its_own_is_written_over(capfd, config, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    text = Path(config()).read_text()
    for output, problem in [
        (str(pipe), "expected a file to write"),
        (config(), "is the configuration itself"),
    ]:
        code, _, err = sluice(capfd, config(), "-o", output)
        assert code == 2
        assert problem in err
    assert pipe.is_fifo()
    assert Path(config()).read_text() == text


@pytest.mark.parametrize("image", ["", " ", "a b", "{{$}}"])
def test_an_image_that_is_none_is_wrong_usage(capfd, config, tmp_path, image):
    code, _, err = sluice(capfd, config(), "-o", str(tmp_path / "p.yaml"), "--image", image)
    assert (code, (tmp_path / "p.yaml").exists()) == (2, False)
    assert "--image: expected a name" in err


@pytest.mark.parametrize("source", ["gs://b/a: b.csv", "a: b: c.csv", "rows [1].csv", "* x.csv"])
def test_a_source_that_is_no_plain_yaml_stays_what_it_is(capfd, config, tmp_path, source):
    out = tmp_path / "p.yaml"
    code, *_ = sluice(capfd, config(json.dumps(source)), "-o", str(out))
    assert code == 0
    spec = next(yaml.safe_load_all(out.read_text()))
    default = spec["root"]["inputDefinitions"]["parameters"]["source"]["defaultValue"]
    (found,) = [one] if isinstance(one := yaml.safe_load(default), str) else one
    assert found.endswith(source)


def test_each_place_that_is_only_in_the_container_is_warned_of(capfd, config, tmp_path):
    _, _, err = sluice(capfd, config(push="/elsewhere"), "-o", str(tmp_path / "p.yaml"))
    what = "is neither an address nor in a folder of kubeflow.volumes"
    assert err.splitlines() == [
        f"warning: data.source: {tmp_path}/rows.csv {what}: the image must hold it",
        f"warning: schema: {tmp_path}/schema.pbtxt {what}: the image must hold it",
        f"warning: push.to: /elsewhere {what}: what is pushed there is gone with the container",
    ]


def test_features_of_text_are_known_where_the_data_is_and_else_warned_of(capfd, config, tmp_path):
    out = tmp_path / "p.yaml"
    _, _, err = sluice(capfd, config(), "-o", str(out))
    assert "data.features" not in err
    inputs = next(yaml.safe_load_all(out.read_text()))["root"]["dag"]["tasks"]["Transform"]["inputs"]
    settings = json.loads(inputs["parameters"]["custom_config"]["runtimeValue"]["constant"])
    assert settings["texts"] == ["b"]
    _, _, err = sluice(capfd, config(source="/elsewhere/rows.csv"), "-o", str(out))
    assert "data.features: the data cannot be read from here" in err
    assert "every feature of text counts as a category" in err


def test_nothing_is_written_where_the_configuration_is_wrong_or_kfp_is_missing(
    capfd, config, tmp_path, monkeypatch
):
    out = tmp_path / "p.yaml"
    code, _, err = sluice(capfd, config(), "-o", str(out), "--set", "kubeflow.retries={Trianer: 2}")
    assert code == 2
    assert "kubeflow.retries, Trianer: no such step (did you mean Trainer?)" in err
    missing = tmp_path / "no" / "p.yaml"
    code, _, err = sluice(capfd, config(), "-o", str(missing))
    assert (code, f"there is no folder {missing.parent}" in err) == (2, True)

    real = builtins.__import__

    def without_kfp(name: str, *rest: object) -> object:
        if name == "kfp":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_kfp)
    code, _, err = sluice(capfd, config(), "-o", str(out))
    assert code == 2
    assert "kfp, the SDK of Kubeflow Pipelines, is not installed" in err
    assert not out.exists()
