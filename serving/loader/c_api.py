"""TensorFlow's C API, as far as it is used here: tensorflow/c/c_api.h."""

import ctypes
import functools
import importlib.util
from pathlib import Path
from typing import Any

from serving.loader.errors import NOT_FOUND, ServingError


class Buffer(ctypes.Structure):
    """A TF_Buffer."""

    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_size_t), ("deallocator", ctypes.c_void_p))


class Output(ctypes.Structure):
    """A TF_Output: one of the tensors that an operation makes."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class Status:
    """A TF_Status that raises what it holds when it is left."""

    def __enter__(self) -> Any:
        self._status = api().TF_NewStatus()
        return self._status

    def __exit__(self, kind: object, *_: object) -> None:
        library = api()
        code, message = (
            library.TF_GetCode(self._status),
            library.TF_Message(self._status).decode(errors="replace"),
        )
        library.TF_DeleteStatus(self._status)
        if code and kind is None:
            raise ServingError(code, message)


@functools.cache
def api() -> ctypes.CDLL:
    """The library, loaded once.

    Raises:
      ServingError: tensorflow is not installed.
    """
    return _declared(ctypes.CDLL(str(_library())))


def _library() -> Path:
    spec = importlib.util.find_spec("tensorflow")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for name in ("libtensorflow_cc.so.2", "libtensorflow_cc.2.dylib"):
        for folder in folders:
            if (place := Path(folder, name)).is_file():
                return place
    raise ServingError(
        NOT_FOUND, f"no libtensorflow_cc in {', '.join(folders) or 'any folder'}; install tensorflow"
    )


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    several, size = ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t
    outputs = ctypes.POINTER(Output)
    functions: dict[str, tuple[Any, list[Any]]] = {
        "TF_Version": (text, []),
        "TF_NewStatus": (pointer, []),
        "TF_DeleteStatus": (None, [pointer]),
        "TF_GetCode": (number, [pointer]),
        "TF_Message": (text, [pointer]),
        "TF_NewBuffer": (ctypes.POINTER(Buffer), []),
        "TF_NewBufferFromString": (ctypes.POINTER(Buffer), [text, size]),
        "TF_DeleteBuffer": (None, [ctypes.POINTER(Buffer)]),
        "TF_GetAllOpList": (ctypes.POINTER(Buffer), []),
        "TF_NewGraph": (pointer, []),
        "TF_DeleteGraph": (None, [pointer]),
        "TF_NewSessionOptions": (pointer, []),
        "TF_DeleteSessionOptions": (None, [pointer]),
        "TF_LoadSessionFromSavedModel": (
            pointer,
            [pointer, pointer, text, ctypes.POINTER(text), number, pointer, ctypes.POINTER(Buffer), pointer],
        ),
        "TF_DeleteSession": (None, [pointer, pointer]),
        "TF_GraphOperationByName": (pointer, [pointer, text]),
        "TF_SessionRun": (
            None,
            [pointer, pointer, outputs, several, number, outputs, several, number, several, number, pointer,
             pointer],
        ),
        "TF_AllocateTensor": (pointer, [number, ctypes.POINTER(ctypes.c_int64), number, size]),
        "TF_DeleteTensor": (None, [pointer]),
        "TF_TensorType": (number, [pointer]),
        "TF_NumDims": (number, [pointer]),
        "TF_Dim": (ctypes.c_int64, [pointer, number]),
        "TF_TensorByteSize": (size, [pointer]),
        "TF_TensorData": (pointer, [pointer]),
    }  # fmt: skip
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
