"""Matrix price: a unit price for each combination of dimension values, such as model x token type, one for the rest."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from functions.domain.catalog.pricing.commitment import CommittedPrice
from functions.domain.catalog.pricing.price import Amount, Charge, DimensionName, LineUsage, Needs, priced_parts
from functions.domain.catalog.pricing.problems import refuse, wrong
from functions.domain.wire import WireModel

MAX_DIMENSIONS = 5
# A plan is one item; a table of this size leaves room for the other rate cards.
MAX_ROWS = 500

DimensionValue = Annotated[str, Field(max_length=256)]


class MatrixRow(WireModel):
    """The price of one unit whose dimensions have exactly these values."""

    values: dict[DimensionName, DimensionValue]
    amount: Amount


class MatrixPrice(CommittedPrice):
    """`default_amount` prices every combination without a row of its own, so that none is free by accident."""

    title: ClassVar[str] = "Matrix"
    type: Literal["matrix"]
    dimensions: Annotated[tuple[DimensionName, ...], Field(min_length=1, max_length=MAX_DIMENSIONS)]
    rows: Annotated[tuple[MatrixRow, ...], Field(max_length=MAX_ROWS)]
    default_amount: Amount

    @model_validator(mode="after")
    def _rows_are_told_apart(self) -> Self:
        problems = []
        if len(set(self.dimensions)) < len(self.dimensions):
            problems.append(wrong("dimensions", code="duplicate_dimension", message="must name each dimension once"))
        seen = dict[tuple[str, ...], int]()
        for i, row in enumerate(self.rows):
            if row.values.keys() != set(self.dimensions):
                message = f"must give a value for each of {', '.join(self.dimensions)} and for nothing else"
                problems.append(wrong("rows", i, "values", code="wrong_dimensions", message=message))
            elif (first := seen.setdefault(self._key(row), i)) != i:
                message = f"must differ from rows[{first}], which has the same values"
                problems.append(wrong("rows", i, "values", code="duplicate_row", message=message))
        refuse(problems)
        return self

    @property
    def needs(self) -> Needs:
        return Needs(dimensions=self.dimensions)

    def _charges(self, usage: LineUsage) -> list[Charge]:
        keys = [self._key(row) for row in self.rows]
        number = {key: i for i, key in enumerate(keys)}
        rows = [(", ".join(key), row.amount) for key, row in zip(keys, self.rows, strict=True)]
        return priced_parts("matrix", rows, self.default_amount, usage, lambda group: number.get(group.values))

    def _key(self, row: MatrixRow) -> tuple[str, ...]:
        return tuple(row.values[name] for name in self.dimensions)
