"""Faces that are alike become a person: average linkage, in a given order, so twice the same.

A person's likeness to a face is the mean cosine to all of that person's faces: one look-alike does not
chain two people together, and one odd frame does not break a person of hundreds apart. No photograph
shows one person twice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Prints = npt.NDArray[np.float32]

_MERGED = 3000  # people at most among whom pairs are looked for that turned out to be one


class _Group:
    """A person's faces: the sum of their prints, how many they are, and on which photographs."""

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.sum = np.zeros(size, np.float64)
        self.count = 0
        self.photos: set[str] = set()

    def take(self, print_: npt.NDArray[np.float32], photo: str) -> None:
        """One face more."""
        self.sum += print_
        self.count += 1
        self.photos.add(photo)


def gather(
    prints: Prints, photos: Sequence[str], people: Sequence[int], *, alike: float, first: int
) -> list[int]:
    """The person of each face; people who are known keep theirs and are never merged here.

    `prints` [faces, D] have length 1, `people` are the known persons (0: none yet), `alike` is the
    mean cosine from which a face is a person's. New persons are numbered from `first` on.
    """
    groups: dict[int, _Group] = {}
    for row, (photo, person) in enumerate(zip(photos, people, strict=True)):
        if person:
            groups.setdefault(person, _Group(person, prints.shape[1])).take(prints[row], photo)
    known, found = set(groups), list(people)
    means = np.zeros((len(groups) + people.count(0), prints.shape[1]))
    order = sorted(groups)
    for at, number in enumerate(order):
        means[at] = groups[number].sum / groups[number].count
    for row, (photo, person) in enumerate(zip(photos, people, strict=True)):
        if person:
            continue
        near = means[: len(order)] @ prints[row]
        at = next(
            (
                int(i)
                for i in np.argsort(-near, kind="stable")
                if near[i] < alike or photo not in groups[order[i]].photos
            ),
            -1,
        )
        if at < 0 or near[at] < alike:
            at = len(order)
            number = first + sum(n not in known for n in groups)
            groups[number] = _Group(number, prints.shape[1])
            order.append(number)
        group = groups[order[at]]
        group.take(prints[row], photo)
        means[at] = group.sum / group.count
        found[row] = group.number
    same = _merged([groups[n] for n in order], known, alike)
    return [same.get(person, person) for person in found]


def _merged(groups: Sequence[_Group], known: set[int], alike: float) -> dict[int, int]:
    """Which of the new people turned out to be another one (Lance and Williams, 1967)."""
    if not 1 < len(groups) <= _MERGED:
        return {}
    means = np.stack([group.sum / group.count for group in groups])
    counts = np.array([group.count for group in groups], np.float64)
    near = means @ means.T
    new = np.array([group.number not in known for group in groups])
    near[~(new[:, None] | new[None, :])] = -2.0
    np.fill_diagonal(near, -2.0)
    photos = [set(group.photos) for group in groups]
    same: dict[int, int] = {}
    while True:
        a, b = (int(i) for i in np.unravel_index(int(np.argmax(near)), near.shape))
        if near[a, b] < alike:
            return same
        if photos[a] & photos[b]:
            near[a, b] = near[b, a] = -2.0
            continue
        if (new[a], groups[a].number) > (new[b], groups[b].number):  # known ones and lower stay
            a, b = b, a
        whole = counts[a] + counts[b]
        joined = (counts[a] * near[a] + counts[b] * near[b]) / whole
        joined[(near[a] < -1) | (near[b] < -1)] = -2.0
        near[a], near[:, a] = joined, joined
        near[b], near[:, b] = -2.0, -2.0
        counts[a], photos[a] = whole, photos[a] | photos[b]
        gone = groups[b].number
        same = {old: groups[a].number if now == gone else now for old, now in same.items()}
        same[gone] = groups[a].number
