"""The training of the starter upscaler learns, goes on exactly, and writes what can be shipped."""

from __future__ import annotations

import dataclasses
import json
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch.nn import functional as F

from merzmory.errors import ArchiveError, ConfigError, SettingsDifferError, WeightsError
from merzmory.upscale import lessons, networks, training
from merzmory.upscale.__main__ import main
from merzmory.upscale.training import CHECKPOINT, Recipe

SMALL = Recipe(
    features=8, depth=2, steps=12, warmup_steps=2, decay_steps=4, batch=2, crop=32, bf16=False
)


def striped(count=4, side=48):
    """Pictures with edges in all directions."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    made = []
    for _ in range(count):
        angle, pitch = rng.uniform(0, np.pi), rng.uniform(9, 20)
        stripes = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / pitch) > 0
        light, dark = rng.integers(120, 256, 3), rng.integers(0, 120, 3)
        made.append(np.where(stripes[..., None], light, dark).astype(np.uint8))
    return made


@pytest.mark.parametrize("bf16", [False, True])
def test_a_few_steps_lower_the_loss(bf16, tmp_path):
    recipe = dataclasses.replace(SMALL, steps=60, decay_steps=20, learning_rate=3e-3, bf16=bf16)
    heard = []
    training.train(tmp_path, pictures=striped(), recipe=recipe, every=20, announce=heard.append)
    assert [(p.done, p.total) for p in heard] == [(20, 60), (40, 60), (60, 60)]
    assert heard[-1].details["loss"] < 0.9 * heard[0].details["loss"]
    assert heard[-1].details["rate"] < 0.1 * heard[0].details["rate"]


def test_what_was_stopped_goes_on_to_the_same_bits(tmp_path):
    whole = training.train(tmp_path / "whole", pictures=striped(), recipe=SMALL).read_bytes()

    class KilledError(Exception):
        pass

    def kill(progress):
        if progress.done == 5:
            raise KilledError

    with pytest.raises(KilledError):
        training.train(tmp_path / "two", pictures=striped(), recipe=SMALL, every=5, announce=kill)
    left = (tmp_path / "two" / CHECKPOINT).read_bytes()
    assert left != whole
    torch.manual_seed(99)
    resumed = training.train(tmp_path / "two", pictures=striped(), recipe=SMALL)
    assert resumed.read_bytes() == whole
    assert training.train(tmp_path / "two", pictures=striped(), recipe=SMALL).read_bytes() == whole
    assert [p.name for p in (tmp_path / "two").iterdir()] == [CHECKPOINT]


def test_steps_may_change_until_the_decay_begins(tmp_path):
    longer = dataclasses.replace(SMALL, steps=20)
    whole = training.train(tmp_path / "whole", pictures=striped(), recipe=longer).read_bytes()

    def stopped_at(step, folder):
        def stop(progress):
            if progress.done == step:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            training.train(folder, pictures=striped(), recipe=SMALL, every=step, announce=stop)

    stopped_at(8, tmp_path / "early")
    file = training.train(tmp_path / "early", pictures=striped(), recipe=longer)
    assert file.read_bytes() == whole
    stopped_at(9, tmp_path / "late")
    with pytest.raises(SettingsDifferError) as caught:
        training.train(tmp_path / "late", pictures=striped(), recipe=longer)
    assert caught.value.keys == ["steps"]


def test_another_recipe_or_other_pictures_are_refused(tmp_path):
    training.train(tmp_path, pictures=striped(), recipe=SMALL)
    with pytest.raises(SettingsDifferError) as caught:
        training.train(tmp_path, pictures=striped(5), recipe=dataclasses.replace(SMALL, seed=2))
    assert caught.value.keys == ["pictures", "seed"]


def test_what_is_exported_is_the_average_and_says_what_it_is(tmp_path):
    run, file = tmp_path / "run", tmp_path / "net.safetensors"
    with pytest.raises(WeightsError, match="train there first"):
        training.export(run, file, {})
    training.train(run, pictures=striped(), recipe=SMALL)
    training.export(run, file, {"licence": "CC0 1.0"})
    loaded = networks.load(file)
    assert (loaded.features, loaded.depth, loaded.scale) == (8, 2, 4)
    with safe_open(run / CHECKPOINT, "pt") as checkpoint, safe_open(file, "pt") as shipped:
        average = checkpoint.get_tensor("ema.body.0.weight").half()
        raw = checkpoint.get_tensor("net.body.0.weight").half()
        assert torch.equal(shipped.get_tensor("body.0.weight"), average)
        assert not torch.equal(average, raw)
        said = shipped.metadata()
    assert (said["format"], said["kind"], said["licence"]) == ("1", "upscaler", "CC0 1.0")
    assert json.loads(said["network"]) == {
        "kind": "SRVGGNetCompact", "features": 8, "depth": 2, "scale": 4
    }  # fmt: skip
    assert json.loads(said["recipe"])["steps"] == int(said["step"]) == 12


def test_a_training_begins_with_the_bilinear_picture():
    x = torch.rand(1, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = training.blank(Recipe(features=8, depth=3))(x)
    bilinear = F.interpolate(x, scale_factor=4, mode="bilinear", align_corners=False)
    inside = (..., slice(4, -4), slice(4, -4))  # beyond the border there is black
    torch.testing.assert_close(made[inside], bilinear[inside])


def test_the_rate_rises_stays_and_falls():
    recipe = Recipe(steps=100, warmup_steps=10, decay_steps=40, learning_rate=1.0)
    assert [recipe.rate(step) for step in (0, 9, 30, 60)] == pytest.approx([0.1, 1, 1, 1])
    assert recipe.rate(80) == pytest.approx(0.5)
    assert recipe.rate(99) < 0.01


def test_pictures_of_folders_and_zips_and_a_tenth_held_out(tmp_path):
    folder, archive = tmp_path / "folder", tmp_path / "pictures.zip"
    folder.mkdir()
    for n in range(20):
        Image.new("RGB", (40, 30), (n, 0, 0)).save(folder / f"{n:02}.png")
    (folder / "notes.txt").write_text("no picture")
    with zipfile.ZipFile(archive, "w") as out:
        for file in sorted(folder.iterdir(), reverse=True):
            out.write(file, file.name)
    for source in (folder, archive):
        learnt = [int(p[0, 0, 0]) for p in lessons.read([source], 100)]
        held = [int(p[0, 0, 0]) for p in lessons.read([source], 100, held_out=True)]
        assert held == [5, 15]
        assert sorted(learnt + held) == list(range(20))
    assert lessons.read([folder], 20)[0].shape == (15, 20, 3)
    both = lessons.read([folder, archive], 100)
    assert len(both) == 36
    assert lessons.identity(both) != lessons.identity(both[1:])


def test_a_lesson_is_a_crop_and_what_is_left_of_it():
    drawer = lessons.Lessons([*striped(3), np.zeros((200, 9, 3), np.uint8)], 32, 4)
    assert len(drawer.pictures) == 3  # one is too narrow
    small, sharp = drawer.batch(6, (1, 2))
    assert (small.shape, sharp.shape) == ((6, 8, 8, 3), (6, 32, 32, 3))
    again = drawer.batch(6, (1, 2))
    np.testing.assert_array_equal(again[0], small)
    np.testing.assert_array_equal(again[1], sharp)
    assert (drawer.batch(6, (1, 3))[1] != sharp).any()
    assert np.abs(small.mean((1, 2)) - sharp.mean((1, 2))).max() < 12


def test_shapes_have_sharp_edges_and_many_colours():
    rng = np.random.default_rng(3)
    made = [lessons.drawn(40, rng) for _ in range(12)]
    assert {picture.shape for picture in made} == {(40, 40, 3)}
    again = np.random.default_rng(3)
    np.testing.assert_array_equal(lessons.drawn(40, again), made[0])
    steps = [np.abs(np.diff(picture.astype(int), axis=1)).max() for picture in made]
    assert np.median(steps) > 60
    assert np.std([picture.mean((0, 1)) for picture in made], axis=0).min() > 20
    mixed = lessons.Lessons(striped(), 32, 4, shapes=1.0).batch(2, (1,))[1]
    assert (mixed != lessons.Lessons(striped(), 32, 4).batch(2, (1,))[1]).any()


def test_what_cannot_be_learnt_from_is_said(tmp_path):
    with pytest.raises(ArchiveError, match="no folder and no ZIP"):
        lessons.read([tmp_path / "none"], 100)
    with pytest.raises(ArchiveError, match="holds no pictures"):
        lessons.read([tmp_path], 100)
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    with pytest.raises(ArchiveError, match=r"a\.jpg cannot be read"):
        lessons.read([tmp_path], 100)
    with pytest.raises(ArchiveError, match="64 x 64"):
        lessons.Lessons(striped(), 64, 4)


def test_recipes_are_read_and_slips_named(tmp_path):
    file = tmp_path / "recipe.toml"
    file.write_text("[train]\nsteps = 7\nlearning_rate = 0.01\n")
    assert training.read_recipe(file) == Recipe(steps=7, learning_rate=0.01)
    for slip in ("stepps = 7", "steps = 7.5", 'bf16 = "yes"'):
        file.write_text(f"[train]\n{slip}\n")
        with pytest.raises(ConfigError, match="no knob"):
            training.read_recipe(file)
    with pytest.raises(ConfigError, match="check the path"):
        training.read_recipe(tmp_path / "none.toml")


def test_the_door_trains_goes_on_and_exports(tmp_path, capsys):
    pictures, recipe = tmp_path / "pictures", tmp_path / "recipe.toml"
    pictures.mkdir()
    for n, picture in enumerate(striped()):
        Image.fromarray(picture).save(pictures / f"{n}.png")
    given = [f"{k} = {json.dumps(v)}\n" for k, v in dataclasses.asdict(SMALL).items()]
    recipe.write_text("[train]\n" + "".join(given))
    command = ["train", str(tmp_path / "run"), "--pictures", str(pictures), "--config", str(recipe)]
    assert main([*command, "--every", "6"]) == 0
    said = capsys.readouterr().out
    assert "4 pictures" in said
    assert "step 6 of 12  loss" in said
    assert "step 12 of 12" in said
    assert main(command) == 0
    assert "step" not in capsys.readouterr().out
    file = tmp_path / "net.safetensors"
    assert main(["export", str(tmp_path / "run"), str(file), "--note", "licence=mine = all"]) == 0
    with safe_open(file, "pt") as opened:
        assert opened.metadata()["licence"] == "mine = all"
    assert main(["export", str(tmp_path), str(file)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
