"""What stands in for torchvision: every name can be imported, none can be used, and it leaves."""

from __future__ import annotations

import sys

import pytest

from merzmory.errors import ConfigError
from merzmory.upscale import stand_in

WORKING = "__version__ = '1'\ndef mine(): return 'real'\n"
BROKEN = "raise RuntimeError('operator torchvision::nms does not exist')\n"


@pytest.fixture(params=["absent", "broken", "working"])
def how(request, tmp_path, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "torchvision"
    folder.mkdir()
    if request.param == "absent":
        monkeypatch.setitem(sys.modules, "torchvision", None)  # as where nothing is installed
        monkeypatch.delitem(sys.modules, "torchvision")
        folder.rmdir()
    else:
        (folder / "__init__.py").write_text(WORKING if request.param == "working" else BROKEN)
    yield request.param
    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def test_names_can_be_imported_and_not_used(how):
    with stand_in.torchvision():
        import torchvision
        from torchvision.transforms.functional_tensor import rgb_to_grayscale

        if how == "working":
            assert torchvision.mine() == "real"
        else:
            from torchvision.ops import nms

            assert torchvision.__version__ == "0"
            with pytest.raises(ConfigError, match="nms of torchvision"):
                nms([1], [2], iou_threshold=0.5)
    with pytest.raises(ConfigError, match="rgb_to_grayscale"):
        rgb_to_grayscale(1)
    assert "torchvision.transforms.functional_tensor" not in sys.modules
    assert ("torchvision" in sys.modules) == (how == "working")
    if how == "absent":
        with pytest.raises(ImportError):
            import torchvision.ops
