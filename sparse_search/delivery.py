"""deliver(record, dataset): from a finished study to front, pictures and verified C.

Everything here can be made again from the record. The test split is opened when everything has been
chosen: once to measure the models' errors, then only as images that C and reference must agree on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from .dataset import Dataset, Split
from .datasets.pixels import PIXELS
from .deploy import Certificate, ExportOptions, export_c, verify
from .deploy.certificate import read_certificates
from .deploy.cores import HOST
from .deploy.manifest import MANIFEST_NAME, modified_files, read_manifest
from .errors import ExportError
from .memory import plan_memory
from .record import EXPORTS, StudyRecord
from .report import (
    PruningGains,
    draw_front,
    draw_layers,
    draw_paths,
    front_frame,
    pruning_gains,
    write_front_csv,
)
from .stopping import ERROR

GOLDEN_IMAGES = 4
PRUNING = "pruning"

Step = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Delivery:
    """What a run's folder holds beside the study.

    Attributes:
        front: One row per Pareto-optimal model, the columns of ``front.csv``.
        csv: The table as a file.
        png: The picture of the front.
        exports: Folder with one export per model, named by candidate.
        certificates: By candidate id.
        gains: What pruning the models further has gained; None where that was not done.
    """

    front: pd.DataFrame
    csv: Path
    png: Path
    exports: Path
    certificates: dict[int, Certificate]
    gains: PruningGains | None

    @property
    def verified(self) -> bool:
        """Whether the C of every model computes what was measured, on every test image."""
        return all(certificate.passed for certificate in self.certificates.values())


def deliver(
    record: StudyRecord, dataset: Dataset, step: Step = lambda what, done, total: None
) -> Delivery:
    """Measures the front on the test split once, draws it, exports its models and verifies them.

    An export that is there, unchanged and verified, is kept.

    Args:
        record: A study whose search is finished.
        dataset: The study's.
        step: Called with (what is done, how many are done, of how many).
    """
    errors = record.measure_test(
        dataset, lambda done, total: step("measuring the test split", done, total)
    )
    frame, csv, png = write_front(record, errors)
    gains = write_pruning(record)
    certificates: dict[int, Certificate] = {}
    test = dataset.open_test() if errors else None
    for done, candidate_id in enumerate(errors):
        step("exporting and verifying", done, len(errors))
        assert test is not None
        folder = record.folder / EXPORTS / str(candidate_id)
        certificates[candidate_id] = _export_and_verify(record, dataset, test, candidate_id, folder)
    return Delivery(frame, csv, png, record.folder / EXPORTS, certificates, gains)


def write_front(record: StudyRecord, errors: dict[int, float]) -> tuple[pd.DataFrame, Path, Path]:
    """Writes ``front.csv`` and ``front.png`` of a study; ``errors`` by candidate may be empty."""
    front = record.front()
    frame = front_frame(front, errors)
    csv, png = record.folder / "front.csv", record.folder / "front.png"
    write_front_csv(csv, frame)
    draw_front(
        record.history().evaluations,
        front,
        record.limits,
        png,
        title=f"{record.settings['dataset']['name']}: Pareto front",
    )
    return frame, csv, png


def gains_of(record: StudyRecord) -> PruningGains | None:
    """What pruning the models of a run further has gained; None where that was not done."""
    found = pruning_gains(
        record.history(), record.front(), record.space, record.limits, record.validation_images
    )
    return found if found.paths else None


def write_pruning(record: StudyRecord) -> PruningGains | None:
    """Draws the paths of every model that was pruned further, and the layers of the front.

    The pictures are ``pruning/path-ID.png`` and ``pruning/layers-ID.png`` in the run's folder.

    Returns:
        What the paths have gained; None, and no picture, where there are none.
    """
    gains = gains_of(record)
    if gains is None:
        return None
    front, space = record.front(), record.space
    folder, name = record.folder / PRUNING, record.settings["dataset"]["name"]
    for path in gains.paths:
        number = path.model.candidate.id
        title = f"{name}: candidate {number}, pruned further"
        draw_paths(path, front, folder / f"path-{number}.png", title=title)
    for member in front.evaluations:
        number = member.candidate.id
        draw_layers(
            plan_memory(space.build(member.candidate.architecture)),
            plan_memory(record.load_model(number)),
            folder / f"layers-{number}.png",
            title=f"{name}: candidate {number}, {member.objectives[ERROR]:.2%} validation error",
        )
    return gains


def export_options(
    record: StudyRecord,
    candidate_id: int,
    dataset: Dataset | None,
    options: ExportOptions | None = None,
) -> ExportOptions:
    """Options of an export that say what a study knows about its model.

    Args:
        record: The study.
        candidate_id: Of an evaluated candidate.
        dataset: The study's, for golden images and class names; None for random images.
        options: For all else; None for the defaults.
    """
    outcomes = record.history().evaluations
    candidate = next(e.candidate for e in outcomes if e.candidate.id == candidate_id)
    stored = record.settings["dataset"]
    return replace(
        options or ExportOptions(),
        golden_images=None if dataset is None else dataset.validation.images[:GOLDEN_IMAGES],
        class_names=() if dataset is None else dataset.class_names,
        architecture=candidate.architecture,
        dataset=stored["name"],
        dataset_source=stored["source"],
        dataset_options=stored.get("options", {}),
        input_map=PIXELS if dataset is None else dataset.input_map,
    )


def _export_and_verify(
    record: StudyRecord, dataset: Dataset, test: Split, candidate_id: int, folder: Path
) -> Certificate:
    """The certificate of an export that is there and sound, or of a new one."""
    model = record.load_model(candidate_id)
    known = _sound_certificate(folder, model.hash(), len(test))
    if known is not None:
        return known
    options = export_options(record, candidate_id, dataset)
    export_c(model, plan_memory(model), folder, options=options)
    return verify(folder, np.asarray(test.images), test.labels)


def _sound_certificate(folder: Path, model_hash: str, images: int) -> Certificate | None:
    """The stored certificate if it passed, on as many images, for the model and files as now."""
    if not (folder / MANIFEST_NAME).is_file():
        return None
    try:
        manifest = read_manifest(folder)
        certificate = read_certificates(folder).get(HOST)
    except (ExportError, ValueError):
        return None
    if certificate is None:
        return None
    unchanged = not modified_files(folder, manifest.files)
    sound = certificate.passed and certificate.images == images
    same = certificate.model_hash == manifest.model_hash == model_hash
    return certificate if unchanged and sound and same else None
