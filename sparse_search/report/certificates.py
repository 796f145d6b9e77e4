"""What verification on emulated cores has measured, beside what was predicted, as a table."""

from collections.abc import Sequence

from rich.table import Table

from ..deploy.certificate import Certificate, Figure
from .tables import number_column, plain_table

_NONE = "–"


def certificate_table(certificates: Sequence[Certificate]) -> Table:
    """One column per core, one row per figure: measured, then how the prediction compares.

    Args:
        certificates: Of one model, each of an emulated core.
    """
    table = plain_table("Measured on each core (predicted, where it differs)")
    table.add_column("figure")
    for certificate in certificates:
        number_column(table, certificate.core)
    table.add_row("images", *(f"{c.images:,}" for c in certificates))
    table.add_row("identical", *(f"{c.identical:,}" for c in certificates))
    names = dict.fromkeys(figure.name for c in certificates for figure in c.figures)
    for name in names:
        found = [{f.name: f for f in c.figures}.get(name) for c in certificates]
        unit = next(figure.unit for figure in found if figure is not None)
        title = f"{name}, {unit}" if unit else name
        table.add_row(title, *map(_cell, found))
    verdicts = ("[green]passed" if c.passed else "[red]FAILED" for c in certificates)
    table.add_row("verdict", *verdicts)
    return table


def _cell(figure: Figure | None) -> str:
    if figure is None or figure.measured is None:
        return _NONE
    text = f"{figure.measured:,}"
    if figure.predicted is not None and figure.predicted != figure.measured:
        text = f"{text}\n({figure.predicted:,})"
    return text if figure.agrees else f"[red]{text}"
