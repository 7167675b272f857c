"""The dotted keys of a config: which there are, and which one a person meant."""

from __future__ import annotations

import dataclasses
import datetime
import difflib
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from merzmory.errors import ConfigError


def known(section: type) -> list[str]:
    """Every dotted key that a section and those inside it may hold."""
    return [key for key, is_section in _walk(section) if not is_section]


def lay_over(values: dict[str, Any], override: str) -> None:
    """Lay `a.b=value` over `values`, as TOML where it is TOML, else as text.

    Raises:
        ConfigError: there is no value, or no such place for it.
    """
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ConfigError(f"--set {override} has no value: write --set section.key=value.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    if isinstance(value, datetime.date | datetime.time):  # a folder named 2019-08-01
        value = text.strip()
    *sections, last = key.split(".")
    place = values
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section.")
    place[last] = value


def check(values: Mapping[str, Any], section: type) -> None:
    """Come back if all keys of `values` are known.

    Raises:
        ConfigError: one is not; the nearest known one is named.
    """
    sections = {key for key, is_section in _walk(section) if is_section}
    keys = known(section)
    for key in _dotted(values, sections):
        if key in keys:
            continue
        by_name = [k for k in keys if k.rsplit(".", 1)[-1] == key.rsplit(".", 1)[-1]]
        near = difflib.get_close_matches(key, by_name, n=1, cutoff=0.0)
        near = near or difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else "`merzmory config demo` lists the settings."
        raise ConfigError(f"There is no setting {key}: {hint}")


def _walk(section: type, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """(dotted key, whether it is a section) of all that lies below."""
    for name, kind in _fields(section):
        is_section = isinstance(kind, type) and (
            dataclasses.is_dataclass(kind) or issubclass(kind, BaseModel)
        )
        yield f"{prefix}{name}", is_section
        if is_section:
            yield from _walk(kind, f"{prefix}{name}.")


def _fields(section: type) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(section):
        hints = {f.name: f.type for f in dataclasses.fields(section)}
        yield from hints.items()
    elif isinstance(section, type) and issubclass(section, BaseModel):
        for name, field in section.model_fields.items():
            yield name, field.annotation


def _dotted(values: Mapping[str, Any], sections: set[str], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, sections, f"{key}.")
        elif key in sections:
            raise ConfigError(f"{key} is a section, not a value: write it as [{key}].")
        else:
            yield key
