"""The operations reproduce the reference vectors, values and first derivatives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from merzmory.gan import ops

DATA = Path(__file__).resolve().parents[1] / "data" / "refvec"
CASES: list[dict[str, Any]] = json.loads((DATA / "ops.json").read_text(encoding="utf-8"))
OURS = {
    "upfirdn2d",
    "wrap",
    "bias_act",
    "conv2d_resample",
    "modulated_conv2d",
    "mbstd",
}  # the others belong to StyleGAN3
WRAPPED = {
    "wrap.upsample2d": ops.upsample2d,
    "wrap.downsample2d": ops.downsample2d,
    "wrap.filter2d": ops.filter2d,
}


@pytest.fixture(scope="module")
def numbers() -> dict[str, np.ndarray]:
    with np.load(DATA / "ops.npz") as archive:
        return {name: archive[name] for name in archive.files}


def run(
    case: dict[str, Any], inputs: list[torch.Tensor], filters: dict[str, torch.Tensor]
) -> torch.Tensor:
    kwargs = dict(case["kwargs"])
    f = filters.get(kwargs.pop("filter", None) or "")
    kind = case["kind"]
    if kind == "upfirdn2d":
        return ops.upfirdn2d(inputs[0], f, **kwargs)
    if kind == "wrap":
        return WRAPPED[case["name"]](inputs[0], f)
    if kind == "bias_act":
        return ops.bias_act(inputs[0], inputs[1], **kwargs)
    if kind == "conv2d_resample":
        return ops.conv2d_resample(inputs[0], inputs[1], f, **kwargs)
    if kind == "mbstd":
        return ops.minibatch_std(inputs[0], kwargs["group_size"], kwargs["num_channels"])
    noise = inputs[3] if kwargs.pop("noise") else None
    return ops.modulated_conv2d(inputs[0], inputs[1], inputs[2], noise=noise, f=f, **kwargs)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["kind"] in OURS], ids=lambda c: str(c["name"])
)
def test_values_and_gradients(case: dict[str, Any], numbers: dict[str, np.ndarray]) -> None:
    name = case["name"]
    filters = {
        k.removeprefix("filters."): torch.from_numpy(v)
        for k, v in numbers.items()
        if k.startswith("filters.")
    }
    inputs = []
    while f"{name}.in{len(inputs)}" in numbers:
        inputs.append(torch.from_numpy(numbers[f"{name}.in{len(inputs)}"]).requires_grad_())
    out = run(case, inputs, filters)
    np.testing.assert_allclose(out.detach().numpy(), numbers[f"{name}.out"], atol=1e-5)
    (out * torch.from_numpy(numbers[f"{name}.cotangent"])).sum().backward()
    for i, tensor in enumerate(inputs):
        assert tensor.grad is not None
        np.testing.assert_allclose(
            tensor.grad.numpy(), numbers[f"{name}.grad{i}"], atol=2e-5, rtol=2e-5
        )


def test_filters_match(numbers: dict[str, np.ndarray]) -> None:
    torch.testing.assert_close(
        ops.setup_filter([1, 3, 3, 1]), torch.from_numpy(numbers["filters.1331"])
    )
    assert ops.setup_filter([1.0] * 8).shape == (8,)
    assert float(ops.setup_filter([1, 2, 1], gain=4).sum()) == pytest.approx(4.0)


def test_resampling_has_exact_second_derivatives() -> None:
    f = ops.setup_filter([1, 3, 3, 1]).double()
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)

    def curve(v: torch.Tensor) -> torch.Tensor:
        return ops.upfirdn2d(v, f, up=2, down=1, padding=(2, 1, 2, 1)).square()

    assert torch.autograd.gradgradcheck(curve, (x,))
