"""Augmentation: what it does to images, and how it is written."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from sparse_search.augmentation import Augmentation, parse_augmentation
from sparse_search.errors import StudyError


def images(count: int, channels: int = 3, height: int = 9, width: int = 12) -> torch.Tensor:
    """Random images [n, c, h, w] in [0, 1]."""
    return torch.rand(count, channels, height, width, generator=generator(1))


def generator(seed: int) -> torch.Generator:
    """Of this seed."""
    return torch.Generator().manual_seed(seed)


class TestDraw:
    """``Augmentation.draw``."""

    def test_nothing_by_default(self):
        """The images themselves, and no random number is used."""
        x, source = images(3), generator(0)
        state = source.get_state()
        assert Augmentation().draw(x, source) is x
        assert torch.equal(source.get_state(), state)

    def test_places_are_those_of_scipy(self):
        """Bilinear, border repeated, around the centre, as ndimage maps (row, column)."""
        augmentation = Augmentation(rotate_degrees=25, scale=0.3, stretch=0.2, shear=0.4)
        x = images(20)
        drawn = augmentation.draw(x, generator(2))
        transforms = augmentation._transforms(len(x), generator(2)).double().numpy()
        centre = np.array([4.0, 5.5])
        for image, found, transform in zip(x.numpy(), drawn.numpy(), transforms, strict=True):
            matrix = transform[::-1, ::-1]
            offset = centre - matrix @ centre
            for plane, expected in zip(found, image, strict=True):
                moved = ndimage.affine_transform(expected, matrix, offset, order=1, mode="nearest")
                np.testing.assert_allclose(plane, moved, atol=1e-4)

    @pytest.mark.parametrize(
        ("augmentation", "largest"),
        [
            (Augmentation(rotate_degrees=30), np.deg2rad(30)),
            (Augmentation(scale=0.25), np.log(1.25)),
            (Augmentation(stretch=0.25), np.log(1.25)),
            (Augmentation(shear=0.5), 0.5),
        ],
    )
    def test_sizes_are_the_largest(self, augmentation, largest):
        """Both directions are used up to the limit, and none beyond."""
        a = augmentation._transforms(500, generator(3)).double().numpy()
        if augmentation.shear:
            found = a[:, 0, 1]
        elif augmentation.rotate_degrees:
            found = np.arctan2(a[:, 1, 0], a[:, 0, 0])
        else:
            found = -np.log(a[:, 0, 0])
            assert np.allclose(a[:, 1, 1], a[:, 0, 0] ** (-1 if augmentation.stretch else 1))
        assert -largest * 1.001 < found.min() < -0.95 * largest
        assert 0.95 * largest < found.max() < largest * 1.001

    def test_negatives_are_half(self):
        """An image comes as it is or inverted."""
        x = images(200)
        drawn = Augmentation(negative=True).draw(x, generator(4))
        same = (drawn == x).flatten(1).all(1)
        inverted = (drawn == 1.0 - x).flatten(1).all(1)
        assert (same ^ inverted).all()
        assert 60 < int(same.sum()) < 140

    def test_channels_come_in_every_order(self):
        """All six of three channels; one channel stays."""
        x = images(200)
        drawn = Augmentation(recolour=True).draw(x, generator(5))
        orders = {
            tuple(next(i for i in range(3) if torch.equal(plane, old[i])) for plane in new)
            for new, old in zip(drawn, x, strict=True)
        }
        assert len(orders) == 6
        grey = images(5, channels=1)
        assert torch.equal(Augmentation(recolour=True).draw(grey, generator(5)), grey)

    def test_contrast_is_a_gain_and_an_offset(self):
        """One of each for an image, in their ranges; the result is a pixel."""
        x = 0.4 + 0.2 * images(300)
        drawn = Augmentation(contrast=0.4).draw(x, generator(6)).flatten(1).double()
        flat = x.flatten(1).double()
        gain = (drawn[:, 1] - drawn[:, 0]) / (flat[:, 1] - flat[:, 0])
        offset = (drawn - 0.5 - gain[:, None] * (flat - 0.5)).mean(1)
        assert 0.599 < gain.min() < 0.65 < 1.35 < gain.max() < 1.401
        assert -0.201 < offset.min() < -0.15 < 0.15 < offset.max() < 0.201
        wide = Augmentation(contrast=1.0).draw(images(50), generator(7))
        assert wide.min() == 0.0
        assert wide.max() == 1.0


class TestText:
    """``parse_augmentation`` and ``Augmentation.text``."""

    @pytest.mark.parametrize(
        "augmentation",
        [
            Augmentation(),
            Augmentation(2, True),
            Augmentation(1, False, 7.5, 0.1, 0.2, 0.3, 0.4, True, True),
        ],
    )
    def test_what_is_written_is_read(self, augmentation):
        """Both ways."""
        assert parse_augmentation(augmentation.text) == augmentation

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "shift, flip, rotate"),
            ("rotat 3", "got 'rotat 3'"),
            ("flip, none", "got 'none'"),
            ("shift", 'expected "shift 2"'),
            ("shift 1.5", 'expected "shift 2"'),
            ("scale big", 'expected "scale 0.1"'),
            ("flip 1", 'expected "flip"'),
            ("scale 1 2", 'expected "scale 0.1"'),
            ("shift -1", "sizes from 0"),
            ("rotate inf", "sizes from 0"),
            ("rotate nan", "sizes from 0"),
            ("contrast 1.5", "at most 1"),
        ],
    )
    def test_mistakes_are_named(self, text, said):
        """With what was expected."""
        with pytest.raises(StudyError, match=said):
            parse_augmentation(text)
