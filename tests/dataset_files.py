"""Small files of exactly the official forms: IDX, CIFAR-10 batches, Python 2 pickles; a server."""

import functools
import gzip
import http.server
import lzma
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
BATCH_NAMES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")


def idx_bytes(array):
    """An IDX file of a uint8 array."""
    shape = np.shape(array)
    header = bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape)
    return header + np.asarray(array, dtype=np.uint8).tobytes()


def idx_arrays(train_count=60, test_count=20, size=(6, 5), seed=0):
    """Train images, train labels, test images, test labels; all ten classes in both."""
    generator = np.random.default_rng(seed)
    arrays = []
    for count in (train_count, test_count):
        arrays.append(generator.integers(0, 256, (count, *size), dtype=np.uint8))
        arrays.append(generator.permutation(np.arange(count, dtype=np.uint8) % 10))
    return arrays


def write_idx(folder, arrays, compress=True):
    """The four files; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, array in zip(IDX_NAMES, arrays, strict=True):
        content = idx_bytes(array)
        path = folder / (f"{name}.gz" if compress else name)
        path.write_bytes(gzip.compress(content, mtime=0) if compress else content)
        paths.append(path)
    return paths


def cifar_arrays(count=20, seed=0):
    """Six batches: planes uint8 [count, 3072] and labels [count], all ten classes in each."""
    generator = np.random.default_rng(seed)
    return [
        (
            generator.integers(0, 256, (count, 3072), dtype=np.uint8),
            generator.permutation(np.arange(count) % 10),
        )
        for _ in BATCH_NAMES
    ]


def binary_batch(planes, labels):
    """A batch of the binary version."""
    return np.column_stack([labels.astype(np.uint8), planes]).tobytes()


def write_binary_batches(folder, batches, compress=False):
    """The six files of the binary version, as .bin or .bin.xz; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (planes, labels) in zip(BATCH_NAMES, batches, strict=True):
        content = binary_batch(planes, labels)
        path = folder / f"{name}.bin{'.xz' if compress else ''}"
        path.write_bytes(lzma.compress(content) if compress else content)
        paths.append(path)
    return paths


def write_python_batches(folder, batches):
    """The six files of the Python version; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (planes, labels) in zip(BATCH_NAMES, batches, strict=True):
        content = {
            "batch_label": f"batch {name}",
            "labels": [int(label) for label in labels],
            "data": planes,
            "filenames": [f"picture_{i}.png" for i in range(len(labels))],
        }
        path = folder / name
        path.write_bytes(python2_pickle(content))
        paths.append(path)
    return paths


def python2_pickle(value):
    """What Python 2's cPickle.dump(value, protocol=2) writes, memo numbers included."""
    memo = iter(range(1, 1 << 31))

    def put():
        number = next(memo)
        return b"q" + bytes((number,)) if number < 256 else b"r" + struct.pack("<I", number)

    def text(content):
        raw = content.encode("latin-1") if isinstance(content, str) else content
        short = len(raw) < 256
        return (b"U" + bytes((len(raw),)) if short else b"T" + struct.pack("<I", len(raw))) + raw

    def integer(number):
        if 0 <= number < 1 << 8:
            return b"K" + bytes((number,))
        if 0 <= number < 1 << 16:
            return b"M" + struct.pack("<H", number)
        return b"J" + struct.pack("<i", number)

    def array(values):
        shape = b"".join(integer(n) for n in values.shape)
        shape = (
            b"(" + shape + b"t"
            if values.ndim > 3
            else shape + b"\x85\x86\x87"[values.ndim - 1 :][:1]
        )
        dtype = values.dtype.str[1:]
        return (
            b"cnumpy.core.multiarray\n_reconstruct\n" + put()
            + b"cnumpy\nndarray\n" + put() + b"K\x00\x85" + text("b") + b"\x87" + put()
            + b"R" + put() + b"(K\x01" + shape + put()
            + b"cnumpy\ndtype\n" + put() + text(dtype) + put() + b"K\x00K\x01\x87" + put()
            + b"R" + put() + b"(K\x03" + text(values.dtype.byteorder.replace("=", "<")) + put()
            + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00tb\x89"
            + text(values.tobytes()) + put() + b"tb"
        )  # fmt: skip

    def dump(item):
        if isinstance(item, dict):
            items = b"".join(dump(key) + dump(entry) for key, entry in item.items())
            return b"}" + put() + b"(" + items + b"u"
        if isinstance(item, list):
            chunks = [item[i : i + 1000] for i in range(0, len(item), 1000)]
            return b"]" + put() + b"".join(b"(" + b"".join(map(dump, c)) + b"e" for c in chunks)
        if isinstance(item, str):
            return text(item) + put()
        return array(item) if isinstance(item, np.ndarray) else integer(item)

    return b"\x80\x02" + dump(value) + b"."


@contextmanager
def served(folder) -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine; yields its address and the list of requested paths."""
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            requests.append(self.path)

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=folder)
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
