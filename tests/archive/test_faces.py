"""Faces and their prints through OpenCV's own detectors, on networks of a few numbers.

YuNet's and SFace's weights are not here: networks with their inputs and outputs stand in for them,
one that calls white squares faces, one whose print is the face's mean colours. They show that what is
read from OpenCV is read right, and nothing of how well the real networks see.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from merzmory.archive import faces
from merzmory.archive.faceprint import SFace, Shape
from merzmory.archive.faces import Face, YuNet
from merzmory.errors import WeightsError
from tests.archive.portraits import photograph

_FACE = 64.0  # pixels


def _model(nodes: list, given: list, inputs: list, outputs: list, path: Path) -> Path:
    graph = helper.make_graph(nodes, "stand-in", inputs, outputs, given)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def yunet(path: Path) -> Path:
    """A network with YuNet's twelve outputs: a white square is a face of twice its side."""
    given, nodes, outputs = [], [], []

    def number(name: str, values: object, kind: type = np.float32) -> str:
        given.append(numpy_helper.from_array(np.array(values, kind), name))
        return name

    number("grey", np.full((1, 3, 1, 1), 1 / (3 * 255)))
    number("rows", [1, -1, 1], np.int64)
    nodes.append(helper.make_node("Conv", ["input", "grey"], ["bright"]))
    for stride in (8, 16, 32):
        scale = np.log(_FACE / stride)
        bias = {
            "bbox": [0.5, 0.5, scale, scale],
            "kps": [0, 0.1, 1, 0.1, 0.5, 0.5, 0.1, 0.9, 0.9, 0.9],
        }
        side = [stride, stride]
        nodes.append(
            helper.make_node(
                "AveragePool", ["bright"], [f"mean{stride}"], kernel_shape=side, strides=side
            )
        )
        gain = 10.0 if stride == 32 else 0.0
        number(f"gain{stride}", np.full((1, 1, 1, 1), gain))
        number(f"less{stride}", [-0.9 * gain])
        for kind in ("cls", "obj"):
            at = f"{kind}_{stride}"
            nodes += [
                helper.make_node(
                    "Conv", [f"mean{stride}", f"gain{stride}", f"less{stride}"], [f"{at}c"]
                ),
                helper.make_node("Sigmoid" if gain == 0 else "Relu", [f"{at}c"], [f"{at}s"]),
                helper.make_node("Transpose", [f"{at}s"], [f"{at}t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{at}t", "rows"], [at]),
            ]
        for kind, values in bias.items():
            at = f"{kind}_{stride}"
            number(f"{at}w", np.zeros((len(values), 1, 1, 1)))
            number(f"{at}b", values)
            number(f"{at}r", [1, -1, len(values)], np.int64)
            nodes += [
                helper.make_node("Conv", [f"mean{stride}", f"{at}w", f"{at}b"], [f"{at}c"]),
                helper.make_node("Transpose", [f"{at}c"], [f"{at}t"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{at}t", f"{at}r"], [at]),
            ]
    for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        outputs += [
            helper.make_tensor_value_info(f"{kind}_{s}", TensorProto.FLOAT, [1, None, width])
            for s in (8, 16, 32)
        ]
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 192, 256])
    return _model(nodes, given, [image], outputs, path)


def sface(path: Path) -> Path:
    """A network with SFace's input and output: 4 x 4 mean colours, and nothing up to 128 numbers."""
    nodes = [
        helper.make_node("AveragePool", ["data"], ["m"], kernel_shape=[28, 28], strides=[28, 28]),
        helper.make_node("Flatten", ["m"], ["flat"]),
        helper.make_node("Gemm", ["flat", "wide"], ["fc1"]),
    ]
    given = [numpy_helper.from_array(np.eye(48, 128, dtype=np.float32), "wide")]
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 112, 112])
    out = helper.make_tensor_value_info("fc1", TensorProto.FLOAT, [1, 128])
    return _model(nodes, given, [data], [out], path)


def _picture(*corners: tuple[int, int], size: tuple[int, int] = (192, 256)) -> np.ndarray:
    picture = np.full((*size, 3), 40, np.uint8)
    for x, y in corners:
        picture[y : y + 32, x : x + 32] = 255
    return picture


def test_boxes_and_points_are_read_as_opencv_gives_them(tmp_path: Path) -> None:
    detector = YuNet(yunet(tmp_path / "yunet.onnx"))
    for size in ((192, 256), (256, 192), (180, 250)):  # each picture has its own size
        found = detector.find(_picture((32, 64), size=size))
        assert len(found) == 1
        assert found[0].box == (16, 48, 80, 112)
        assert len(found[0].points) == 5
        (right, _), (left, _), nose, mouth, _ = found[0].points
        assert right < nose[0] < left and mouth[1] > nose[1]
    two = detector.find(_picture((160, 96), (0, 0)))
    assert [face.box for face in two] == [(0, 0, 48, 48), (144, 80, 208, 144)]  # none leaves it
    assert detector.find(_picture()) == []


def test_prints_of_like_faces_are_alike(tmp_path: Path) -> None:
    printer = SFace(sface(tmp_path / "sface.onnx"))
    dice = np.random.default_rng(0)
    picture = dice.integers(0, 60, (192, 256, 3)).astype(np.uint8)
    picture[40:110, 20:90], picture[40:110, 140:210] = (250, 20, 20), (20, 20, 250)
    points = ((35.0, 60.0), (75.0, 60.0), (55.0, 78.0), (40.0, 95.0), (70.0, 95.0))
    red = Face((20, 40, 90, 110), points)
    blue = Face((140, 40, 210, 110), tuple((x + 120, y) for x, y in points))
    prints = printer.prints(picture, [red, blue, red])
    assert prints.shape == (3, 128)
    assert np.allclose(np.linalg.norm(prints, axis=1), 1, atol=1e-5)
    assert prints[0] @ prints[2] > 0.999 > prints[0] @ prints[1]
    assert printer.prints(picture, []).shape == (0, 0)


@pytest.mark.parametrize("kind", [YuNet, SFace])
def test_a_file_that_is_no_network_is_one_sentence(kind: type, tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match=r"no\.onnx cannot be used .* import"):
        kind(tmp_path / "no.onnx")


def test_the_plain_print_knows_a_frame_again_and_not_another_face() -> None:
    if not faces.can_find_faces():
        pytest.skip("this OpenCV has no cascades")
    printer, made = Shape(), []
    for who in (0, 5, 11):
        for frame in range(3):
            picture = photograph(10 * who + frame, who, frame=frame)
            (box,) = faces.faces(np.asarray(picture.convert("L")))
            made.append((who, printer.prints(np.asarray(picture), [Face(box)])[0]))
    for one, a in made:
        for other, b in made:
            assert (a @ b >= printer.alike) == (one == other)
