"""What a pickle or a torch file says, without running anything in it.

A pickle is a program for a small stack machine. This machine knows the opcodes up to protocol 5, and
where Python would import and call it only records: names outside a fixed list end the reading. Tensors
stay references into the file until they are asked for, checked against the bytes that are there.
"""

from __future__ import annotations

import io
import math
import pickletools
from collections.abc import Callable
from typing import Any, Final, Protocol, cast

import numpy as np
import torch

from merzmory.gan.config import EngineError
from merzmory.gan.unbuilt import Array, DType, Name, Storage, TensorView, Thing

MAX_OPCODES: Final = 2_000_000  # of a file; one with three networks of 1024 px has about 60,000
MAX_DIMENSIONS: Final = 8
TORCH_MAGIC: Final = 0x1950A86A20F9469CFC6C
TORCH_PROTOCOL: Final = 1001

DTYPES: Final = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Stream(Protocol):
    """Bytes read in order; never more than there are."""

    def read(self, n: int = ..., /) -> bytes: ...
    def readline(self) -> bytes: ...
    def tell(self) -> int: ...
    def seek(self, position: int, /) -> Any: ...


_PLAIN: Final = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
    | {"BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
)
_CONSTANTS: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_NUMPY = ("numpy.core.multiarray.", "numpy._core.multiarray.")
_NETWORK = "dnnlib.tflib.network.Network"
_SCRIPT = "__torch__."  # modules of TorchScript: their numbers are read, never their programs
_LOAD_BYTES = "torch.storage._load_from_bytes"
_OBJECTS = frozenset({_NETWORK, "argparse.Namespace"})
_DICTS = frozenset({"collections.OrderedDict", "dnnlib.util.EasyDict", "dnnlib.EasyDict"})


class Limit:
    """How much work a file may ask for; spent by opcodes and by copied items."""

    def __init__(self, total: int = MAX_OPCODES) -> None:
        self.left = total

    def spend(self, count: int = 1) -> None:
        self.left -= count
        if self.left < 0:
            raise ValueError("too much work")


def read_pickle(file: Stream, limit: Limit, persistent: Callable[[Any], Any] | None = None) -> Any:
    """The value of one pickle at the stream's position, which then is behind it.

    Plain values, dict for mappings, and `Thing`, `TensorView`, `Array` or `Name` for the rest;
    `persistent` resolves ids of things outside the pickle.

    Raises:
        EngineError: the pickle names something that a network does not need.
        ValueError, TypeError and others of `torch_files.DAMAGE`: damaged bytes.
    """
    stack: list[Any] = []
    marks: list[list[Any]] = []
    memo: dict[int, Any] = {}

    def to_mark() -> list[Any]:
        nonlocal stack
        items, stack = stack, marks.pop()
        return items

    for op, value_of_op, _ in pickletools.genops(file):  # type: ignore[arg-type]
        name, arg = op.name, cast(Any, value_of_op)
        limit.spend()
        if name in _PLAIN:
            stack.append(arg)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name]())
        elif name in ("BINGET", "GET", "LONG_BINGET"):
            stack.append(memo[arg])
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINPUT", "PUT", "LONG_BINPUT"):
            memo[arg] = stack[-1]
        elif name == "MARK":
            marks.append(stack)
            stack = []
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            n = int(name[-1])
            if len(stack) < n:
                raise IndexError("stack")
            stack[-n:] = [tuple(stack[-n:])]
        elif name == "TUPLE":
            items = to_mark()
            stack.append(tuple(items))
        elif name == "LIST":
            items = to_mark()
            stack.append(items)
        elif name == "DICT":
            items = to_mark()
            stack.append({})
            _set_items(stack[-1], items)
        elif name == "APPEND":
            value = stack.pop()
            _of(list, stack[-1]).append(value)
        elif name == "APPENDS":
            items = to_mark()
            _of(list, stack[-1]).extend(items)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            _set_items(stack[-1], [key, value])
        elif name == "SETITEMS":
            items = to_mark()
            _set_items(stack[-1], items)
        elif name in ("ADDITEMS", "FROZENSET"):
            items = to_mark()
            if name == "FROZENSET":
                stack.append(set())
            _of(set, stack[-1]).update(_key(k) for k in items)
        elif name == "GLOBAL":
            stack.append(_named(*arg.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_named(_of(str, module), _of(str, attribute)))
        elif name in ("REDUCE", "NEWOBJ"):
            args = _of(tuple, stack.pop())
            stack.append(_build(_of(Name, stack.pop()), args, limit))
        elif name == "BUILD":
            state = stack.pop()
            _set_state(stack[-1], state)
        elif name == "BINPERSID" and persistent is not None:
            stack.append(persistent(stack.pop()))
        elif name == "POP":
            stack.pop()
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME") or (name == "PROTO" and arg > 5):
            raise ValueError(f"opcode {name}")
    raise EOFError


def _of(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError("not the expected kind of value")
    return value


def _key(value: Any) -> Any:
    """A key that is hashed at once: text, or a small number."""
    if isinstance(value, int) and value.bit_length() > 64:
        raise ValueError("a key of many digits")
    return _of((str, int, float, bytes, type(None)), value)


def _set_items(target: Any, items: list[Any]) -> None:
    mapping = _of(dict, target)
    for key, value in zip(items[::2], items[1::2], strict=True):
        mapping[_key(key)] = value


def _named(module: str, name: str) -> Name:
    found = Name(module, name)
    if str(found) in _BUILDERS or str(found) in _INERT or module.startswith(_SCRIPT):
        return found
    raise EngineError(f"it asks for {str(found)[:80]!r}, which no network needs and is never run")


def _build(name: Name, args: tuple[Any, ...], limit: Limit) -> Any:
    if str(name) == _LOAD_BYTES:
        return _nested_storage(args[0], limit)
    if name.module.startswith(_SCRIPT):
        return Thing(str(name))
    builder = _BUILDERS.get(str(name))
    if builder is None:
        raise TypeError("not a constructor")
    if args and isinstance(args[0], (list, tuple)):
        limit.spend(len(args[0]))
    return builder(*args)


def _set_state(target: Any, state: Any) -> None:
    if isinstance(target, Thing):
        target.state = state
    elif isinstance(target, Array):
        _, shape, dtype, fortran, data = _of(tuple, state)
        target.shape, target.dtype = _sizes(shape), _of(DType, dtype)
        target.fortran, target.data = bool(fortran), _of((bytes, bytearray, str), data)
    elif isinstance(target, DType):
        target.order = _of(str, _of(tuple, state)[1])
    elif not isinstance(target, dict):  # attributes of a mapping are not needed
        raise TypeError("state of a plain value")


def _sizes(values: Any) -> tuple[int, ...]:
    sizes = tuple(_of(tuple, values) if not isinstance(values, list) else values)
    if len(sizes) > MAX_DIMENSIONS or not all(type(v) is int and 0 <= v < 1 << 40 for v in sizes):
        raise ValueError("sizes")
    return sizes


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> TensorView:
    view = TensorView(_of(Storage, storage), _of(int, offset), _sizes(size), _sizes(stride))
    if len(view.size) != len(view.stride) or view.offset < 0:
        raise ValueError("a tensor's size and stride")
    last = view.offset + sum((n - 1) * s for n, s in zip(view.size, view.stride, strict=True))
    count = math.prod(view.size)
    if count and (last >= view.storage.numel or count > view.storage.numel):
        raise ValueError("a tensor beyond its storage")
    return view


def _tensor_of_type(function: Any, _kind: Any, args: Any, _state: Any) -> Any:
    name = str(_of(Name, function))
    if name not in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"):
        raise ValueError("a tensor of an unknown kind")
    return _BUILDERS[name](*_of(tuple, args))


def _first(value: Any, *_rest: Any) -> Any:
    return value


def _mapping(pairs: Any = ()) -> dict[Any, Any]:
    result: dict[Any, Any] = {}
    _set_items(result, [part for pair in pairs for part in _of((list, tuple), pair)])
    return result


def _set(items: Any = ()) -> set[Any]:
    return {_key(item) for item in _of(list, items)} if items else set()


def _persistent_object(meta: Any) -> Thing:
    meta = _of(dict, meta)
    if meta["type"] != "class":
        raise ValueError("a persistent object that is no class")
    return Thing(_of(str, meta["class_name"]), _of(dict, meta["state"]))


def _scalar(dtype: Any, data: Any) -> Any:
    raw = _of((bytes, str), data)[:16]
    raw = raw.encode("latin-1") if isinstance(raw, str) else raw
    return np.frombuffer(raw, _of(DType, dtype).numpy(), count=1)[0].item()


def _array_from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    raw = _of((bytes, bytearray), data)
    return Array(_sizes(shape), _of(DType, dtype), order == "F", raw)


def _nested_storage(data: Any, limit: Limit) -> Storage:
    storage: Storage = _of(Storage, read_torch_stream(io.BytesIO(_of(bytes, data)), limit, data))
    return storage


_BUILDERS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_DICTS, _mapping),
    **{name: (lambda *_a, _n=name: Thing(_n)) for name in _OBJECTS},
    **{f"{module}.set": _set for module in ("builtins", "__builtin__")},
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._tensor._rebuild_from_type_v2": _tensor_of_type,
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent_object,
    "numpy.dtype": lambda code, *_rest: DType(_of(str, code)),
    **{f"{module}scalar": _scalar for module in _NUMPY},
    **{f"{module}_reconstruct": (lambda *_a: Array()) for module in _NUMPY},
    "numpy.core.numeric._frombuffer": _array_from_buffer,
    "numpy._core.numeric._frombuffer": _array_from_buffer,
}
_INERT = frozenset(
    {f"torch.{name}" for name in DTYPES}
    | {_LOAD_BYTES, "numpy.ndarray", "torch.Tensor", "torch.nn.parameter.Parameter"}
)


def storage_of(key: Any) -> tuple[str, Storage]:
    """(key, storage without bytes) of torch's ("storage", kind, key, location, numel, ...)."""
    kind, dtype, name, _location, numel, *_view = _of(tuple, key)
    if kind != "storage" or _of(int, numel) < 0:
        raise ValueError("not a storage")
    return _of(str, name), Storage(DTYPES[_of(Name, dtype).name], numel)


def read_torch_stream(file: Stream, limit: Limit, data: bytes | None = None) -> Any:
    """The value of torch's format before 1.6: header, value, keys, then each storage's numbers.

    `data`, the stream's own bytes where they are in memory already, are not copied. Raises as
    `read_pickle`.
    """
    if read_pickle(file, limit) != TORCH_MAGIC or read_pickle(file, limit) != TORCH_PROTOCOL:
        raise ValueError("not a torch file")
    if _of(dict, read_pickle(file, limit)).get("little_endian") is not True:
        raise ValueError("big endian")
    storages: dict[str, Storage] = {}

    def persistent(key: Any) -> Storage:
        name, storage = storage_of(key)
        return storages.setdefault(name, storage)

    value = read_pickle(file, limit, persistent)
    for key in _of(list, read_pickle(file, limit)):
        limit.spend()
        storage = storages[_of(str, key)]
        if int.from_bytes(file.read(8), "little") != storage.numel:
            raise ValueError("a storage of another size")
        start, count = file.tell(), storage.numel * storage.dtype.itemsize
        if data is None:
            view = memoryview(file.read(count))
        else:
            view = memoryview(data)[start : start + count]
            file.seek(start + count)
        storage.read = lambda view=view: view
    return value
