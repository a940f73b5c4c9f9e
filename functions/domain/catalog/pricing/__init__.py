"""The ways of charging: one file each, and the union that names them all."""

from typing import Annotated

from pydantic import Field

from functions.domain.catalog.pricing.flat import FlatPrice
from functions.domain.catalog.pricing.price import Charge, Price
from functions.domain.catalog.pricing.unit import UnitPrice

AnyPrice = Annotated[FlatPrice | UnitPrice, Field(discriminator="type")]

__all__ = ["AnyPrice", "Charge", "FlatPrice", "Price", "UnitPrice"]
