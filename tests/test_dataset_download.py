"""Downloads, against a web server on this machine."""

import hashlib
import socket
from dataclasses import replace

import pytest
from dataset_files import idx_arrays, served, write_idx

from sparse_search.datasets.download import RemoteFile, download
from sparse_search.datasets.mnist import MNIST, load_release
from sparse_search.errors import DatasetMissingError

CONTENT = bytes(range(256)) * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    """Requests to this machine go nowhere else."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def closed_address():
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/"


def test_the_next_mirror_helps_out(tmp_path):
    """A dead mirror, one without the file and one with a forged file are passed over."""
    good, empty, forged = (tmp_path / name for name in ("good", "empty", "forged"))
    for folder in (good, empty, forged):
        folder.mkdir()
    (good / "file.bin").write_bytes(CONTENT)
    (forged / "file.bin").write_bytes(CONTENT[:-1])
    with served(good) as (at_good, _), served(empty) as (at_empty, _), served(forged) as (bad, _):
        mirrors = (closed_address(), at_empty, bad, at_good)
        path = download(RemoteFile("file.bin", MD5, mirrors), tmp_path / "data")
    assert path == tmp_path / "data" / "file.bin"
    assert path.read_bytes() == CONTENT


def test_a_failure_says_what_was_tried_and_leaves_nothing(tmp_path):
    """The message has each address with its reason, the checksum, and the folder to fill."""
    (tmp_path / "forged").mkdir()
    (tmp_path / "forged" / "file.bin").write_bytes(b"forged")
    dead = closed_address()
    with served(tmp_path / "forged") as (bad, _):
        file = RemoteFile("file.bin", MD5, (dead, bad))
        with pytest.raises(DatasetMissingError) as caught:
            download(file, tmp_path / "data")
    message = str(caught.value)
    for text in (
        f"{dead}file.bin",
        f"{bad}file.bin",
        MD5,
        str(tmp_path / "data"),
        "by other means",
    ):
        assert text in message
    assert list((tmp_path / "data").iterdir()) == []


def test_a_release_is_fetched_once(tmp_path):
    """What is missing is downloaded into the subfolder; a second load asks for nothing."""
    paths = write_idx(tmp_path / "remote", idx_arrays())
    md5 = tuple(hashlib.md5(path.read_bytes()).hexdigest() for path in paths)
    with served(tmp_path / "remote") as (address, requests):
        release = replace(
            MNIST, train_count=60, test_count=20, size=(6, 5), mirrors=(address,), md5=md5
        )
        first = load_release(release, tmp_path / "data")
        assert len(requests) == 4
        (tmp_path / "data" / "mnist" / paths[2].name).unlink()
        again = load_release(release, tmp_path / "data")
        assert requests[4:] == [f"/{paths[2].name}"]
    assert first.train.images.tobytes() == again.train.images.tobytes()
    assert len(again.open_test()) == 20
