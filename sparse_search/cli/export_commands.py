"""sparse-search export, verify: a model of a run as C or a file, and the proof of the C."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from ..formats import Format, Layout, Optimize, write_model
from ..memory.kernels import KernelLibrary
from .shared import CountCode, DataDir, MaxMacCost, console, load_if_there, note, say

if TYPE_CHECKING:
    from ..dataset import Split
    from ..deploy import Certificate, ExportOptions
    from ..quantized import QuantizedModel


def export(
    source: Annotated[
        Path,
        typer.Argument(help="Folder of a run, or a model's .safetensors file.", metavar="RUN"),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write the C to, or another format's file.")],
    candidate: Annotated[
        int | None, typer.Option(help="Default: the most accurate model of the front.")
    ] = None,
    data_dir: DataDir = None,
    max_mac_cost: MaxMacCost = None,
    count_code: CountCode = False,
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.C,
    layout: Annotated[Layout, typer.Option(help="How the files of C lie.")] = Layout.PLAIN,
    backend: Annotated[
        KernelLibrary, typer.Option(help="Whose kernels the C calls.")
    ] = KernelLibrary.RUNTIME,
    optimize: Annotated[
        Optimize,
        typer.Option(help="size: kernels are shared; speed: each operator has its own kernel."),
    ] = "size",
    prefix: Annotated[
        str, typer.Option(help="Of all names in the C; two models in one firmware need two.")
    ] = "model",
) -> None:
    """Write one model of a run as C, or as a file for other tools."""
    from ..deploy import ExportOptions, export_c
    from ..encoding import EncodingPolicy
    from ..memory import plan_memory
    from ..quantized import QuantizedModel

    own = KernelLibrary.RUNTIME
    if backend is not own and (max_mac_cost, count_code, optimize) != (None, False, "size"):
        raise typer.BadParameter(
            f"for --backend {own} only: encodings and --optimize; CMSIS-NN brings its own kernels"
        )
    if format is not Format.C:
        c_only = (max_mac_cost, count_code, layout, backend, optimize, prefix)
        if c_only != (None, False, Layout.PLAIN, own, "size", "model"):
            raise typer.BadParameter(
                "for --format c only: encodings, layout, backend, optimize and prefix"
            )
    options = ExportOptions(prefix=prefix, layout=layout, optimize=optimize)
    if source.is_file():
        if candidate is not None:
            raise typer.BadParameter("--candidate is for a run; the file is one model")
        name, model = source.name, QuantizedModel.load(source)
    else:
        name, model, options = _model_of_run(source, candidate, data_dir, options)
    if format is not Format.C:
        say(f"{name} written to {write_model(model, format, out)}")
        return
    policy = EncodingPolicy(max_mac_cost=max_mac_cost, count_code=count_code)
    plan = plan_memory(model, backend, policy=policy)
    path = export_c(model, plan, out, options=options).folder
    say(f"{name} exported to {path}; next: sparse-search verify {quote(str(path))}")


def _model_of_run(
    folder: Path, candidate: int | None, data_dir: Path | None, options: "ExportOptions"
) -> "tuple[str, QuantizedModel, ExportOptions]":
    """A candidate's name and model, and options that say what is known about both."""
    from ..delivery import export_options
    from ..errors import StudyError
    from ..record import StudyRecord

    record = StudyRecord.open(folder)
    if candidate is None:
        front = record.front().evaluations
        if not front:
            raise StudyError(f"{folder} has no model within its limits yet; continue the run")
        candidate = front[0].candidate.id
    model = record.load_model(candidate)
    stored = record.settings["dataset"]
    data = load_if_there(stored, data_dir, record.settings["seed"])
    return f"candidate {candidate}", model, export_options(record, candidate, data, options)


def verify(
    folder: Annotated[Path, typer.Argument(help="An exported folder.", metavar="EXPORT")],
    core: Annotated[
        list[str] | None,
        typer.Option(
            help="Where the C runs, may be repeated: host (default), m0, m3, m4, m7, m33, m55, avr "
            "(emulated), all.",
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(help="At most as many; default: all on the host, 64 on a Cortex-M, 8 on AVR."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Compile an export, run it here or on emulated cores, and compare all with what was said."""
    from ..deploy.cores import HOST, find_core, parse_cores
    from ..deploy.manifest import read_manifest
    from ..errors import VerificationError
    from ..report.certificates import certificate_table

    names = parse_cores(core or [HOST])
    for name in names:
        if name != HOST:
            find_core(name)
    stored = read_manifest(folder).dataset
    data = load_if_there(stored, data_dir, 0) if stored.get("source") else None
    test = None if data is None else data.open_test()
    certificates, refused = [], False
    for name in names:
        try:
            with _writable(folder) as place:
                certificates.append(_verify_on(place, name, test, images))
        except VerificationError as error:
            refused = True
            console.print(f"[red]{name}: {escape(str(error))}")
    for certificate in certificates:
        _show_certificate(certificate)
    if certificates and not os.access(folder, os.W_OK):
        note(f"certificate not written: {folder} cannot be written to")
    emulated = [certificate for certificate in certificates if certificate.core != HOST]
    if emulated:
        console.print(certificate_table(emulated))
    if refused or not all(certificate.passed for certificate in certificates):
        raise typer.Exit(1)


@contextmanager
def _writable(folder: Path) -> Iterator[Path]:
    """An export, or a copy of it where no certificate can be written into it."""
    if os.access(folder, os.W_OK):
        yield folder
        return
    with TemporaryDirectory() as temporary:
        yield shutil.copytree(folder, Path(temporary, folder.resolve().name))


def _show_certificate(certificate: "Certificate") -> None:
    """What speaks against an export, and the verdict; figures of cores are in a table."""
    where = f"{certificate.core}: "
    console.print(f"{where}compiler: {certificate.compiler}", highlight=False, markup=False)
    for failure in certificate.failures:
        console.print(f"[red]{where}{escape(failure)}")
    if certificate.correct is not None:
        console.print(
            f"{where}accuracy of the C code: {certificate.correct / certificate.images:.2%} of "
            f"{certificate.images:,} test images"
        )
    style = "green" if certificate.passed else "red"
    console.print(f"{where}{certificate.summary}", style=style, highlight=False, markup=False)


def _verify_on(
    folder: Path, core: str, test: "Split | None", image_limit: int | None
) -> "Certificate":
    """The certificate of one core, with a bar that shows how far it is."""
    from ..deploy import verify as verify_export
    from ..progress import bar

    with bar(console) as progress:
        task = progress.add_task(f"verifying on {core}", total=None)
        return verify_export(
            folder,
            None if test is None else test.images,
            None if test is None else test.labels,
            core,
            image_limit=image_limit,
            observer=lambda done, total: progress.update(task, completed=done, total=total),
        )
