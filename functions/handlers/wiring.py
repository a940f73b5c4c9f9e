"""The composition root: one cached factory per port, importing its technology only when first asked."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from functions.adapters.clock import SystemClock


@cache
def clock() -> "SystemClock":
    from functions.adapters.clock import SystemClock

    return SystemClock()
