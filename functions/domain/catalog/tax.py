"""Tax configuration of a rate card: read and shown where it was stored, and refused since; nothing applies it."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from functions.domain.wire import WireModel


class StripeTax(WireModel):
    code: Annotated[str, StringConstraints(pattern=r"^txcd_[0-9]{8}$")]


class CustomInvoicingTax(WireModel):
    code: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class TaxConfig(WireModel):
    behavior: Literal["inclusive", "exclusive"] | None = None
    stripe: StripeTax | None = None
    custom_invoicing: CustomInvoicingTax | None = None
    tax_code_id: Annotated[str, StringConstraints(pattern=r"^[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$")] | None = None
