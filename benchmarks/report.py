"""Measured figures and how they are shown."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: what was measured.
        ours: the value of AgentFlow.
        unit: of ours and floor.
        target: the bound, in words.
        met: whether the bound holds; None for a figure without one.
        floor: the value of the peer or the ideal beside it, measured in the same run; None where there is none.
        floor_name: what the floor is.
    """

    name: str
    ours: float
    unit: str
    target: str = ""
    met: bool | None = None
    floor: float | None = None
    floor_name: str = ""

    @property
    def ratio(self) -> float | None:
        """Return ours divided by the floor."""
        return None if not self.floor else self.ours / self.floor


def at_most(name: str, ours: float, bound: float, unit: str, **floor: float | str) -> Figure:
    """Return a figure that must not pass ``bound``."""
    return Figure(name, ours, unit, f"≤ {bound:g} {unit}", ours <= bound, **floor)  # type: ignore[arg-type]


def show(figures: Iterable[Figure]) -> None:
    """Print figures as a table."""
    table = Table("figure", "ours", "beside it", "value", "ratio", "target", "ok")
    for figure in figures:
        beside = "" if figure.floor is None else f"{figure.floor:,.4g} {figure.unit}"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        mark = {True: "yes", False: "[bold red]NO[/]", None: ""}[figure.met]
        table.add_row(figure.name, f"{figure.ours:,.4g} {figure.unit}", figure.floor_name, beside, ratio, figure.target, mark)
    Console(width=150).print(table)
