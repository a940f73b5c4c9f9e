"""The ways of charging: one file each, and the union that names them all; no price at all is free."""

from typing import Annotated

from pydantic import Field

from functions.domain.catalog.pricing.conversion import UnitConversion
from functions.domain.catalog.pricing.dynamic import DynamicPrice
from functions.domain.catalog.pricing.flat import FlatPrice
from functions.domain.catalog.pricing.graduated import GraduatedPrice
from functions.domain.catalog.pricing.graduated_percentage import GraduatedPercentagePrice
from functions.domain.catalog.pricing.matrix import MatrixPrice
from functions.domain.catalog.pricing.package import PackagePrice
from functions.domain.catalog.pricing.percentage import PercentagePrice
from functions.domain.catalog.pricing.price import Charge, Group, LineUsage, Needs, Price
from functions.domain.catalog.pricing.time_of_day import TimeOfDayPrice
from functions.domain.catalog.pricing.unit import UnitPrice
from functions.domain.catalog.pricing.volume import VolumePrice

TieredPrice = Annotated[GraduatedPrice | VolumePrice, Field(discriminator="mode")]
AnyPrice = Annotated[
    FlatPrice
    | UnitPrice
    | TieredPrice
    | DynamicPrice
    | PackagePrice
    | PercentagePrice
    | GraduatedPercentagePrice
    | MatrixPrice
    | TimeOfDayPrice,
    Field(discriminator="type"),
]

__all__ = [
    "AnyPrice",
    "Charge",
    "DynamicPrice",
    "FlatPrice",
    "GraduatedPercentagePrice",
    "GraduatedPrice",
    "Group",
    "LineUsage",
    "MatrixPrice",
    "Needs",
    "PackagePrice",
    "PercentagePrice",
    "Price",
    "TimeOfDayPrice",
    "UnitConversion",
    "UnitPrice",
    "VolumePrice",
]
