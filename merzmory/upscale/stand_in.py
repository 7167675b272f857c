"""A stand-in for torchvision, for packages that import it and do not need it to enlarge.

`torchvision` for another build of torch breaks at its import, and `realesrgan` 0.3.0 asks for
`torchvision.transforms.functional_tensor`, which is gone since torchvision 0.17. Inside
`torchvision()` every missing name of it can be imported; what is taken from the stand-in raises
when it is used.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from merzmory.errors import ConfigError

_NAME = "torchvision"


@contextmanager
def torchvision() -> Iterator[None]:
    """While this is open, `torchvision` and all below it can be imported; then the stand-in is gone.

    One that works is used; beside it only missing modules are stood in for.
    """
    finder = _Finder()
    if _works():
        sys.meta_path.append(finder)
    else:  # what is half imported goes
        _forget(ModuleType)
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _forget(_StandIn)


class _StandIn(ModuleType):
    """A module that has every name."""

    __path__: MutableSequence[str] = []  # noqa: RUF012 - a package, of which nothing is on the disk
    __version__ = "0"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {"__init__": _refuse})  # a class: others derive from it


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Any:
        mine = fullname == _NAME or fullname.startswith(_NAME + ".")
        return ModuleSpec(fullname, self, is_package=True) if mine else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _refuse(self: object, *_args: object, **_kwargs: object) -> None:
    raise ConfigError(
        f"This network needs {type(self).__name__} of torchvision, which does not work here: "
        "choose --set upscale.engine=native."
    )


def _works() -> bool:
    try:
        importlib.import_module(_NAME)
    except Exception:  # noqa: BLE001 - a broken one raises RuntimeError, OSError or ImportError
        return False
    return True


def _forget(kind: type[ModuleType]) -> None:
    for name, module in list(sys.modules.items()):
        if (name == _NAME or name.startswith(_NAME + ".")) and isinstance(module, kind):
            del sys.modules[name]
