"""Arrays of every type go into the C++ loader and come out as they were."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.loader.errors import DEADLINE_EXCEEDED, FAILED_PRECONDITION, INVALID, NOT_FOUND, ServingError
from serving.loader.model import Model
from tests.serving.conftest import save_model

NUMBERS = {
    "float": np.float32, "double": np.float64, "int32": np.int32, "int64": np.int64, "int16": np.int16,
    "int8": np.int8, "uint8": np.uint8, "uint32": np.uint32, "uint64": np.uint64, "bool": np.bool_,
}  # fmt: skip


@pytest.fixture(scope="module")
def loaded(model):
    one = Model(model)
    yield one
    one.close()


def extremes(kind) -> np.ndarray:
    if kind is np.bool_:
        return np.array([True, False, True])
    if np.issubdtype(kind, np.integer):
        return np.array([np.iinfo(kind).min, 0, np.iinfo(kind).max], kind)
    return np.array([np.finfo(kind).max, -0.0, np.finfo(kind).tiny, np.nan, -np.inf], kind)


@pytest.mark.parametrize(("name", "kind"), NUMBERS.items())
@pytest.mark.parametrize("form", ["vector", "matrix", "scalar", "empty", "empty rows", "strided"])
def test_numbers_of_every_type_and_shape_come_back(loaded, name, kind, form):
    values = extremes(kind)
    array = {
        "vector": values,
        "matrix": np.stack([values, values[::-1]]),
        "scalar": values[0],
        "empty": values[:0],
        "empty rows": np.empty((2, 0, 3), kind),
        "strided": np.stack([values, values])[:, ::2].T,
    }[form]
    found = loaded.run(f"same_{name}", {"x": np.asarray(array)})["y"]
    assert found.dtype == kind
    np.testing.assert_array_equal(found, array)
    assert found.shape == np.shape(array)


TEXTS = {
    "empty": b"", "short": b"a", "22 bytes": b"x" * 22, "23 bytes": b"x" * 23, "24 bytes": b"x" * 24,
    "zeros": b"\0a\0", "a megabyte": bytes(range(256)) * 4096, "no UTF-8": b"\xff\xfe\x80",
    "beyond ASCII": "Ünder €".encode(),
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_texts_of_every_length_come_back(loaded, text):
    for array in (np.array([[text, b"between"], [b"", text]], object), np.array(text, object)):
        found = loaded.run("same_text", {"x": array})["y"]
        assert found.shape == array.shape
        assert found.ravel().tolist() == array.ravel().tolist()


def test_str_is_sent_as_utf8(loaded):
    assert loaded.run("same_text", {"x": np.array(["Ü", "b"])})["y"].tolist() == ["Ü".encode(), b"b"]


def test_no_text_at_all_comes_back(loaded):
    assert loaded.run("same_text", {"x": np.empty((0, 2), object)})["y"].shape == (0, 2)


@pytest.mark.parametrize("value", [3, None, 1.5, [b"a"]])
def test_what_is_no_text_among_texts_is_refused(loaded, value):
    array = np.empty(2, object)
    array[0], array[1] = b"a", value
    with pytest.raises(ServingError, match=r"x: expected bytes or str, got"):
        loaded.run("same_text", {"x": array})


def test_a_type_without_a_tensor_is_refused(loaded):
    with pytest.raises(ServingError, match="no tensor can hold NumPy's complex128"):
        loaded.run("same_float", {"x": np.array([1j])})


X, TEXT = np.ones((1, 1), np.float32), np.array(["a"], object)


@pytest.mark.parametrize(
    ("signature", "inputs", "code", "said"),
    [
        ("none", {}, FAILED_PRECONDITION, 'Serving signature key "none" not found.'),
        ("serving_default", {}, INVALID, r"does not match signature: 0!=1 len\({}\) != len\({x}\)"),
        ("serving_default", {"x": X, "z": X}, INVALID, "Sent extra: {z}. Missing but required: {}."),
        ("serving_default", {"z": X}, INVALID, r"Signature input alias: x\(feed name: .*{z}"),
        ("serving_default", {"x": TEXT}, INVALID, "to be float but string is provided"),
    ],
)
def test_what_does_not_fit_is_refused_and_the_next_request_is_answered(loaded, signature, inputs, code, said):
    with pytest.raises(ServingError, match=said) as refused:
        loaded.run(signature, inputs)
    assert refused.value.code == code
    assert loaded.run("serving_default", {"x": X})["y"].tolist() == [[2.0]]


def test_only_the_outputs_asked_for_are_computed(loaded):
    inputs = {"number": np.ones((1, 2), np.float32), "text": np.array([b"a"], object)}
    assert list(loaded.run("several", inputs, ["sum"])) == ["sum"]


def test_what_takes_longer_than_its_time_is_stopped(loaded):
    with pytest.raises(ServingError) as stopped:
        loaded.run("slow", {"steps": np.int32(100_000_000)}, timeout_s=0.3)
    assert stopped.value.code == DEADLINE_EXCEEDED
    assert loaded.run("slow", {"steps": np.int32(1)}, timeout_s=200.0)["y"].shape == (64,)


def test_threads_get_their_own_answers(loaded):
    def ask(number: int) -> bool:
        texts = np.array([str(number).encode() * 30] * 5, object)
        x = np.full((3, 4), number, np.float32)
        return (loaded.run("serving_default", {"x": x})["y"] == 2 * x).all() and (
            loaded.run("same_text", {"x": texts})["y"] == texts
        ).all()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(400)))


def test_a_folder_without_a_model_is_not_found(tmp_path):
    with pytest.raises(ServingError, match="SavedModel") as refused:
        Model(tmp_path)
    assert refused.value.code == NOT_FOUND


def test_a_model_without_the_tags_is_not_found(model):
    with pytest.raises(ServingError, match="nothing") as refused:
        Model(model, ("nothing",))
    assert refused.value.code == NOT_FOUND


def test_a_half_file_is_refused(tmp_path):
    folder = save_model(tmp_path / "model")
    file = folder / "saved_model.pb"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ServingError):
        Model(folder)


def test_closing_twice_is_as_closing_once(model):
    one = Model(model)
    one.close()
    one.close()


def test_models_can_be_loaded_and_closed_side_by_side(model):
    def cycle() -> None:
        one = Model(model)
        assert one.run("serving_default", {"x": np.ones((1, 1), np.float32)})["y"].item() == 2.0
        one.close()

    threads = [threading.Thread(target=cycle) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
