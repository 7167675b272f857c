"""The augmentation pipeline reproduces published numbers, values and two derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from merzmory.gan import augment, warp
from merzmory.gan.config import EngineError

DATA = Path(__file__).resolve().parents[1] / "data" / "refvec"
TOLERANCE = 2e-5  # bilinear positions in fp32
LETTERS = {"blit": "b", "geom": "g", "color": "c", "filter": "f"}

Arrays = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def some() -> Arrays:
    with np.load(DATA / "ada-some.npz") as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def every(shared: Path) -> Arrays:
    with np.load(shared / "refvec" / "ada.npz") as archive:
        return {name: archive[name] for name in archive.files}


class Recorded(augment.Draws):
    """Recorded draws, each checked for its place, kind and shape."""

    def __init__(self, arrays: Arrays, groups: str) -> None:
        super().__init__(torch.device("cpu"))
        self.arrays, self.groups, self.at = arrays, groups, 0

    def _next(self, kind: str, shape: tuple[int, ...]) -> Tensor:
        array = self.arrays[f"draws.{self.groups}.{self.at:02d}.{kind}"]
        assert array.shape == shape
        self.at += 1
        return torch.from_numpy(array)

    def rand(self, *shape: int) -> Tensor:
        return self._next("rand", shape)

    def randn(self, *shape: int) -> Tensor:
        return self._next("randn", shape)


def pipe_of(group: str) -> augment.AugmentPipe:
    if group == "cutout":
        pipe = augment.AugmentPipe("")
        pipe.groups = frozenset({"cutout"})
        return pipe
    return augment.AugmentPipe(LETTERS.get(group, group))


def check_percentiles(arrays: Arrays) -> int:
    checked = 0
    for name, expected in arrays.items():
        kind, _, rest = name.partition(".")
        group, _, percentile = rest.partition(".")
        if kind not in ("dp", "dp1ch") or group.startswith("only_"):
            continue
        images = torch.from_numpy(arrays["img1" if kind == "dp1ch" else "img"])
        made = pipe_of(group)(images, percentile=float(percentile))
        error = np.abs(made.numpy() - expected).max()
        assert error <= TOLERANCE, (name, error)
        checked += 1
    return checked


def two_derivatives(arrays: Arrays) -> tuple[float, float]:
    """Largest errors of the gradient and of the gradient's gradient through bgc at 0.8."""
    x = torch.from_numpy(arrays["img"]).requires_grad_()
    v = torch.from_numpy(arrays["grad.v"]).requires_grad_()
    y = augment.AugmentPipe("bgc")(x, percentile=0.8)
    (first,) = torch.autograd.grad(y, x, v, create_graph=True)
    (second,) = torch.autograd.grad(first, v, torch.from_numpy(arrays["grad.u"]))
    return (
        float(np.abs(first.detach().numpy() - arrays["grad.gx"]).max()),
        float(np.abs(second.numpy() - arrays["grad.ggv"]).max()),
    )


def test_percentiles_that_travel_with_the_project(some: Arrays) -> None:
    assert check_percentiles(some) == 3


def test_all_percentiles(every: Arrays) -> None:
    assert check_percentiles(every) == 38


# One transformation at percentile 0.3: its inverse map, from the percentile q = 0.3.
_N = float(torch.erfinv(torch.tensor(-0.4)))
_ALONE = {
    "xflip": lambda t: warp.scale(t(1), t(1)),
    "rotate90": lambda t: warp.rotation(t(np.pi / 2)),
    "xint": lambda t: warp.translation(t(1), t(1)),
    "scale": lambda t: warp.scale(t(2 ** (-0.2 * _N)), t(2 ** (-0.2 * _N))),
    "rotate": lambda t: warp.rotation(t(-0.4 * np.pi)),
    "aniso": lambda t: warp.scale(t(2 ** (-0.2 * _N)), t(2 ** (0.2 * _N))),
    "xfrac": lambda t: warp.translation(t(-0.125 * 24 * _N), t(-0.125 * 24 * _N)),
}


@pytest.mark.parametrize("name", _ALONE)
def test_one_map_alone(every: Arrays, name: str) -> None:
    inverse = _ALONE[name](lambda value: torch.tensor([value, value], dtype=torch.float32))
    made = warp.warp(torch.from_numpy(every["img"]), inverse, warp.wavelet())
    assert np.abs(made.numpy() - every[f"dp.only_{name}.0.3"]).max() <= TOLERANCE


class Alone(augment.Draws):
    """Percentile 0.3 for one transformation of the pipeline, the identity for the others."""

    def __init__(self, number: int) -> None:
        super().__init__(torch.device("cpu"), None, 0.3)
        self.number, self.at = number, -1

    def gate(self, value: Tensor, chance: Tensor, identity: float) -> Tensor:
        self.at += 1
        return value if self.at == self.number else torch.full_like(value, identity)


@pytest.mark.parametrize(
    ("number", "name"),
    list(enumerate(["brightness", "contrast", "lumaflip", "hue", "saturation"])),
)
def test_one_colour_alone(every: Arrays, number: int, name: str) -> None:
    draws = Alone(number)
    made = augment.AugmentPipe("c").apply_draws(torch.from_numpy(every["img"]), draws)
    assert draws.at == 4
    assert np.abs(made.numpy() - every[f"dp.only_{name}.0.3"]).max() <= TOLERANCE


@pytest.mark.parametrize("groups", ["bgc", "bgcfnc"])
def test_recorded_draws_in_their_order(every: Arrays, groups: str) -> None:
    pipe = augment.AugmentPipe(groups)
    pipe.p.fill_(float(every[f"draws.{groups}.p"]))
    draws = Recorded(every, groups)
    made = pipe.apply_draws(torch.from_numpy(every["img6"]), draws)
    assert f"draws.{groups}.{draws.at:02d}" not in {n.rsplit(".", 1)[0] for n in every}
    assert np.abs(made.numpy() - every[f"draws.{groups}.out"]).max() <= TOLERANCE


def test_first_and_second_derivative(some: Arrays) -> None:
    first, second = two_derivatives(some)
    assert first <= TOLERANCE
    assert second <= TOLERANCE


def test_the_fallback_without_grid_sample_is_the_same(
    some: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warp, "grid_sample_is_twice_differentiable", lambda device: False)
    assert check_percentiles(some) == 3
    assert max(two_derivatives(some)) <= TOLERANCE


def test_filters(some: Arrays) -> None:
    bank = augment.filter_bank()
    assert np.abs(bank.numpy() - some["Hz_fbank"]).max() < 1e-7
    impulse = torch.zeros(43, dtype=torch.float64)
    impulse[21] = 1
    assert torch.allclose(bank.sum(dim=0), impulse, atol=1e-12)
    assert np.abs(warp.wavelet().numpy() - some["Hz_geom"]).max() < 1e-7


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (8, 8), (17, 9), (32, 64)])
def test_any_size_keeps_its_shape_and_the_identity(size: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    pipe = augment.AugmentPipe("bgcfnc")
    pipe.p.fill_(0.0)
    same = pipe(images, generator=torch.Generator().manual_seed(1))
    assert same.shape == images.shape
    assert torch.allclose(same, images, atol=1e-4)
    pipe.p.fill_(1.0)
    made = pipe(images, generator=torch.Generator().manual_seed(1))
    assert made.shape == images.shape
    assert bool(made.isfinite().all())


def test_the_mirrored_plane_has_no_end() -> None:
    """Far beyond any margin a constant stays constant, and a shift by a period changes nothing."""
    pictures = torch.randn(1, 1, 16, 12, generator=torch.Generator().manual_seed(0))
    far = warp.translation(torch.tensor([22.0 * 5]), torch.tensor([-30.0 * 7]))
    assert torch.allclose(warp.warp(pictures, far, warp.wavelet()), pictures, atol=1e-4)
    tiny = warp.scale(torch.tensor([40.0]), torch.tensor([40.0]))
    flat = warp.warp(torch.ones(1, 1, 16, 12), tiny, warp.wavelet())
    assert torch.allclose(flat, torch.ones_like(flat), atol=1e-4)


def test_a_generator_decides() -> None:
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    pipe = augment.AugmentPipe("bgcfnc")
    pipe.p.fill_(0.5)
    a, b, c = (pipe(images, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_only_p_is_kept() -> None:
    assert list(augment.AugmentPipe("bgcfnc").state_dict()) == ["p"]


@pytest.mark.parametrize("groups", ["x", "bb", "bgccc", "gg"])
def test_unknown_groups_are_refused(groups: str) -> None:
    with pytest.raises(EngineError, match="is not known at"):
        augment.AugmentPipe(groups)


def test_colours_need_colour_channels() -> None:
    with pytest.raises(EngineError, match="1 or 3 channels"):
        augment.AugmentPipe("c")(torch.zeros(1, 4, 8, 8))


def test_the_controller_follows_the_recorded_trace() -> None:
    with np.load(DATA / "metrics_misc.npz") as archive:
        trace = archive["ada_ctrl.signs_p_batch32_interval4_kimg100_target06"]
    controller = augment.AdaController(target=0.6, kimg=100, interval=4, limit=None)
    p = torch.zeros([], dtype=torch.float64)
    for sign, expected in trace:
        p = controller.next(p, torch.tensor(sign), batch=32)
        assert float(p) == pytest.approx(expected, abs=1e-12)


def test_the_controller_is_clamped_and_survives_nan() -> None:
    controller = augment.AdaController(kimg=0.1, limit=0.85)
    p = torch.tensor(0.5)
    assert float(controller.next(p, torch.tensor(1.0), 64)) == pytest.approx(0.85)
    assert float(controller.next(p, torch.tensor(-1.0), 64)) == 0.0
    assert float(controller.next(p, torch.tensor(float("nan")), 64)) == 0.5
    assert [step for step in range(13) if controller.due(step)] == [4, 8, 12]
