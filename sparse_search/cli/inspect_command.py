"""sparse-search inspect: what there is to know of a data set before a search."""

from typing import Annotated

import typer
from rich.markup import escape

from .shared import DataDir, Grey, ImageSize, Label, console, loading, read_options, show_remarks


def inspect(
    dataset: Annotated[str, typer.Argument(help="digits, mnist, cifar10, ... or a path.")],
    data_dir: DataDir = None,
    size: ImageSize = None,
    grey: Grey = False,
    label: Label = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the validation split, as of a run.")] = 0,
) -> None:
    """Show what a data set holds: balance, leaks, outliers, and what could run it."""
    from ..dataset import load_dataset
    from ..inspection import find_feasibility
    from ..report.inspection import balance_table, feasibility_lines, findings
    from ..space import SearchSpace

    options = read_options(size, grey, label)
    with loading(dataset):
        data = load_dataset(dataset, data_dir=data_dir, seed=seed, options=options)
        splits = {"train": data.train, "validation": data.validation, "test": data.open_test()}
    shape = "x".join(map(str, data.input_shape))
    counts = ", ".join(f"{len(split):,} {name}" for name, split in splits.items())
    console.print(
        f"{escape(data.name)}: images of {shape} (height x width x channels), "
        f"{data.class_count} classes; {counts}",
        soft_wrap=True,
    )
    show_remarks(data)
    console.print(balance_table(data, splits))
    colours = {"good": "green", "warning": "yellow"}
    for level, text in findings(data, splits):
        console.print(f"[{colours[level]}]{level:8}[/] {escape(text)}", soft_wrap=True)
    with console.status("planning the smallest networks"):
        found = find_feasibility(SearchSpace.for_input(data.input_shape, data.class_count))
    for line in feasibility_lines(found):
        console.print(line, soft_wrap=True, highlight=False)
    if not found.boards:
        console.print(
            "[red]no board that is known holds any network for this input; use a smaller --size"
        )
        raise typer.Exit(1)
