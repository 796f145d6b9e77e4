"""Made photographs: four kinds of surfaces, in many sizes and file formats."""

import numpy as np
from PIL import Image

KINDS = ("checks", "dots", "stripes", "sunset")
SUFFIXES = ("jpg", "png", "webp", "bmp", "gif", "tiff")


def draw(kind, generator):
    """A picture uint8 [90..180, 90..180, 3] with two colours, a light of its own and noise."""
    height, width = (int(side) for side in generator.integers(90, 180, 2))
    y, x = np.mgrid[0:height, 0:width]
    period, phase = generator.uniform(24, 40), generator.uniform(0, 6)
    if kind == "checks":
        pattern = (x // (period / 2) + y // (period / 2)) % 2
    elif kind == "dots":
        pattern = np.hypot(x % period - period / 2, y % period - period / 2) < period / 4
    elif kind == "stripes":
        pattern = np.sin(2 * np.pi * y / period + phase) > 0
    else:
        pattern = np.clip(y / height + 0.1 * np.sin(x / 20 + phase), 0, 1)
    colours = generator.integers(20, 110, 3), generator.integers(130, 240, 3)
    pixels = colours[0] + (colours[1] - colours[0]) * np.asarray(pattern, float)[..., None]
    pixels += generator.normal(0, 8, pixels.shape)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def write_photographs(folder, count=300, seed=0):
    """``count`` pictures in folders of their kind; every seventh is stored turned by EXIF."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        path = folder / kind / f"{number:03d}.{SUFFIXES[number // 4 % len(SUFFIXES)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels, exif = draw(kind, generator), Image.Exif()
        if number % 7 == 0 and path.suffix == ".jpg":
            pixels, exif[0x0112] = np.rot90(pixels), 6
        Image.fromarray(np.ascontiguousarray(pixels)).save(path, exif=exif)
    return folder
