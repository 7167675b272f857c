"""Waiting as a saved state: when a service asks us to wait, nobody sleeps, a file remembers.

    waiting.json   {"format", "until", "why", "refusals": [times], "stopped": sentence or null}

It lies beside the downloads of a service and holds for all of them. A second refusal within a day
means half a day of patience, so that an account is asked no more than two or three times a day.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from merzmory.errors import ArchiveError, WaitingError
from merzmory.manifest import write_aside

FIRST = datetime.timedelta(minutes=31)  # instaloader waits 30 min 18 s at most for one query
AGAIN = datetime.timedelta(hours=12)
_DAY = datetime.timedelta(days=1)


class Waiting:
    """What a service said about waiting, in a file."""

    def __init__(self, path: Path, service: str) -> None:
        self.path, self.service = path, service

    def check(self, *, asked: bool = False) -> None:
        """Come back if the service may be asked now; `asked`: a person took up what was stopped.

        Raises:
            WaitingError: its time has not come.
            ArchiveError: it was stopped, and no person has taken it up.
        """
        known = self._read()
        until = _time(known.get("until"))
        if until is not None and until > now():
            raise self._sentence(until, str(known.get("why", "")))
        if known.get("stopped"):
            if not asked:
                raise ArchiveError(str(known["stopped"]))
            self._write({**known, "stopped": None})

    def refused(self, why: str) -> WaitingError:
        """Note that the service refused; what to raise."""
        known = self._read()
        times = [_time(text) for text in known.get("refusals", [])]
        recent = [time for time in times if time is not None and time > now() - _DAY]
        until = now() + (AGAIN if recent else FIRST)
        self._write(
            {
                "until": until.isoformat(timespec="seconds"),
                "why": why,
                "refusals": [time.isoformat(timespec="seconds") for time in [*recent, now()]],
            }
        )
        return self._sentence(until, why)

    def pause(self, seconds: float, why: str) -> WaitingError:
        """Note that nothing may be asked for `seconds`, without a refusal; what to raise."""
        until = now() + datetime.timedelta(seconds=seconds)
        said = {"until": until.isoformat(timespec="seconds"), "why": why}
        self._write({**self._read(), **said})
        return self._sentence(until, why)

    def stop(self, sentence: str) -> ArchiveError:
        """Note that only a person can take it up again; what to raise."""
        self._write({**self._read(), "until": None, "stopped": sentence})
        return ArchiveError(sentence)

    def _sentence(self, until: datetime.datetime, why: str) -> WaitingError:
        return WaitingError(
            f"{self.service} asked us to wait until {clock(until)} ({why}): the same command goes "
            "on then, and what was fetched is kept.",
            until,
        )

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return {}

    def _write(self, said: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(self.path, json.dumps({**said, "format": 1}, indent=1).encode())


def now() -> datetime.datetime:
    """The time, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def clock(until: datetime.datetime) -> str:
    """A time as the person's clock shows it: 10:42, with the date where it is not today's."""
    here = until.astimezone()
    today = now().astimezone().date() == here.date()
    return f"{here:%H:%M}" if today else f"{here:%H:%M} on {here:%Y-%m-%d}"


def _time(text: object) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
