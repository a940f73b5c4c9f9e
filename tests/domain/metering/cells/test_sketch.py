"""The decimal histogram behind PERCENTILE: its stated error, its order, its merging."""

from collections import Counter
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain.metering.cells import sketch

VALUES = st.one_of(
    st.decimals(min_value=Decimal("-9999999999999"), max_value=Decimal("9999999999999"), places=6, allow_nan=False),
    st.integers(1 - 10**31, 10**31 - 1).map(Decimal),
    st.integers(1 - 10**31, 10**31 - 1).map(lambda digits: Decimal(f"{digits}e-18")),
)
ONE_PERCENT = Decimal("0.01")


def sketch_of(values: list[Decimal]) -> bytes:
    merged = sketch.pack({})
    for value in values:
        merged = sketch.merge(merged, sketch.of(value))
    return merged


@given(VALUES)
def test_a_bucket_lies_within_one_percent_of_its_values(value: Decimal) -> None:
    assert abs(sketch.middle(sketch.bucket_of(value)) - value) <= abs(value) * ONE_PERCENT


@given(VALUES, VALUES)
def test_buckets_are_ordered_as_their_values(left: Decimal, right: Decimal) -> None:
    low, high = sorted((left, right))
    assert sketch.bucket_of(low) <= sketch.bucket_of(high)


@given(st.lists(VALUES, min_size=1, max_size=40), st.sampled_from([0, 1, 50, 90, 95, 99, 100]))
def test_a_percentile_is_within_one_percent_of_the_nearest_rank(values: list[Decimal], percent: int) -> None:
    rank = max(1, -(-percent * len(values) // 100))
    exact = sorted(values)[rank - 1]
    assert abs(sketch.percentile(sketch_of(values), Decimal(percent)) - exact) <= abs(exact) * ONE_PERCENT


@given(st.lists(VALUES, max_size=20), st.lists(VALUES, max_size=20))
def test_merging_parts_is_the_whole(left: list[Decimal], right: list[Decimal]) -> None:
    assert sketch.merge(sketch_of(left), sketch_of(right)) == sketch_of(left + right)


def test_the_smallest_and_largest_countable_values_have_buckets() -> None:
    for value in (Decimal("1E-18"), Decimal("9999999999999.999999999999999999"), Decimal(10**31 - 1), Decimal("1E+30")):
        assert abs(sketch.middle(sketch.bucket_of(value)) - value) <= value * ONE_PERCENT


def test_the_last_digit_of_a_long_value_decides_its_bucket() -> None:
    """31 nines belong to the bucket below 10^31."""
    for step in (10**31, 2 * 10**30, 102 * 10**28):
        assert sketch.bucket_of(step - 1) == sketch.bucket_of(step) - 1
        assert sketch.bucket_of(1 - step) == sketch.bucket_of(-step) + 1


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(AssertionError):
        sketch.percentile(sketch.pack({}), Decimal(50))


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=60), st.integers(1, 20), st.randoms())
def test_a_bounded_sketch_does_not_depend_on_the_order_and_counts_everything(
    numbers: list[int], bound: int, chance: Random
) -> None:
    sketches = []
    for _ in range(2):
        chance.shuffle(numbers)
        merged = sketch.pack({})
        cut = chance.randint(0, len(numbers))
        for part in (numbers[:cut], numbers[cut:]):
            counts = Counter(map(sketch.bucket_of, part))
            merged = sketch.merge(merged, sketch.pack(counts, bound), bound)
        sketches.append(merged)
    assert sketches[0] == sketches[1]
    assert sum(sketch.unpack(sketches[0]).values()) == len(numbers)
    assert len(sketch.unpack(sketches[0])) <= max(bound, 3)


def test_a_coarser_sketch_is_as_far_off_as_it_says() -> None:
    numbers = list(range(1_000, 100_000, 37))
    fine = Counter(map(sketch.bucket_of, numbers))
    for bound, most in ((None, Decimal("0.01")), (200, Decimal("0.03")), (100, Decimal("0.05"))):
        packed = sketch.pack(fine, bound)
        for percent in (1, 10, 50, 95, 99):
            exact = numbers[-(-len(numbers) * percent // 100) - 1]
            assert abs(sketch.percentile(packed, Decimal(percent)) - exact) <= most * exact, (bound, percent)
