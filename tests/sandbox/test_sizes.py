"""Each family draws the pixels that it was asked for."""

import pytest

from gateway.sandbox import sizes


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("1:1", (1024, 1024)), ("1x1", (1024, 1024)), ("4:1", (2048, 512)), ("1x4", (512, 2048)), ("16:9", (1368, 768))],
)
def test_a_ratio_has_one_megapixel(ratio, size):
    """About 1024 x 1024 pixels, whatever the ratio."""
    assert sizes.from_ratio(ratio) == size


def test_each_family_reads_its_own_parameter():
    """`size`, `aspectRatio` and `sampleImageSize`, the names of seedream, `resolution`."""
    assert sizes.by_size({"size": "800x600"}) == (800, 600)
    assert sizes.imagen({"aspectRatio": "1:1", "sampleImageSize": "2K"}) == (2048, 2048)
    assert sizes.seedream({"size": "4K"}) == (4096, 4096)
    assert sizes.seedream({"size": "1280x720"}) == (1280, 720)
    assert sizes.ideogram({"resolution": "512x1536"}) == (512, 1536)
    assert sizes.ideogram({"aspect_ratio": "2x1"}) == sizes.from_ratio("2:1")


def test_ideogram_lists_are_complete():
    """15 ratios and 69 resolutions."""
    assert len(set(sizes.IDEOGRAM_RATIOS)) == 15
    assert len(set(sizes.IDEOGRAM_RESOLUTIONS)) == 69
