"""How many pixels each family draws for what it was asked."""

import math
from collections.abc import Mapping
from typing import Any

from gateway.sandbox.rules import dimensions

Size = tuple[int, int]

IDEOGRAM_RATIOS = "1x3 3x1 1x2 2x1 9x16 16x9 10x16 16x10 2x3 3x2 3x4 4x3 4x5 5x4 1x1".split()
# Ideogram reference, generate with V3: the complete list.
IDEOGRAM_RESOLUTIONS = """
512x1536 576x1408 576x1472 576x1536 640x1344 640x1408 640x1472 640x1536 704x1152 704x1216 704x1280 704x1344 704x1408
704x1472 736x1312 768x1088 768x1216 768x1280 768x1344 800x1280 832x960 832x1024 832x1088 832x1152 832x1216 832x1248
864x1152 896x960 896x1024 896x1088 896x1120 896x1152 960x832 960x896 960x1024 960x1088 1024x832 1024x896 1024x960
1024x1024 1088x768 1088x832 1088x896 1088x960 1120x896 1152x704 1152x832 1152x864 1152x896 1216x704 1216x768 1216x832
1248x832 1280x704 1280x768 1280x800 1312x736 1344x640 1344x704 1344x768 1408x576 1408x640 1408x704 1472x576 1472x640
1472x704 1536x512 1536x576 1536x640
""".split()
_NAMED_SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}


def from_ratio(ratio: str, side: int = 1024) -> Size:
    """Find the size of a ratio such as `3:2` or `3x2` with the area of a square of that side, in multiples of 8."""
    width, height = (int(part) for part in ratio.replace("x", ":").split(":"))
    stretch = math.sqrt(width / height)
    return round(side * stretch / 8) * 8, round(side / stretch / 8) * 8


def by_size(given: Mapping[str, Any]) -> Size:
    """Take `size` to the letter; 1024x1024 without one."""
    return dimensions(given.get("size")) or (1024, 1024)


def by_aspect_ratio(given: Mapping[str, Any]) -> Size:
    """Draw about one megapixel of the `aspect_ratio`; a square without one."""
    return from_ratio(given.get("aspect_ratio", "1:1"))


def imagen(given: Mapping[str, Any]) -> Size:
    """Draw `aspectRatio` at `sampleImageSize`."""
    return from_ratio(given.get("aspectRatio", "1:1"), _NAMED_SIDES[given.get("sampleImageSize", "1K")])


def seedream(given: Mapping[str, Any]) -> Size:
    """Take `size` to the letter, or the square that its name stands for."""
    side = _NAMED_SIDES.get(given["size"])
    return (side, side) if side else by_size(given)


def ideogram(given: Mapping[str, Any]) -> Size:
    """Take `resolution` to the letter, else `aspect_ratio`."""
    return dimensions(given.get("resolution")) or by_aspect_ratio(given)
