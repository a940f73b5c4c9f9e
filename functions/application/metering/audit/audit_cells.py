"""When a stored cell is what a recount says, and how a cell is shown where it is not."""

from functions.domain.metering.cells import sketch
from functions.domain.metering.cells.aggregation import DIRTY, Cell, Keep, merge


def merged(keep: Keep, present: Cell | None, cell: Cell) -> Cell:
    return cell if present is None else DIRTY if DIRTY in (present, cell) else merge(keep, present, cell)


def agree(keep: Keep, wanted: Cell | None, seen: Cell | None) -> bool:
    """A dirty cell says nothing; a sum or sketch of which everything was voided says nothing is left."""
    if keep is Keep.SUM:
        return (wanted or 0) == (seen or 0)
    if keep is Keep.SKETCH:
        return sketch.is_same(*(each if isinstance(each, bytes) else sketch.pack({}) for each in (wanted, seen)))
    return wanted == seen or seen == DIRTY


def shown(cell: Cell | None) -> object:
    if cell is None:
        return "nothing"
    return f"{len(cell)} bytes {cell[:16].hex()}" if isinstance(cell, bytes) else cell
