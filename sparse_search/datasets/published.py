"""Where the files of published data sets are that cannot be downloaded from here."""

from pathlib import Path

from ..errors import DatasetMissingError


def find_published(data_dir: Path, places: tuple[str, ...], what: str) -> Path:
    """The first of ``places`` that is there.

    Args:
        data_dir: The data folder.
        places: Files or folders, relative to it.
        what: What is missing and where it comes from, for the error.

    Raises:
        DatasetMissingError: None of them is there.
    """
    found = next((data_dir / place for place in places if (data_dir / place).exists()), None)
    if found is None:
        raise DatasetMissingError(
            f"{data_dir}: expected {' or '.join(places)} in it, which is not there and cannot be "
            f"downloaded: {what}; put it there, or name the folder that has it with --data-dir or "
            "SPARSE_SEARCH_DATA_DIR"
        )
    return found
