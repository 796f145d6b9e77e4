"""Two models in one firmware, and wrong calls, on every emulated core."""

from pathlib import Path

import numpy as np
import pytest
from emulated import requires_core
from random_models import random_graph, random_images, random_model

from sparse_search.deploy import ExportOptions, export_c
from sparse_search.deploy.cores import CORES
from sparse_search.deploy.emulate import run_firmware
from sparse_search.deploy.firmware import build_program, model_flags, model_sources
from sparse_search.encoding import EncodingPolicy
from sparse_search.memory import plan_memory

MAIN = Path(__file__).parent / "harness_two_models.c"
IMAGES = 6


@pytest.mark.parametrize("core", CORES)
def test_two_models_share_a_firmware_and_wrong_calls_write_nothing(
    tmp_path: Path, core: str
) -> None:
    """Outputs are right in turn, arenas and canaries untouched, every error as documented.

    The models have the same graph, other weights and other encodings; an AVR takes any address, so
    that only there no arena is misaligned.
    """
    emulated = requires_core(core)
    generator = np.random.default_rng(8)
    graph = random_graph(generator)
    policies = {"wake": EncodingPolicy(("bitmap",)), "sleep": EncodingPolicy(("gaps4",))}
    sources, folders, expected = {MAIN: model_flags(emulated)}, [], []
    images = random_images(generator, graph, IMAGES)
    for prefix, policy in policies.items():
        model = random_model(generator, graph)
        plan = plan_memory(model, policy=policy)
        folder = tmp_path / prefix
        export = export_c(model, plan, folder, options=ExportOptions(prefix=prefix))
        held = {path.name for path in sources}
        made = model_sources(folder, export.manifest, emulated)
        sources |= {path: flags for path, flags in made.items() if path.name not in held}
        folders.append(folder)
        expected.append(model.forward(images))
    build_dir = tmp_path / "build"
    build_dir.mkdir()
    firmware = build_program(emulated, sources, build_dir, include=folders, images=images)
    data = run_firmware(firmware, images, build_dir)

    classes = graph.output.size
    assert len(data) == IMAGES * (2 * classes + 12) + 8
    runs = np.frombuffer(data[:-8], np.uint8).reshape(IMAGES, -1)
    np.testing.assert_array_equal(runs[:, : 2 * classes].view(np.int8), np.hstack(expected))
    assert not runs[:, 2 * classes :].any(), "a call failed, or wrote outside its arena"
    assert data[-8:] == bytes(8), "a wrong call was answered wrongly, or has written"
    assert firmware.sections.get(".data", 0) == 0
