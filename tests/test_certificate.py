"""Certificates: what fails one, how several are stored, how they look, how cycles are counted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from sparse_search.deploy.certificate import (
    Certificate,
    Figure,
    drop_certificate,
    read_certificates,
    store_certificate,
)
from sparse_search.deploy.cores import CORES
from sparse_search.deploy.emulate import count_of
from sparse_search.report import certificate_table

GOOD = Certificate(
    model_hash="abc",
    core="m4",
    compiler="cc 1",
    flags=("-O2",),
    images=64,
    identical=64,
    correct=None,
    predicted_arena_bytes=1200,
    measured_arena_bytes=1198,
    writes_below_arena=False,
    reads_uninitialised=False,
    modified_files=(),
    first_difference=None,
    figures=(
        Figure("arena", "B", 1200, 1200, 0.0),
        Figure(".text", "B", 3000, 3100, 0.05),
        Figure("stack", "B", None, 180),
        Figure("instructions", "", None, 123456),
    ),
)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"figures": (Figure(".bss", "B", 8, 12, 0.0),)}, ".bss: expected 8 B as predicted, m"),
        ({"figures": (Figure(".text", "B", 100, 106, 0.05),)}, "measured 106"),
        ({"wrong_codes": 2}, "2 calls return another code"),
        ({"refused_writes": 3}, "have written 3 bytes"),
    ],
)
def test_each_disagreement_fails(change: dict[str, object], words: str) -> None:
    """One sentence on each; without any the certificate is passed."""
    assert GOOD.passed
    bad = replace(GOOD, **change)
    assert not bad.passed
    (sentence,) = bad.failures
    assert words in sentence


def test_code_beyond_its_tolerance_fails() -> None:
    """Five in a hundred more or less are accepted, six are not; what is only shown is."""
    assert Figure(".text", "B", 1000, 950, 0.05).agrees
    assert not Figure(".text", "B", 1000, 940, 0.05).agrees
    assert not Figure(".text", "B", 1000, None, 0.05).agrees
    assert Figure("stack", "B", 100, 300).agrees


def test_an_export_keeps_one_certificate_per_core(tmp_path: Path) -> None:
    """Those of another model go, the same core is replaced, a damaged file is started anew."""
    assert read_certificates(tmp_path) == {}
    store_certificate(tmp_path, GOOD)
    host = replace(GOOD, core="host", figures=())
    store_certificate(tmp_path, host)
    assert read_certificates(tmp_path) == {"m4": GOOD, "host": host}
    drop_certificate(tmp_path, "m4")
    drop_certificate(tmp_path, "m3")
    assert read_certificates(tmp_path) == {"host": host}
    other = replace(GOOD, model_hash="def")
    store_certificate(tmp_path, other)
    assert read_certificates(tmp_path) == {"m4": other}
    (tmp_path / "certificate.json").write_text('{"images": 3}')
    with pytest.raises(ValueError, match="images"):
        read_certificates(tmp_path)
    store_certificate(tmp_path, GOOD)
    assert read_certificates(tmp_path) == {"m4": GOOD}


def test_the_table_shows_predictions_that_differ(tmp_path: Path) -> None:
    """Measured in every cell, the prediction below it where it is another number."""
    figures = (Figure("arena", "B", 8, 12, 0.0), Figure("cycles", "", None, 77))
    bad = replace(GOOD, core="avr", figures=figures)
    console = Console(width=80, record=True, file=(tmp_path / "text").open("w"))
    console.print(certificate_table([GOOD, bad]))
    console.file.close()
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["figure", "m4", "avr"] in lines
    assert ["arena,", "B", "1,200", "12"] in lines
    assert ["(8)"] in lines
    assert [".text,", "B", "3,100", "–"] in lines
    assert ["(3,000)"] in lines
    assert ["stack,", "B", "180", "–"] in lines
    assert ["verdict", "passed", "FAILED"] in lines


def test_cycles_are_put_together_from_two_runs() -> None:
    """One run counts modulo 2^16, the other in 1024s; beyond 2^26 there is no count."""
    for cycles in (0, 7, 1023, 65535, 65536, 65537, 3_669_121, 67_000_000):
        ticks = np.array([[cycles % 65536 + 65536 * (cycles > 65535), cycles // 1024]])
        assert count_of(CORES["avr"], ticks, 0) == cycles
    assert count_of(CORES["avr"], np.array([[5, 65536]]), 0) is None
    assert count_of(CORES["m4"], np.array([[6400, 640]]), 0) == 1000
