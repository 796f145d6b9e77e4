"""One image file as pixels: every form that Pillow reads, compared with what numpy says."""

import io

import numpy as np
import pytest
from PIL import Image

from sparse_search.datasets.image_decoding import UNREADABLE, decode, read_header
from sparse_search.datasets.image_listing import image_formats

# Height 6, width 9: a transposed image cannot pass for a right one.
PICTURE = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
SIZE = (6, 9)


def saved(tmp_path, image, name, **options):
    """The path of the image as a file."""
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        ("png", {}),
        ("bmp", {}),
        ("ppm", {}),
        ("tga", {}),
        ("pcx", {}),
        ("sgi", {}),
        ("tiff", {"compression": "tiff_lzw"}),
        ("webp", {"lossless": True}),
        ("jp2", {"irreversible": False}),
    ],
)
def test_lossless_formats_give_the_very_pixels(tmp_path, suffix, options):
    """What was saved is what is read, whatever the format."""
    path = saved(tmp_path, Image.fromarray(PICTURE), f"a.{suffix}", **options)
    np.testing.assert_array_equal(decode(path, SIZE, False), PICTURE)
    header = read_header(path)
    assert (header.height, header.width, header.is_grey) == (6, 9, False)


def test_sixteen_bits_are_divided_by_257(tmp_path):
    """0, 257 k and 65535 become 0, k and 255; between them the nearest."""
    values = np.array([[0, 128, 129, 257 * 7, 257 * 7 + 129, 65535]], np.uint16)
    for suffix in ("png", "tiff"):
        path = saved(tmp_path, Image.fromarray(values), f"a.{suffix}")
        expected = np.rint(values / 257)[..., None]
        np.testing.assert_array_equal(decode(path, (1, 6), True), expected)
        assert read_header(path).is_grey


def test_transparency_is_seen_before_white(tmp_path):
    """A c + (1 - a) 255, within the rounding of one step; grey with alpha as well."""
    alpha = np.random.default_rng(1).integers(0, 256, (6, 9, 1), dtype=np.uint8)
    expected = PICTURE * (alpha / 255) + 255 * (1 - alpha / 255)
    path = saved(tmp_path, Image.fromarray(np.concatenate([PICTURE, alpha], axis=2)), "a.png")
    assert np.abs(decode(path, SIZE, False) - expected).max() <= 1.0
    grey = np.concatenate([PICTURE[..., :1], alpha], axis=2)
    path = saved(tmp_path, Image.fromarray(grey), "b.png")
    assert np.abs(decode(path, SIZE, True) - expected[..., :1]).max() <= 1.0
    assert read_header(path).is_grey


def test_palettes_and_single_bits_become_colours(tmp_path):
    """A palette's colours are looked up, its transparent one is white; bits are 0 and 255."""
    indices = np.arange(54, dtype=np.uint8).reshape(6, 9) % 4
    colours = np.array([[10, 20, 30], [200, 0, 0], [0, 99, 0], [1, 2, 250]], np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(colours.ravel().tolist())
    path = saved(tmp_path, image, "a.png")
    np.testing.assert_array_equal(decode(path, SIZE, False), colours[indices])
    assert not read_header(path).is_grey
    seen = colours.copy()
    seen[2] = 255
    path = saved(tmp_path, image, "b.png", transparency=2)
    np.testing.assert_array_equal(decode(path, SIZE, False), seen[indices])
    image.putpalette(np.repeat(colours[:, 1:2], 3, axis=1).ravel().tolist())
    path = saved(tmp_path, image, "c.gif")
    assert read_header(path).is_grey
    np.testing.assert_array_equal(decode(path, SIZE, True)[..., 0], colours[:, 1][indices])
    path = saved(tmp_path, Image.fromarray(indices == 1), "d.png")
    np.testing.assert_array_equal(decode(path, SIZE, True)[..., 0], 255 * (indices == 1))


def test_grey_is_luma(tmp_path):
    """0.299 R + 0.587 G + 0.114 B, within the rounding of one step."""
    path = saved(tmp_path, Image.fromarray(PICTURE), "a.png")
    expected = PICTURE @ np.array([0.299, 0.587, 0.114])
    assert np.abs(decode(path, SIZE, True)[..., 0] - expected).max() <= 1.0


def test_cmyk_is_read_as_colour(tmp_path):
    """An ink picture of no ink is white, of black ink black."""
    inks = np.zeros((8, 16, 4), np.uint8)
    inks[:, 8:, 3] = 255
    path = saved(tmp_path, Image.fromarray(inks, "CMYK"), "a.tiff")
    pixels = decode(path, (8, 16), False)
    assert pixels[:, :8].min() == 255
    assert pixels[:, 8:].max() == 0


# What undoes each EXIF orientation, by its definition: where row 0 and column 0 are to be seen.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a[:, ::-1].transpose(1, 0, 2),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a[::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_turned_back(tmp_path, suffix, orientation):
    """All eight EXIF orientations give the picture as it is shown, and the size of it."""
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:8, :8] = (250, 0, 0)
    picture[:8, 24:] = (0, 250, 0)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](picture)))
    options = {"webp": {"lossless": True}, "jpg": {"quality": 95, "subsampling": 0}}
    path = saved(tmp_path, stored, f"a.{suffix}", exif=exif, **options.get(suffix, {}))
    header = read_header(path)
    assert (header.height, header.width) == (16, 32)
    found = decode(path, (16, 32), False)
    assert np.abs(found.astype(int) - picture).max() <= (12 if suffix == "jpg" else 0)


def test_of_an_animation_the_first_frame_counts(tmp_path):
    """Frames and pages after the first one are not looked at."""
    first, second = (Image.fromarray(np.full((6, 9), v, np.uint8)) for v in (40, 200))
    for name in ("a.gif", "a.tiff", "a.webp"):
        options = {"lossless": True} if name.endswith("webp") else {}
        path = saved(tmp_path, first, name, save_all=True, append_images=[second], **options)
        assert np.unique(decode(path, SIZE, True)).tolist() == [40]


def test_scaling_averages_and_does_not_skip(tmp_path):
    """Lines of one pixel become their mean, which picking pixels would turn into black or white."""
    lines = np.zeros((128, 128), np.uint8)
    lines[::2] = 255
    for name in ("a.png", "a.jpg"):
        path = saved(tmp_path, Image.fromarray(lines), name)
        inner = decode(path, (16, 16), True)[1:-1, 1:-1]
        assert np.abs(inner.astype(float) - 127.5).max() <= 4.0
    # A plane stays a plane: its values at the middles of the new pixels.
    ramp = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None], 128, axis=0)
    path = saved(tmp_path, Image.fromarray(ramp), "b.png")
    inner = decode(path, (8, 32), True)[1:-1, 1:-1, 0]
    assert np.abs(inner - (4 * np.arange(1, 31) + 1.5) * 2).max() <= 1.0


def test_large_photographs_keep_their_look_when_less_is_decoded(tmp_path):
    """Decoding a JPEG at reduced scale is within a few steps of scaling all of it."""
    coarse = np.random.default_rng(2).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    large = Image.fromarray(coarse).resize((1024, 1024), Image.Resampling.BICUBIC)
    path = saved(tmp_path, large, "a.jpg", quality=95)
    whole = np.asarray(large.resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(decode(path, (32, 32), False) - whole).mean() <= 2.0


def test_damaged_files_raise_what_is_announced(tmp_path):
    """Truncated, empty, text, and numbers that are no pixels: all are among ``UNREADABLE``."""
    stream = io.BytesIO()
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for format in ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"):
        stream = io.BytesIO()
        Image.fromarray(noise).save(stream, format)
        path = tmp_path / "a.img"
        path.write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
        with pytest.raises(UNREADABLE):
            decode(path, SIZE, False)
    for content in (b"", b"no image", b"\xff\xd8\xff"):
        path.write_bytes(content)
        with pytest.raises(UNREADABLE):
            read_header(path)
    path = saved(tmp_path, Image.fromarray(noise[..., 0].astype(np.float32)), "a.tiff")
    with pytest.raises(UNREADABLE, match="floating-point"):
        decode(path, SIZE, False)


def test_no_program_is_run_to_read_an_image():
    """EPS would start Ghostscript; formats that are only recognised are left out as well."""
    assert not {"EPS", "WMF", "HDF5", "MPEG"} & {*image_formats()}
    assert {"JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"} <= {*image_formats()}
