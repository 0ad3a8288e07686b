"""Save and load: a state dict, or a nest of dicts and lists with arrays in it, as .npz or .safetensors.

The arrays lie in the file by name, where any program finds them. Where there is more than a flat dict of
arrays (an optimizer's state, the number of the epoch), its structure is kept beside them as JSON. Nothing
is ever pickled, so that a file from a stranger can be loaded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from tinygrad_lite.tensor import Tensor, to_array, wrap

__all__ = ["load", "save"]

STRUCTURE = "__structure__"
"""The name under which a file holds the JSON of what is not a flat dict of arrays."""

ARRAY = "array"
"""The key that marks, in that JSON, the place of an array: {"array": name}."""


def save(state: Mapping[Any, Any], path: str | os.PathLike) -> None:
    """Write a dict of arrays and Tensors to a file, whole or not at all.

    state  a dict; its values are Tensors, arrays, numbers, strings, booleans, None, or dicts, lists and tuples of
           them: a module's or an optimizer's state dict, or {'model': ..., 'optimizer': ..., 'epoch': 3}
    path   ends in .npz, or in .safetensors (needs `pip install tinygrad_lite[examples]`)

    What stands in several places, as the weights that layers share, is written once, and is one Tensor again when
    loaded. A file that was there before is replaced only when the new one is complete and on the disk.
    Raises ValueError for another suffix, TypeError for what can't be saved (named by its place), OSError
    where the folder is missing or full.

    >>> import tempfile
    >>> from pathlib import Path
    >>> import tinygrad_lite as tl
    >>> from tinygrad_lite.io import load, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "weights.npz")
    ...     save({"weight": tl.ones(2), "epoch": 3}, path)
    ...     load(path)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    path = Path(os.path.realpath(path))
    write = _format(path, "save")[0]
    if not isinstance(state, Mapping):
        raise TypeError(f"save: needs a dict of arrays, such as model.state_dict(), got {type(state).__name__}")
    found: dict[str, np.ndarray] = {}
    structure = _taken_apart(state, "", found, {})
    arrays = {name: np.asarray(_native(array), order="C") for name, array in found.items()}
    flat = all(content == {ARRAY: key} for key, content in structure["dict"])
    if not path.parent.is_dir():
        raise FileNotFoundError(f"save: there is no folder {path.parent}")
    if path.is_dir():
        raise IsADirectoryError(f"save: {path} is a folder")
    with replacing(path) as file:
        write(file, arrays, None if flat else structure)


def load(path: str | os.PathLike) -> dict[Any, Any]:
    """What `save` wrote to `path`; arrays come as Tensors. Reads any .npz and .safetensors of numeric arrays.

    Raises FileNotFoundError where there is no file, ValueError for another suffix and for a file that is damaged
    or holds what is not numeric.
    """
    path = Path(path)
    read = _format(path, "load")[1]
    if not path.is_file():
        raise FileNotFoundError(f"load: there is no file {path}")
    try:
        arrays, structure = read(path)
        tensors = {name: _loaded(name, array) for name, array in arrays.items()}
        return tensors if structure is None else _put_together(structure, tensors)
    except (ModuleNotFoundError, PermissionError):
        raise
    except TypeError as error:
        raise ValueError(f"load: {path}: {error}") from error
    except Exception as error:
        raise ValueError(f"load: {path} can't be read ({type(error).__name__}: {error}); is it damaged?") from error


def _format(path: Path, asked_by: str) -> tuple[Callable, Callable]:
    formats = {".npz": (_write_npz, _read_npz), ".safetensors": (_write_safetensors, _read_safetensors)}
    if path.suffix not in formats:
        raise ValueError(f"{asked_by}: {path} must end in {' or '.join(formats)}; nothing is pickled")
    return formats[path.suffix]


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside `path` that takes its place when it is complete, and is gone if anything fails."""
    import uuid

    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with open(beside, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the new name is on the disk when its folder is
        folder = os.open(path.parent, os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


# ------------------------------------------------------------------------------------ structure


def _taken_apart(value: Any, place: str, arrays: dict[str, np.ndarray], known: dict[Any, str]) -> Any:
    """`value` as JSON, its arrays put into `arrays` under names made of the keys on the way.

    known: from the memory of each array in `arrays` to its name.
    """
    if isinstance(value, Mapping):
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(f"save: {place or 'the dict'} has the key {key!r}; keys are strings or integers")
        before = f"{place}." if place else ""
        return {"dict": [[key, _taken_apart(v, f"{before}{key}", arrays, known)] for key, v in value.items()]}
    if isinstance(value, (list, tuple)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_taken_apart(v, f"{place}.{k}", arrays, known) for k, v in enumerate(value)]}
    if isinstance(value, np.generic) and value.dtype.kind in "fiub":
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (Tensor, np.ndarray)) or hasattr(value, "__array__"):
        return {ARRAY: _stored(value, place, arrays, known)}
    raise TypeError(
        f"save: {place} is a {type(value).__name__}; Tensors, arrays, numbers, strings, None, and dicts, lists and "
        "tuples of them can be saved"
    )


def _stored(value: Any, place: str, arrays: dict[str, np.ndarray], known: dict[Any, str]) -> str:
    """Put an array into `arrays`, unless it is there, and return its name."""
    try:
        array = to_array(np.asarray(value.detach() if hasattr(value, "detach") else value))
    except Exception as error:
        raise TypeError(f"save: {place} is a {type(value).__name__} that can't be saved: {error}") from error
    memory = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype) if array.size else None
    if memory in known:
        return known[memory]
    name = "".join(c if c.isprintable() else "_" for c in place)
    while name in arrays or name == STRUCTURE:
        name += "_"
    arrays[name] = array  # which keeps its memory from being given to another array on the way
    if memory is not None:
        known[memory] = name
    return name


def _put_together(structure: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `_taken_apart`."""
    if not isinstance(structure, dict):
        return structure
    [(kind, content)] = structure.items()
    if kind == ARRAY:
        return tensors[content]
    if kind == "dict":
        return {key: _put_together(v, tensors) for key, v in content}
    values = [_put_together(v, tensors) for v in content]
    return values if kind == "list" else tuple(values)


def _loaded(name: str, array: np.ndarray) -> Tensor:
    """An array from a file as a Tensor on memory of its own."""
    try:
        return wrap(np.require(to_array(_native(array)), requirements=["W"]))
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error


def _native(array: np.ndarray) -> np.ndarray:
    """In the byte order of this machine."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


# -------------------------------------------------------------------------------------- formats


def _write_npz(file: IO[bytes], arrays: dict[str, np.ndarray], structure: Any) -> None:
    """What np.savez writes, for any names."""
    import json
    import zipfile

    if structure is not None:
        arrays = {**arrays, STRUCTURE: np.array(json.dumps(structure))}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _read_npz(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    import json
    import zipfile

    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as member:
                try:
                    arrays[info.filename.removesuffix(".npy")] = np.lib.format.read_array(member, allow_pickle=False)
                except ValueError as error:
                    raise ValueError(f"{info.filename}: {error}") from error
                if member.read(1):  # reading to the end is what checks the sum
                    raise ValueError(f"{info.filename}: longer than its array")
    structure = arrays.pop(STRUCTURE, None)
    return arrays, None if structure is None else json.loads(str(structure))


def _safetensors(asked_by: str) -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{asked_by}: .safetensors files need the package safetensors: pip install tinygrad_lite[examples]. "
            "A .npz file needs NumPy alone."
        ) from None
    return safetensors


def _write_safetensors(file: IO[bytes], arrays: dict[str, np.ndarray], structure: Any) -> None:
    import json

    notes = None if structure is None else {STRUCTURE: json.dumps(structure)}
    file.write(_safetensors("save").numpy.save(arrays, metadata=notes))


def _read_safetensors(path: Path) -> tuple[dict[str, np.ndarray], Any]:
    import json

    with _safetensors("load").safe_open(path, framework="numpy") as file:
        structure = (file.metadata() or {}).get(STRUCTURE)
        arrays = {}
        for name in file.keys():  # noqa: SIM118
            kind = file.get_slice(name).get_dtype()
            if kind not in ("F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"):
                raise TypeError(
                    f"{name} is {kind}, which NumPy has no dtype for; convert it to float32 where it was made"
                )
            arrays[name] = file.get_tensor(name)
    return arrays, None if structure is None else json.loads(structure)
