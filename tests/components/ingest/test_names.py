"""Names of features that survive to the served model."""

import pytest

from components.ingest.names import argument_name, refuse_unusable
from pipeline.errors import DataRefused


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("light", "light"),
        ("CO2 (ppm)", "CO2__ppm_"),
        ("2nd", "f_2nd"),
        ("_x", "f__x"),
        ("ß", "f__"),
        ("größe", "gr__e"),
        ("x[0]", "x_0_"),
    ],
)
def test_a_name_becomes_an_argument_tensorflow_takes(feature, expected):
    assert argument_name(feature) == expected
    assert expected.isidentifier()
    refuse_unusable([feature])


def test_every_unusable_name_is_listed():
    with pytest.raises(DataRefused) as caught:
        refuse_unusable(["a b", "a.b", "", "examples", "fine"])
    assert len(caught.value.problems) == 3
