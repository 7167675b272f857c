"""Projection: a picture of the generator's own is found again, and a stop changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from merzmory.gan import checkpoint, generate
from merzmory.gan.config import NetworkConfig
from merzmory.gan.networks import Discriminator, StyleGenerator
from merzmory.latent import project
from merzmory.latent.perception import Discriminating
from merzmory.latent.project import Projection


@pytest.fixture(scope="module")
def generator(network: Path) -> StyleGenerator:
    found = checkpoint.load_generator(network, "ema")
    with torch.no_grad():
        for name, value in found.synthesis.named_parameters():
            if name.endswith("noise_strength"):
                value.fill_(0.05)
    return found


@pytest.fixture(scope="module")
def perception() -> Discriminating:
    torch.manual_seed(1)
    config = NetworkConfig(resolution=16, w_dim=8, z_dim=8, channel_base=128, channel_max=8)
    return Discriminating(Discriminator(config))


def begun(generator: Any, perception: Any, pictures: Tensor, **changes: Any) -> Projection:
    knobs = {
        "seeds": list(range(7, 7 + len(pictures))), "labels": [None] * len(pictures),
        "space": "w", "steps": 150, "learning_rate": 0.1,
    }  # fmt: skip
    return Projection(generator, perception, pictures, **knobs | changes)


def shown(generator: StyleGenerator, ws: Tensor) -> Tensor:
    with torch.no_grad():
        made: Tensor = generator.synthesis(ws, "const")
    return made


def test_a_picture_of_the_generator_s_own_is_found_again(
    generator: StyleGenerator, perception: Discriminating
) -> None:
    ws = generate.mapping(generator, generate.latents([3, 4], generator.z_dim))
    work = begun(generator, perception, shown(generator, ws))
    start, far = work.distance(), (work.found()[:, 0] - ws[:, 0]).norm(dim=1)
    while work.done < work.steps:
        work.step()
    assert (work.distance() < start / 50).all()
    assert ((work.found()[:, 0] - ws[:, 0]).norm(dim=1) < far / 5).all()


def test_u_is_w_in_its_own_measure(generator: StyleGenerator) -> None:
    spread = project.Spread.of(generator, None)
    w = generate.mapping(generator, generate.latents(range(500, 1500), generator.z_dim))[:, 0]
    u = torch.stack([spread.u(one) for one in w])
    torch.testing.assert_close(spread.mean + u @ spread.axes.T, w, rtol=1e-3, atol=1e-3)
    long = spread.axes.norm(dim=0) > spread.axes.norm(dim=0).max() / 100
    assert ((u[:, long].std(dim=0) - 1).abs() < 0.15).all()


def test_the_search_begins_at_the_nearest_of_some(
    generator: StyleGenerator, perception: Discriminating
) -> None:
    some = project.Spread.of(generator, None).some
    ws = some[[40, 7]][:, None].expand(-1, generator.num_ws, -1)
    work = begun(generator, perception, shown(generator, ws))
    far = work.distance()
    work.seek()
    torch.testing.assert_close(work.found()[:, 0], some[[40, 7]], rtol=1e-3, atol=1e-3)
    assert (work.distance() < far / 1000).all()


def test_w_plus_comes_nearer_than_w_to_a_picture_of_mixed_styles(
    generator: StyleGenerator, perception: Discriminating
) -> None:
    one, other = generate.mapping(generator, generate.latents([3, 4], generator.z_dim), 1.5)
    picture = shown(generator, torch.cat([one[:3], other[3:]])[None])
    ended = {}
    for space in ("w", "w+"):
        work = begun(generator, perception, picture, space=space, steps=80)
        for _ in range(80):
            work.step()
        ended[space] = float(work.distance())
    assert work.found().shape == (1, generator.num_ws, 8)
    assert ended["w+"] < ended["w"] / 2


def test_what_was_stopped_goes_on_with_the_same_bits(
    generator: StyleGenerator, perception: Discriminating, tmp_path: Path
) -> None:
    pictures = shown(
        generator, generate.mapping(generator, generate.latents([3, 4], generator.z_dim))
    )
    whole = begun(generator, perception, pictures, steps=20)
    for _ in range(20):
        whole.step()
    first = begun(generator, perception, pictures, steps=20)
    for _ in range(8):
        first.step()
    first.save(tmp_path / "state.safetensors")
    for _ in range(3):
        first.step()  # lost by the kill
    second = begun(generator, perception, pictures, steps=20)
    second.load(tmp_path / "state.safetensors")
    assert second.done == 8
    while second.done < 20:
        second.step()
    assert torch.equal(second.found(), whole.found())
    for name, noise in whole.noise.items():
        assert torch.equal(second.noise[name], noise)


def test_a_state_before_the_first_step_can_be_kept(
    generator: StyleGenerator, perception: Discriminating, tmp_path: Path
) -> None:
    picture = torch.zeros(1, 3, 16, 16)
    begun(generator, perception, picture).save(tmp_path / "state.safetensors")
    again = begun(generator, perception, picture)
    again.load(tmp_path / "state.safetensors")
    again.step()
    assert again.done == 1


def test_photographs_of_a_batch_do_not_know_of_each_other(
    generator: StyleGenerator, perception: Discriminating
) -> None:
    pictures = shown(
        generator, generate.mapping(generator, generate.latents([3, 4], generator.z_dim))
    )
    both = begun(generator, perception, pictures, seeds=[7, 8], steps=15)
    alone = begun(generator, perception, pictures[1:], seeds=[8], steps=15)
    for _ in range(15):
        both.step()
        alone.step()
    torch.testing.assert_close(both.found()[1], alone.found()[0], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(both.found()[0], both.found()[1], atol=0.1)


def test_noise_maps_stay_white(generator: StyleGenerator, perception: Discriminating) -> None:
    work = begun(generator, perception, torch.zeros(1, 3, 16, 16), steps=10)
    for _ in range(10):
        work.step()
    assert work.noise
    for noise in (each.detach() for each in work.noise.values()):
        assert abs(float(noise.mean())) < 1e-5
        assert float(noise.square().mean()) == pytest.approx(1, abs=1e-4)


def test_irregularity_tells_pictures_from_noise() -> None:
    white = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, 64, 64)))
    ramp = torch.linspace(-1.7, 1.7, 64).double().expand(1, 1, 64, 64)
    assert float(project.irregularity([ramp])) > 50 * float(project.irregularity([white]))
    # a picture that only shows two scales down: means of 4 x 4 blocks that are all alike
    coarse = torch.nn.functional.interpolate(ramp[..., ::4, ::4], scale_factor=4)
    hidden = white + 0.3 * coarse
    assert float(project.irregularity([hidden])) > 3 * float(project.irregularity([white]))


def test_the_rate_rises_falls_and_is_whole_between() -> None:
    assert project.rate(0) == 0
    assert project.rate(0.025) == pytest.approx(0.5)
    assert project.rate(0.05) == project.rate(0.5) == project.rate(0.75) == pytest.approx(1)
    assert project.rate(0.875) == pytest.approx(0.5)
    assert project.rate(1) == pytest.approx(0)


def test_labels_begin_at_the_mean_of_their_own_w(labelled: Any) -> None:
    network = checkpoint.load_generator(labelled.snapshots[8], "ema")
    cold, warm = (project.Spread.of(network, label) for label in (0, 1))
    assert not torch.equal(cold.mean, warm.mean)
    critic = Discriminating(
        Discriminator(NetworkConfig(resolution=16, channel_base=128, channel_max=8))
    )
    work = begun(network, critic, torch.zeros(2, 3, 16, 16), labels=[1, 0])
    torch.testing.assert_close(work.found()[:, 0], torch.stack([warm.mean, cold.mean]))
