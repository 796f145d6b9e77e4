"""The reader of arrays in pickles: agrees with pickle on honest files, refuses all others."""

import contextlib
import os
import pickle

import numpy as np
import pytest
from dataset_files import python2_pickle
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from hypothesis.extra.numpy import arrays as any_array

from sparse_search.datasets.pickled_arrays import RefusedPickleError, read_pickled_arrays

numbers = st.integers(-(2**31), 2**31 - 1)
texts = st.text(st.characters(max_codepoint=255), max_size=300)
array_values = st.sampled_from(["uint8", "int32", "float32", "float64"]).flatmap(
    lambda dtype: any_array(
        dtype,
        array_shapes(max_dims=4, max_side=4),
        elements=None if dtype[0] != "f" else st.floats(-9, 9, width=16),
    )
)
values = st.dictionaries(texts, numbers | texts | st.lists(numbers | texts) | array_values)


def _equal(left, right):
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_equal(left[k], right[k]) for k in left)
    return type(left) is type(right) and left == right


@settings(deadline=None, max_examples=100)
@given(values)
def test_agrees_with_pickle_on_what_python_2_wrote(value):
    """The standard unpickler and this reader give the same value: the one that was written."""
    data = python2_pickle(value)
    found = read_pickled_arrays(data)
    assert _equal(found, pickle.loads(data, encoding="latin1"))
    assert _equal(found, value)


def test_reads_long_lists_and_memo_references():
    """10,000 labels come in chunks of 1000; an object written once may be referred to again."""
    labels = [i % 10 for i in range(10_000)]
    assert read_pickled_arrays(python2_pickle(labels)) == labels
    assert read_pickled_arrays(pickle.dumps([labels, labels], 2)) == [labels, labels]


class _Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def _exploits(marker):
    command = f"touch {marker}"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield f"os.system, protocol {protocol}", pickle.dumps(_Evil(os.system, command), protocol)
        yield (
            f"eval, protocol {protocol}",
            pickle.dumps(_Evil(eval, f"open({marker!r}, 'w')"), protocol),
        )
        hidden = {"data": [1, _Evil(os.system, command)], "labels": [0]}
        yield f"inside a dict, protocol {protocol}", pickle.dumps(hidden, protocol)
    quoted = repr(command).encode()
    yield "INST", b"(S" + quoted + b"\nios\nsystem\n."
    yield "OBJ", b"(cos\nsystem\nS" + quoted + b"\no."
    yield (
        "NEWOBJ",
        b"\x80\x02cos\nsystem\nU" + bytes((len(command),)) + command.encode() + b"\x85\x81.",
    )
    yield "persistent id", b"Phello\n."
    yield "extension registry", b"\x80\x02\x82\x01."
    yield (
        "a dtype that names a module",
        python2_pickle(np.zeros(3, np.uint8)).replace(b"cnumpy\ndtype", b"cos\nsystem"),
    )
    yield (
        "an array of objects",
        python2_pickle(np.zeros(3, np.uint8)).replace(b"U\x02u1", b"U\x02O8"),
    )
    yield "state for a list", b"\x80\x02]}b."
    yield "a bare name", b"\x80\x02cos\nsystem\n."


def test_nothing_in_a_file_is_executed(tmp_path):
    """Files that pickle would run a command for are refused, and the command did not run."""
    marker = str(tmp_path / "executed")
    for name, data in _exploits(marker):
        with pytest.raises(RefusedPickleError):
            pytest.fail(f"{name} was read as {read_pickled_arrays(data)!r}")
        assert not (tmp_path / "executed").exists(), name


def test_the_exploits_of_this_test_are_real(tmp_path):
    """The standard unpickler does run the command: the refusals above refuse something."""
    marker = tmp_path / "executed"
    data = dict(_exploits(str(marker)))["os.system, protocol 2"]
    pickle.loads(data)
    assert marker.exists()


@settings(deadline=None, max_examples=200)
@given(values, st.data())
def test_damage_is_refused_or_harmless(value, data):
    """A truncated file or a changed byte gives a RefusedPickleError or a plain value, no crash."""
    content = bytearray(python2_pickle(value))
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content = content[:position]
    else:
        content[position] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RefusedPickleError):
        read_pickled_arrays(bytes(content))
