"""The section `kubeflow` of the configuration: how `sluice compile` makes the pipeline."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from pipeline.config_values import STRICT, Duration

_BINARY = {f"{prefix}i": 1024 ** (at + 1) for at, prefix in enumerate("KMGTPE")}
_BYTES: dict[str, int] = {
    "": 1,
    **_BINARY,
    **{prefix: 1000 ** (at + 1) for at, prefix in enumerate("kMGTPE")},
}


def _amount(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _cpu(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?|[0-9]{1,9}m", text) or not float(text.removesuffix("m")):
        raise ValueError("expected a number of cores, such as 2, 0.5 or 500m")
    return text


def _memory(text: str) -> str:
    found = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]+)?)([a-zA-Z]*)", text)
    if not found or found[2] not in _BYTES or not float(found[1]):
        raise ValueError("expected an amount of memory, such as 16G or 512Mi")
    return text


IMAGE = r"[^\s{}]+"  # braces stand for values that Kubeflow puts in
_Amount = Annotated[str, BeforeValidator(_amount, json_schema_input_type=float | str)]


def _named(pattern: str, expected: str) -> AfterValidator:
    """Refuses text that a pattern does not match, in words."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


_EnvironmentName = Annotated[str, _named("[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")]
_KubernetesName = Annotated[
    str, _named("[a-z0-9]([a-z0-9.-]*[a-z0-9])?", "a name of Kubernetes: lower-case letters, digits, - and .")
]
_Image = Annotated[str, _named(IMAGE, "the name of an image")]
_Folder = Annotated[
    str, _named("/[A-Za-z0-9._/-]*[A-Za-z0-9._-]", "a folder that begins with /, and does not end with it")
]


class _Section(BaseModel):
    model_config = STRICT


class Resources(_Section):
    """What a step may use, and is given, in the units of Kubernetes."""

    cpu: Annotated[
        Annotated[_Amount, AfterValidator(_cpu)] | None, Field(description="cores, such as 2 or 500m")
    ] = None
    memory: Annotated[
        Annotated[_Amount, AfterValidator(_memory)] | None, Field(description="such as 16G or 512Mi")
    ] = None
    gpu: Annotated[int, Field(ge=0, le=1000, description="how many")] = 0
    gpu_type: Annotated[str, Field(min_length=1, description="name of the resource")] = "nvidia.com/gpu"

    @property
    def cores(self) -> float | None:
        """Cores; None where they are not limited."""
        if self.cpu is None:
            return None
        return float(self.cpu[:-1]) / 1000 if self.cpu.endswith("m") else float(self.cpu)

    @property
    def gigabytes(self) -> float | None:
        """Memory in 10^9 bytes; None where it is not limited."""
        if self.memory is None:
            return None
        number = self.memory.rstrip("kKMGTPEi")

        return float(number) * _BYTES[self.memory.removeprefix(number)] / _BYTES["G"]


class Retry(_Section):
    """How often a step that failed is started again."""

    times: Annotated[int, Field(ge=0, le=1000)]
    backoff: Annotated[
        Duration,
        Field(description="before the first time; twice as long before each one after it"),
    ] = "30s"


class SecretKey(_Section):
    """One value of a Kubernetes secret, by its name."""

    name: Annotated[_KubernetesName, Field(description="of the secret, in the namespace of the runs")]
    key: Annotated[str, Field(min_length=1, description="of the value in it")]


DEFAULT = "default"  # what holds for a step that is not named


def _for_all(value: Any) -> Any:
    return value if isinstance(value, dict) else {DEFAULT: value}


def _as_retry(value: Any) -> Any:
    return {"times": value} if isinstance(value, int | float) else value


class Kubeflow(_Section):
    """How `sluice compile` makes the pipeline for Kubeflow Pipelines; steps by name, or `default`."""

    image: Annotated[_Image | None, Field(description="of every step; default: sluice:<version>")] = None
    root: Annotated[
        str | None, Field(description="where artifacts go, such as gs://bucket/root; default: Kubeflow's own")
    ] = None
    resources: Annotated[
        dict[str, Resources],
        Field(description="step: {cpu, memory, gpu}; what a step does not name is that of `default`"),
    ] = {}
    retries: Annotated[
        dict[str, Annotated[Retry, BeforeValidator(_as_retry, json_schema_input_type=int | Retry)]],
        BeforeValidator(_for_all, json_schema_input_type=int | dict[str, int | Retry]),
        Field(description="for all steps but the gates, or step: number or {times, backoff}"),
    ] = {}
    cache: Annotated[
        dict[str, bool],
        BeforeValidator(_for_all, json_schema_input_type=bool | dict[str, bool]),
        Field(description="whether an earlier result is taken; of Ingest only where it is named"),
    ] = {}
    secrets: Annotated[
        dict[_EnvironmentName, SecretKey],
        Field(description="environment variable: {name, key} of a Kubernetes secret"),
    ] = {}
    volumes: Annotated[
        dict[_KubernetesName, _Folder],
        Field(description="persistent volume claim: folder where every step finds it"),
    ] = {}

    def resources_of(self, step: str) -> Resources:
        """What a step may use."""
        default, own = (self.resources.get(name, Resources()) for name in (DEFAULT, step))
        return default.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})

    def retry_of(self, step: str, *, gate: bool) -> Retry:
        """How often a step is started again; a gate that refuses would refuse again."""
        none = Retry(times=0)
        return self.retries.get(step, none if gate else self.retries.get(DEFAULT, none))

    def caches(self, step: str, *, by_default: bool) -> bool:
        """Whether an earlier result of a step may be taken."""
        return self.cache.get(step, by_default and self.cache.get(DEFAULT, True))
