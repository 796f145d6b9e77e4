"""What of a study's settings must stay, and how data was read."""

from pathlib import Path

import numpy as np
import pytest
from test_dataset_images import write_classes

from sparse_search.dataset import ReadOptions, load_dataset, load_recorded
from sparse_search.errors import DatasetError, StudyError
from sparse_search.study_settings import check_settings, study_settings


def settings(fingerprint, options=None):
    """Settings of a study on data read with these options; None for a study of before them."""
    recorded = {} if options is None else {"options": options}
    return {"seed": 0, "dataset": {"fingerprint": fingerprint, **recorded}}


def test_equal_pixels_are_enough_to_continue():
    """Options are information: grey images are the same with and without --grey."""
    check_settings(Path("run"), settings("a", {"grey": True}), settings("a", {}))
    check_settings(Path("run"), settings("a"), settings("a", {}))


def test_other_pixels_are_refused_with_both_options():
    """The likely reason is shown beside the fingerprints, and only where it differs."""
    stored = settings("a", {"size": [32, 32]})
    with pytest.raises(StudyError, match="fingerprint") as caught:
        check_settings(Path("run"), stored, settings("b", {"size": [24, 24]}))
    assert "options: the study has {'size': [32, 32]}, this call has {'size': [24, 24]}" in str(
        caught.value
    )
    with pytest.raises(StudyError) as caught:
        check_settings(Path("run"), stored, settings("b", {"size": [32, 32]}))
    assert "options" not in str(caught.value)


def test_long_values_are_shown_in_short():
    """A list of networks by its length; a message stays readable."""
    networks = [{"blocks": [{"layers": [number] * 100}]} for number in range(8)]
    for stored, wanted, words in (
        (networks, None, "the study has a list of 8, this call has none"),
        (networks, networks[::-1], "the study has a list of 8, this call has a list of 8 that dif"),
    ):
        with pytest.raises(StudyError) as caught:
            check_settings(Path("run"), {"start": stored}, {"start": wanted})
        assert words in str(caught.value)
        assert len(str(caught.value)) < 400


def test_a_recorded_data_set_is_read_in_the_same_way(tmp_path):
    """From settings through JSON values to the same pixels; a damaged record is refused."""
    write_classes(tmp_path / "x", {"a": 6, "b": 6})
    data = load_dataset(tmp_path / "x", seed=3, options=ReadOptions(size=(3, 2), grey=True))
    recorded = study_settings(dataset=data, values={}, parts={})["dataset"]
    assert recorded["options"] == {"size": [3, 2], "grey": True}
    again = load_recorded(recorded, seed=3)
    assert again.fingerprint() == data.fingerprint()
    np.testing.assert_array_equal(again.open_test().images, data.open_test().images)
    with pytest.raises(DatasetError, match="later version"):
        load_recorded({**recorded, "options": {"crop": 3}})
