"""When an undated photograph was taken, by the words that people and cameras put into names.

A guess, and marked as one: never from a file's time, never in the future, never before the first
photograph there is.
"""

from __future__ import annotations

import datetime
import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_FIRST = datetime.date(1826, 1, 1)  # the oldest photograph
_YEAR = r"(1[89][0-9][0-9]|20[0-9][0-9])"
_HAS_A_YEAR = re.compile(_YEAR)
_CLOCK = r"([01][0-9]|2[0-3])[-_.:h]?([0-5][0-9])[-_.:m]?([0-5][0-9])"
_ALONE = r"(?<![^\W_])", r"(?![^\W_])"  # no letter or digit beside it
_DAY_FIRST = r"([0-9]{1,2})(?:\.|st|nd|rd|th|er)?[ ._-]*(?:de )?"
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january januar jänner janvier enero jan",
            "february februar feber février fevrier febrero feb fév",
            "march märz maerz mars marzo mar mär",
            "april avril abril apr avr abr",
            "may mai mayo",
            "june juni juin junio jun",
            "july juli juillet julio jul juil",
            "august août aout agosto aug ago",
            "september septembre septiembre setiembre sep sept",
            "october oktober octobre octubre oct okt",
            "november novembre noviembre nov",
            "december dezember décembre decembre diciembre dec dez déc dic",
        ),
        1,
    )
    for name in names.split()
}
_MONTH = "(" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")(?![^\W0-9_])\.?"
# folders that are named by the day of a copy
_COPIES = re.compile(
    r"backup|export|download|import|copy|kopie|copia|sicherung|sauvegarde|respaldo|takeout|scan"
)
_COUNTED = re.compile(  # what cameras and scanners call their files
    r"(?:[a-z]?img|image|dsc[a-z]?|dcp|dc|pict|picture|photo|foto|bild|scan|scn|cimg|sam|gopr|mvi|hpim"
    r"|kif|p|mg|file)?[ _-]*[a-z]?[0-9]+(?:[ _-]*[(][0-9]+[)])?"
)


class Guess(NamedTuple):
    """An ISO 8601 year, month, day or time, and the name it was read from."""

    taken: str
    taken_from: str  # file name or folder name


def guess(file: str, folders: Sequence[str], today: datetime.date | None = None) -> Guess | None:
    """What the name of a file says, or else its folders', the innermost last; None if they do not.

    A year alone counts in a file's name only beside words: IMG_1962 is a counter.
    """
    today = today or datetime.date.today()
    stem = file.rpartition(".")[0] or file
    found = _read(stem, today)
    if found and (len(found) > len("1962") or not _COUNTED.fullmatch(_plain(stem))):
        return Guess(found, "file name")
    for folder in reversed(folders):
        if found := _of_folder(folder, today):
            return Guess(found, "folder name")
    return None


@functools.lru_cache(maxsize=4096)
def _of_folder(folder: str, today: datetime.date) -> str | None:
    return None if _COPIES.search(_plain(folder)) else _read(folder, today)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).lower()


def _read(name: str, today: datetime.date) -> str | None:
    """The first date in a name, the most exact way of writing first; None where years differ."""
    text = _plain(name)
    if not _HAS_A_YEAR.search(text):
        return None
    for way in (_days, _numbers, _words, _months):
        for found in way(text):
            if _is_possible(found, today):
                return found
    years = {y for y in re.findall(_ALONE[0] + _YEAR + _ALONE[1], text) if _is_possible(y, today)}
    return years.pop() if len(years) == 1 else None


def _days(text: str) -> Iterator[str]:
    """20190704_101112, 2019-07-04 at 10.11.12, IMG-20190704-WA0001."""
    clock = rf"(?:[-_ t.]*(?:at )?{_CLOCK}(?=[0-9]{{0,3}}(?![0-9])))?"
    for found in re.finditer(
        rf"(?<![0-9]){_YEAR}([-_. ]?)([0-9][0-9])\2([0-9][0-9])(?:{clock})(?![0-9]{{4}})", text
    ):
        year, _, month, day, *time = found.groups()
        if time[0] is None and text[found.end() : found.end() + 1].isdigit():
            continue  # a longer number
        yield f"{year}-{month}-{day}" + (f"T{':'.join(time)}" if time[0] else "")


def _numbers(text: str) -> Iterator[str]:
    """12.08.1974; of 12-08-1974 the day may be either, so the year alone is sure."""
    for found in re.finditer(
        rf"(?<![0-9])([0-9]{{1,2}})([-_./ ])([0-9]{{1,2}})\2{_YEAR}(?![0-9])", text
    ):
        first, sign, second, year = found.groups()
        if sign == "." or int(first) > 12:
            yield f"{year}-{int(second):02d}-{int(first):02d}"
        elif int(second) > 12:
            yield f"{year}-{int(first):02d}-{int(second):02d}"
        elif first == second:
            yield f"{year}-{int(first):02d}-{int(first):02d}"
        else:
            yield year


def _words(text: str) -> Iterator[str]:
    """14. Juli 1962, July 14, 1962, 14 de julio de 1962, juillet 1962, 1962 August."""
    gap = r"[ ._,-]*(?:de[l]? )?"
    for found in re.finditer(rf"(?<![0-9]){_DAY_FIRST}{_MONTH}{gap}{_YEAR}(?![0-9])", text):
        yield f"{found[3]}-{_MONTHS[found[2]]:02d}-{int(found[1]):02d}"
    before = r"(?<![^\W0-9_])"
    for found in re.finditer(
        rf"{before}{_MONTH}[ ._-]*([0-9]{{1,2}})(?:st|nd|rd|th)?(?![0-9]),?[ _-]+{_YEAR}(?![0-9])",
        text,
    ):
        yield f"{found[3]}-{_MONTHS[found[1]]:02d}-{int(found[2]):02d}"
    for found in re.finditer(rf"{before}{_MONTH}{gap}{_YEAR}(?![0-9])", text):
        yield f"{found[2]}-{_MONTHS[found[1]]:02d}"
    for found in re.finditer(rf"(?<![0-9]){_YEAR}[ ._-]*{_MONTH}", text):
        yield f"{found[1]}-{_MONTHS[found[2]]:02d}"


def _months(text: str) -> Iterator[str]:
    """2003-07 Bretagne, 07.2003."""
    for found in re.finditer(rf"(?<![0-9]){_YEAR}[-_.]([0-9][0-9])(?![0-9]|[-_.][0-9])", text):
        yield f"{found[1]}-{found[2]}"
    for found in re.finditer(rf"(?<![0-9.])([0-9][0-9])[-_./]{_YEAR}(?![0-9])", text):
        yield f"{found[2]}-{found[1]}"


def _is_possible(date: str, today: datetime.date) -> bool:
    day = date.partition("T")[0]
    try:
        first = datetime.date.fromisoformat(f"{day}-01-01"[:10])
    except ValueError:
        return False
    return _FIRST <= first <= today
