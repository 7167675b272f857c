"""Pages to a PDF, one after the other, so that no more than one is in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PIL import Image

_QUALITY = 92  # of the JPEG inside


def write_pdf(pages: Iterable[Image.Image], path: Path, *, dpi: int, title: str) -> int:
    """Write RGB `pages` at `dpi`; how many they were. Equal pages give equal bytes."""
    count = 0
    for count, page in enumerate(pages, 1):
        page.save(
            path,
            format="PDF",
            resolution=dpi,
            quality=_QUALITY,
            append=count > 1,
            title=title if count == 1 else None,
            creationDate=None,
            modDate=None,
        )
    return count
