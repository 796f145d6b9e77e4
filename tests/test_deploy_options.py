"""Options and models that no export takes, each refused in a sentence."""

from pathlib import Path

import pytest
from test_deploy_export import export, small_model

from sparse_search.deploy import ExportOptions
from sparse_search.errors import ExportError
from sparse_search.graph import Conv2d, Dense, Graph, MaxPool2d, Tensor


def test_unknown_optimization_is_refused(tmp_path: Path) -> None:
    """It would silently be another one."""
    options = ExportOptions(optimize="fast")  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="one of size, speed"):
        export(small_model(), tmp_path / "x", options)


@pytest.mark.parametrize(
    "prefix",
    [
        *("", "Model", "1st", "ss_net", "main", "a-b", "verify_model", "verify"),
        *("string", "stdint", "signal", "time", "limits", "golden", "arduino", "test"),
    ],
)
def test_impossible_prefix_is_refused(tmp_path: Path, prefix: str) -> None:
    """A prefix is part of C names and of file names."""
    with pytest.raises(ExportError, match="prefix"):
        export(small_model(), tmp_path / "x", ExportOptions(prefix=prefix))


def test_model_that_the_runtime_cannot_hold_is_refused(tmp_path: Path) -> None:
    """A window of 300 does not fit the record, one in the padding alone has nothing to see."""
    tensors = (Tensor("input", (300, 1, 1)), Tensor("t", (1, 1, 1)), Tensor("o", (1, 1, 2)))
    last = Dense("fc", ("t",), "o")
    wide = Graph(tensors, (MaxPool2d("pool", ("input",), "t", (300, 1), (1, 1)), last))
    with pytest.raises(ExportError, match="pool: k_h"):
        export(small_model(graph=wide), tmp_path / "x")
    tensors = (Tensor("input", (2, 1, 1)), Tensor("t", (2, 1, 1)), Tensor("o", (1, 1, 2)))
    conv = Conv2d("conv", ("input",), "t", (1, 1), (2, 1), (2, 0, 0, 0))
    with pytest.raises(ExportError, match="conv: expected every window"):
        export(small_model(graph=Graph(tensors, (conv, last))), tmp_path / "x")


def test_more_outputs_than_the_c_can_count_are_refused(tmp_path: Path) -> None:
    """The index of the largest has 16 bits; the loop over 65,536 would not end."""
    conv = Conv2d("conv", ("input",), "o", (1, 1), (1, 1), (0, 0, 0, 0))
    most, more = (
        Graph((Tensor("input", (1, width, 1)), Tensor("o", (1, width, 1))), (conv,))
        for width in (65535, 65536)
    )
    export(small_model(graph=most), tmp_path / "x")
    with pytest.raises(ExportError, match=r"at most 65,535 outputs.* got 65,536"):
        export(small_model(graph=more), tmp_path / "y")


def test_class_names_of_undecodable_bytes_are_refused(tmp_path: Path) -> None:
    """A folder's name that is no UTF-8 cannot be written into a header; it is shown escaped."""
    names = (b"caf\xe9".decode("utf-8", "surrogateescape"), *"abcd")
    with pytest.raises(ExportError, match=r"in Unicode, got 'caf\\udce9'.* rename"):
        export(small_model(), tmp_path / "x", ExportOptions(class_names=names))
