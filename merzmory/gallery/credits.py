"""Whose photographs the machine learned from, where they are other people's, as licences ask."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_CC = re.compile(r"CC ([A-Z-]+) (\d\.\d)")
_PUBLIC = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "Public Domain Mark 1.0": "https://creativecommons.org/publicdomain/mark/1.0/",
}


@dataclass(frozen=True, slots=True)
class Credit:
    """A photograph under a licence. Addresses are "" where there is none."""

    title: str
    url: str
    licence: str
    licence_url: str


@dataclass(frozen=True, slots=True)
class Credits:
    """Photographs by owner, both by name."""

    owners: tuple[tuple[str, tuple[Credit, ...]], ...]

    @property
    def count(self) -> int:
        """How many photographs they are."""
        return sum(len(credits) for _, credits in self.owners)

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences' names."""
        return tuple(sorted({credit.licence for _, credits in self.owners for credit in credits}))


def credits_of(lines: Iterable[Mapping[str, Any]]) -> Credits | None:
    """The credits of a dataset's lines ("credit": owner, title, licence, url); None without any."""
    owners: dict[str, dict[str, Credit]] = {}  # a photograph may give several squares
    for line in lines:
        said = line.get("credit")
        if said:
            licence, url = str(said["licence"]), _link(said["url"])
            credit = Credit(str(said["title"]) or "Untitled", url, licence, _deed(licence))
            owners.setdefault(str(said["owner"]), {})[str(line.get("photo") or url)] = credit
    if not owners:
        return None
    return Credits(
        tuple(
            (owner, tuple(sorted(credits.values(), key=lambda c: (c.title.casefold(), c.url))))
            for owner, credits in sorted(owners.items(), key=lambda item: item[0].casefold())
        )
    )


def _deed(licence: str) -> str:
    """Where a licence can be read."""
    found = _CC.fullmatch(licence)
    if found:
        return f"https://creativecommons.org/licenses/{found[1].lower()}/{found[2]}/"
    return _PUBLIC.get(licence, "")


def _link(url: object) -> str:
    """An address that a page may lead to."""
    return str(url) if str(url).startswith("https://") else ""
