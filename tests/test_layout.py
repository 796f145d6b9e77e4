"""The directions of imports, and that the code keeps to the size it promises."""

import ast
from pathlib import Path

import pytest

import sparse_search

ROOT = Path(__file__).parent.parent
SIBLINGS = {"morphisms", "pruning", "objectives"}
MAY_IMPORT = {
    "sparse_search": set(),
    "morphisms": {"sparse_search"},
    "pruning": {"sparse_search"},
    "objectives": {"sparse_search"},
    "experiments": {"sparse_search", *SIBLINGS},
}
COMPOSITION_ROOT = ROOT / "sparse_search" / "api.py"


def imported(path: Path) -> set[str]:
    """Top-level names of the packages of ours that a file imports from outside its own."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names & MAY_IMPORT.keys()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_inward(package: str) -> None:
    """No package imports one that lies further out; only ``api`` joins all."""
    files = [p for p in (ROOT / package).rglob("*.py") if p != COMPOSITION_ROOT]
    for path in files:
        outside = imported(path) - {package} - MAY_IMPORT[package]
        assert not outside, f"{path.relative_to(ROOT)} imports {outside}"
    assert imported(COMPOSITION_ROOT) >= SIBLINGS


def test_no_file_is_longer_than_400_lines() -> None:
    """A file that grows beyond that is split."""
    files = [p for package in [*MAY_IMPORT, "tests"] for p in (ROOT / package).rglob("*.py")]
    assert len(files) > 100
    too_long = [str(p) for p in files if len(p.read_text(encoding="utf-8").splitlines()) > 400]
    assert not too_long


def test_every_public_name_can_be_loaded() -> None:
    """The lazy names of the package are those that it announces, and each is there."""
    assert set(sparse_search._MODULES) == set(sparse_search.__all__)
    for name in sparse_search.__all__:
        assert getattr(sparse_search, name).__module__.startswith("sparse_search.")
    assert not hasattr(sparse_search, "nonsense")
