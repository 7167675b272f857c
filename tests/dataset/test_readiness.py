"""The verdict turns at its thresholds, and every reason says a number and a remedy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from merzmory.dataset.readiness import Cost, Readiness, Seen, readiness, twins

_DICE = np.random.default_rng(0)


def _seen(count: int) -> list[Seen]:
    """Photographs of as many weeks, all different, in colour, without writing."""
    days = np.datetime64("2010-01-01T10:00:00") + np.arange(count) * np.timedelta64(3, "D")
    return [
        Seen(str(day), f"{_DICE.integers(0, 2**63):016x}", colour=0.3, text=0.01) for day in days
    ]


def _with(seen: list[Seen], count: int, **what: object) -> list[Seen]:
    return [replace(photo, **what) for photo in seen[:count]] + seen[count:]


def _judged(seen: list[Seen]) -> Readiness:
    return readiness(len(seen), 64, seen=seen)


def test_the_number_of_photographs() -> None:
    verdicts = {n: readiness(n, 64).verdict for n in (0, 9, 10, 299, 300, 499, 500, 10_000)}
    assert verdicts == {
        0: "STOP", 9: "STOP", 10: "FIX FIRST", 299: "FIX FIRST", 300: "GO", 499: "GO", 500: "GO",
        10_000: "GO",
    }  # fmt: skip
    assert "500 are recommended" in str(readiness(300, 64))
    assert "500 are recommended" not in str(readiness(500, 64))
    assert "First runs are drafts." in str(readiness(500, 64))


def test_enlarged_squares() -> None:
    found = readiness(500, 64, upsampled=1)
    assert found.verdict == "FIX FIRST" and "cull.min_side" in found.reasons[0]


def test_a_good_archive_has_nothing_said_against_it() -> None:
    found = _judged(_seen(500))
    assert found.verdict == "GO" and len(found.reasons) == 1 and not found.remarks
    assert found.numbers["outings"] == 500 and found.numbers["alike"] == 0
    assert found.numbers["in_bursts"] == 0 and found.numbers["dated"] == 1


@pytest.mark.parametrize(("alike", "verdict"), [(50, "GO"), (51, "FIX FIRST")])
def test_near_twins(alike: int, verdict: str) -> None:
    found = _judged(_with(_seen(500), alike, hash="00ff00ff00ff00ff"))
    assert found.verdict == verdict and found.numbers["alike"] == alike / 500
    if verdict != "GO":
        assert "51 of 500 photographs have a near twin" in found.reasons[0]


def test_twins_are_ten_bits_apart() -> None:
    near, far = f"{2**10 - 1:016x}", f"{(2**11 - 1) << 20:016x}"
    assert twins(["0" * 16, near]).tolist() == [True, True]
    assert twins(["0" * 16, far]).tolist() == [False, False]
    assert twins(["0" * 16]).tolist() == [False]
    many = [f"{_DICE.integers(0, 2**63):016x}" for _ in range(1200)]
    assert twins([*many, many[700]]).sum() == 2


@pytest.mark.parametrize(("pages", "verdict"), [(50, "GO"), (51, "FIX FIRST")])
def test_writing(pages: int, verdict: str) -> None:
    found = _judged(_with(_seen(500), pages, text=0.25))
    assert found.verdict == verdict and found.numbers["writing"] == pages / 500


@pytest.mark.parametrize(("grey", "said"), [(49, 0), (50, 1), (450, 1), (451, 0)])
def test_black_and_white_beside_colour(grey: int, said: int) -> None:
    found = _judged(_with(_seen(500), grey, colour=0.01))
    assert found.verdict == "GO" and len(found.remarks) == said


@pytest.mark.parametrize(("same", "said"), [(250, 0), (251, 1)])
def test_one_day(same: int, said: int) -> None:
    day = [
        replace(photo, taken=f"2019-08-01T{8 + n % 12:02d}:00:00")
        for n, photo in enumerate(_seen(same))
    ]
    found = _judged([*day, *_seen(500 - same)])
    assert found.verdict == "GO" and len(found.remarks) == said
    assert found.numbers["largest_day"] == same / 500
    assert all("2019-08-01" in remark for remark in found.remarks)


def test_an_outing_may_pass_midnight_and_a_burst_is_short() -> None:
    night = [replace(photo, taken=f"2019-08-0{1 + n // 200}T{(23 if n < 200 else 0):02d}:30:{n % 60:02d}")
             for n, photo in enumerate(_seen(400))]  # fmt: skip
    found = _judged([*night, *_seen(100)])
    assert found.numbers["largest_outing"] == 0.8 and found.numbers["outings"] == 101
    assert found.numbers["largest_day"] == 0.4 and found.numbers["in_bursts"] == 0.8
    assert len(found.remarks) == 1 and "one outing" in found.remarks[0]


def test_what_was_not_measured_is_not_judged() -> None:
    found = readiness(500, 64, seen=[Seen()] * 500)
    assert found.verdict == "GO" and set(found.numbers) == {"photographs", "enlarged", "with_faces"}
    odd = readiness(500, 64, seen=[Seen(taken="0000-13-99")] * 500)
    assert "dated" not in odd.numbers


def test_what_it_costs_is_handed_on() -> None:
    cost = Cost(500, 12.5, 10**9, "measured")
    found = readiness(500, 64, costs=[cost], set_aside={"duplicate": 3})
    assert found.costs == (cost,) and found.numbers["set_aside_duplicate"] == 3
    assert readiness(3, 64, costs=[cost]).costs == (cost,)
