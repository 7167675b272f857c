"""A face that must not be seen or learned: five by five means of its colours are left of it."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFilter

Box = tuple[int, int, int, int]

_CELLS = 5  # a side: who it is cannot be told from 25 colours
_ROOM = 0.35  # of the box's side on every side: hair and chin tell, too
_SOFT = 0.08  # of the box's side: the ellipse's edge


def veiled(image: Image.Image, boxes: Iterable[Box], scale: float = 1.0) -> Image.Image:
    """`image` with a veil over each of `boxes`, which lie in a picture `1 / scale` times as large.

    The means are taken over the box, so nothing of a face outlives them at any size.
    """
    for box in boxes:
        x0, y0, x1, y1 = (edge * scale for edge in box)
        across, down = _ROOM * (x1 - x0), _ROOM * (y1 - y0)
        left, top = max(0, round(x0 - across)), max(0, round(y0 - down))
        right, bottom = min(image.width, round(x1 + across)), min(image.height, round(y1 + down))
        if right <= left or bottom <= top:
            continue
        part = image.crop((left, top, right, bottom)).convert("RGB")
        means = part.resize((_CELLS, _CELLS), Image.Resampling.BOX)
        veil = means.resize(part.size, Image.Resampling.BICUBIC)
        edge = round(_SOFT * min(part.size))
        mask = Image.new("L", part.size, 0)
        ImageDraw.Draw(mask).ellipse((edge, edge, part.width - edge, part.height - edge), fill=255)
        inner = Image.new("L", part.size, 0)
        x, y = round(x0) - left, round(y0) - top
        ImageDraw.Draw(inner).rectangle((x, y, x + round(x1 - x0), y + round(y1 - y0)), fill=255)
        mask = mask.filter(ImageFilter.GaussianBlur(edge))
        mask.paste(inner, mask=inner)  # the face itself is covered whole
        part.paste(veil, mask=mask)
        image = image.copy()
        image.paste(part, (left, top))
    return image
