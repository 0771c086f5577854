"""The command ``allumette train``."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import click

from allumette_train.datasets import DATASETS
from allumette_train.job import Job

__all__ = ["train"]

_DEFAULT_WIDTH = 50


class _Rate(click.ParamType[float]):
    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not 0 < number < math.inf:
            self.fail(f"{value} is not above 0 and finite", param, ctx)
        return number


class _Widths(click.ParamType[tuple[int, ...]]):
    name = "widths"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if value.strip().lower() == "none":
            return ()
        try:
            widths = tuple(int(part) for part in value.split(","))
        except ValueError:
            widths = ()
        if not widths or min(widths) < 1:
            self.fail(f"{value!r} is not like '64,32', or 'none' for no hidden layer", param, ctx)
        return widths


_OPTIONS = [
    click.option("-b", "--backend", metavar="DEVICE", help="Device to train on, as listed by "
                 "`allumette backends`.  [default: the default backend]"),
    click.option("-d", "--dataset", type=click.Choice([*DATASETS], case_sensitive=False),
                 help="Built-in dataset.  [default: star]"),
    click.option("-p", "--power-ten-points", type=click.IntRange(1, 8), metavar="P",
                 help="10^P points of the built-in dataset.  [default: 4]"),
    click.option("--data", type=click.Path(exists=True, path_type=Path), metavar="PATH",
                 help="Your own data: a CSV file, an NPZ file with x and y, or a directory of "
                 "IDX files."),
    click.option("--target", metavar="COLUMN", help="Column of the CSV file to predict."),
    click.option("--categorical", multiple=True, metavar="COLUMN",
                 help="Numbers in this column are categories (repeatable)."),
    click.option("--drop", multiple=True, metavar="COLUMN",
                 help="Leave this column out (repeatable)."),
    click.option("--validation", type=click.FloatRange(0, 1, max_open=True), metavar="FRACTION",
                 help="Part of the rows to validate on.  [default: 0.2; 0 if there are test rows]"),
    click.option("--hidden", type=_Widths(), metavar="WIDTHS",
                 help="Width of each hidden layer, such as 64,32, or none.  [default: 50,50]"),
    click.option("--hidden-layer-size", type=click.IntRange(1), metavar="WIDTH",
                 help="Width of both of two hidden layers, instead of --hidden."),
    click.option("--optimizer", type=click.Choice(["sgd", "adam"], case_sensitive=False),
                 default="adam", show_default=True),
    click.option("-l", "--learning-rate", type=_Rate(), metavar="RATE",
                 help="[default: 0.1 with sgd; with adam 0.01 for full batches, else 0.002]"),
    click.option("--momentum", type=click.FloatRange(0, 1, max_open=True), metavar="M",
                 help="Momentum of sgd.  [default: 0]"),
    click.option("--schedule", type=click.Choice(["constant", "cosine"], case_sensitive=False),
                 help="Keep the learning rate, or lower it to nearly 0.  "
                 "[default: cosine with adam, constant with sgd]"),
    click.option("--batch-size", type=click.IntRange(1), metavar="ROWS",
                 help="Rows for each update.  [default: all; with --data 128]"),
    click.option("-i", "--iterations", type=click.IntRange(1), metavar="N",
                 help="Number of updates.  [default: 500]"),
    click.option("--epochs", type=click.IntRange(1), metavar="N",
                 help="Times to go through all rows, instead of --iterations.  "
                 "[default with --data: 10]"),
    click.option("-s", "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True,
                 help="Determines everything: points, split, order, weights."),
    click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
                 help="Where to save the model.  [default: allumette-NAME.safetensors]"),
    click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs."),
]  # fmt: skip


def _with_options(function: Any) -> Any:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@_with_options
@click.pass_context
def train(ctx: click.Context, /, **options: Any) -> None:
    """Train a network on a built-in dataset or on your own data, and save it.

    Without options: two hidden layers of 50 on 10,000 points of the star, in a few seconds.
    Ctrl-C stops after the current update and saves what there is.
    """
    _check(options)
    try:
        result = Job(**options).run()
    except MemoryError as error:
        raise click.UsageError(
            f"not enough memory ({error}); a smaller --batch-size or --power-ten-points may help"
        ) from None
    if result.interrupted:
        ctx.exit(128 + signal.SIGINT)


def _check(options: dict[str, Any]) -> None:
    """Fill in the defaults that depend on other options; refuse what contradicts itself."""
    _exclude(options, "data", ("dataset", "power_ten_points"))
    if options["data"] is None:
        _require(options, "data", ("target", "categorical", "drop"))
    _exclude(options, "hidden", ("hidden_layer_size",))
    _exclude(options, "epochs", ("iterations",))
    if options["momentum"] is not None and options["optimizer"] != "sgd":
        raise click.UsageError("--momentum goes with --optimizer sgd")
    width = options.pop("hidden_layer_size") or _DEFAULT_WIDTH
    if options["hidden"] is None:
        options["hidden"] = (width, width)
    if options["data"] is None:
        options["dataset"] = options["dataset"] or "star"
        options["power_ten_points"] = options["power_ten_points"] or 4
    elif options["batch_size"] is None:
        options["batch_size"] = 128
    if options["iterations"] is None and options["epochs"] is None:
        options.update({"iterations": 500} if options["data"] is None else {"epochs": 10})


def _exclude(options: dict[str, Any], name: str, others: tuple[str, ...]) -> None:
    for other in others:
        if options[name] is not None and options[other] is not None:
            raise click.UsageError(f"--{_spelt(name)} and --{_spelt(other)} exclude each other")


def _require(options: dict[str, Any], name: str, others: tuple[str, ...]) -> None:
    for other in others:
        if options[other]:
            raise click.UsageError(f"--{other} goes with --{name} FILE.csv")


def _spelt(name: str) -> str:
    return name.replace("_", "-")
