"""Downloads by published checksum, from one mirror after the other."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ..errors import DatasetMissingError


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be had from the network.

    Attributes:
        name: File name, the same at every mirror.
        md5: Published checksum, hexadecimal.
        mirrors: Addresses of folders, each ending in "/", tried in order.
    """

    name: str
    md5: str
    mirrors: tuple[str, ...]

    @property
    def addresses(self) -> tuple[str, ...]:
        """Full address at each mirror."""
        return tuple(mirror + self.name for mirror in self.mirrors)


def download(file: RemoteFile, folder: Path) -> Path:
    """Fetches ``file`` into ``folder`` and returns its path.

    What arrives is checked before it takes its final name, so an interrupted or forged download
    leaves nothing behind.

    Raises:
        DatasetMissingError: No mirror delivered the file; says what was tried.
    """
    problems = []
    for address in file.addresses:
        try:
            with _Bar(file.name) as bar:
                downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=_Bar.CHUNK_BYTES)
                path = pooch.retrieve(
                    address,
                    known_hash=f"md5:{file.md5}",
                    fname=file.name,
                    path=folder,
                    downloader=downloader,
                )
            return Path(path)
        # requests' errors are OSErrors; pooch reports a wrong checksum as a ValueError.
        except (OSError, ValueError) as error:
            problems.append(f"  {address}: {type(error).__name__}: {str(error)[:200]}")
    raise DatasetMissingError(
        f"{folder / file.name}: not there, and it could not be downloaded. Tried\n"
        + "\n".join(problems)
        + f"\nFetch {file.name} (md5 {file.md5}) by other means and put it into {folder}, or name "
        "the folder that has it with --data-dir or SPARSE_SEARCH_DATA_DIR"
    )


class _Bar:
    """A rich progress bar with the interface that pooch expects; silent where no one looks."""

    CHUNK_BYTES = 1 << 16

    def __init__(self, name: str) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=None)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def __bool__(self) -> bool:
        return True

    @property
    def total(self) -> float | None:
        return self._progress.tasks[0].total

    @total.setter
    def total(self, byte_count: int) -> None:
        self._progress.update(self._task, total=byte_count or None)

    def update(self, byte_count: int) -> None:
        self._progress.update(self._task, advance=byte_count)

    def reset(self) -> None:
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        self._progress.stop()
