"""Checks what `make demo` left behind: a model that keeps its promise, and proof for every one."""

import json
import sys
from pathlib import Path

import pandas as pd

COLUMNS = (
    "candidate,val_error,test_error,nonzeros,flash_bytes,arena_bytes,in_weights_bytes,"
    "in_out_bytes,macs,parameters"
)
TEST_IMAGES = 360

folder = Path(sys.argv[1])
front = pd.read_csv(folder / "front.csv")
assert ",".join(front.columns) == COLUMNS, front.columns
assert (folder / "front.png").stat().st_size > 10_000
assert (front.flash_bytes <= 2048).all()
assert (front.arena_bytes <= 2048).all()
assert (front.test_error <= 0.05).any(), front.test_error
for candidate in front.candidate:
    text = (folder / f"exports/{candidate}/certificate.json").read_text()
    certificate = json.loads(text)["host"]
    assert certificate["images"] == certificate["identical"] == TEST_IMAGES, certificate
    assert certificate["measured_arena_bytes"] <= certificate["predicted_arena_bytes"]
print(f"{len(front)} models, best test error {front.test_error.min():.2%}, all C verified")
