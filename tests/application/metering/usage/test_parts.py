"""The parts of a cell change at one instant: no reader sees the sum of an average without its count."""

from datetime import timedelta

import pytest

from functions.domain.metering.cells.aggregation import Aggregation
from functions.domain.metering.cells.pages import CODES_PER_PAGE, PAGE_SECONDS, PageKey, parse_cell
from functions.domain.metering.ledger.ledger import Code, Directory
from functions.domain.metering.meters.meter import Meter, MeterSet
from tests.application.metering.ledger.test_usage import NOW, Deployment, event

SEVERAL = [each for each in Aggregation if len(each.parts) > 1]
CALLS = Meter("m0", "calls", "call", Aggregation.COUNT, None, {"model": "$.model"}, 1)
MEAN = Meter("m1", "mean", "call", Aggregation.AVG, "$.n", {"model": "$.model"}, 1)


@pytest.mark.parametrize("parts", range(1, CODES_PER_PAGE + 1))
def test_the_parts_of_a_code_lie_on_one_page_and_few_numbers_are_skipped(parts: int) -> None:
    directory = Directory()
    directory.learn(Code("t", 0, "m", {"model": "first"}))
    for each in range(40):
        skipped = directory.skipped(parts)
        number = directory.next_number + skipped
        assert number // CODES_PER_PAGE == (number + parts - 1) // CODES_PER_PAGE
        assert skipped < parts
        directory.learn(Code("t", number, "m", {"model": str(each)}, parts, skipped))
        assert directory.next_number == number + parts


@pytest.mark.parametrize("aggregation", SEVERAL)
def test_every_meters_codes_keep_to_a_page(aggregation: Aggregation) -> None:
    meter = Meter("m1", "mean", "call", aggregation, "$.n", {"model": "$.model"}, 1)
    deployment = Deployment(MeterSet(1, (CALLS, meter)))
    for start in (0, 15):  # the second commit knows of the first by its codes alone
        deployment.writer = deployment.new_writer()
        deployment.send([event(f"{start}-{i}", NOW, n=i, model=f"m{start + i}") for i in range(15)])
        deployment.deliver()
    codes = [code for lane in range(4) for code in deployment.ledger.codes("t", lane)]
    assert len(codes) == 60
    assert any(code.skipped for code in codes)
    for code in codes:
        assert code.number // CODES_PER_PAGE == (code.number + code.parts - 1) // CODES_PER_PAGE
    answer = deployment.ask(CALLS, group_by=("model",))
    assert [row.value for row in answer] == [1] * 30


def test_at_every_request_of_a_commit_every_sum_has_its_count() -> None:
    deployment = Deployment(MeterSet(1, (CALLS, MEAN)))
    ledger = deployment.ledger
    looked = 0

    def look(_request: str) -> None:
        nonlocal looked
        ledger.request = lambda _name: None
        for lane in range(4):
            for owner in ("c1", None):
                cells: dict[tuple[int, int], object] = {}
                for page in ledger.pages("t", lane, owner, 0, 999_999):
                    cells |= {parse_cell(name, page.key.span): cell for name, cell in page.cells.items()}
                for code in ledger.codes("t", lane):
                    if code.meter_id == MEAN.id:
                        looked += 1
                        window = int(NOW.timestamp()) // 1_800
                        count: int = cells.get((window, code.number + 1), 0)  # type: ignore[assignment]
                        assert cells.get((window, code.number), 0) == 7 * count
        ledger.request = look

    ledger.request = look
    for batch in range(3):
        events = [event(f"{batch}-{i}", NOW + timedelta(seconds=i), n=7, model=f"m{i}") for i in range(40)]
        deployment.send(events)
        deployment.deliver()
    assert looked > 1_000


def test_codes_that_straddle_a_page_from_before_are_still_counted_and_read() -> None:
    deployment = Deployment(MeterSet(1, (CALLS, MEAN)))
    old = Code("t", CODES_PER_PAGE - 1, MEAN.id, {"model": "a"}, 2)
    for lane in range(4):
        for number in range(CODES_PER_PAGE - 1):
            code = Code("t", number, CALLS.id, {"model": f"m{number}"})
            deployment.ledger.table.put(("code", "t", lane, number), code)
        deployment.ledger.table.put(("code", "t", lane, old.number), old)
    deployment.send([event(str(i), NOW, n=i, model=model) for i, model in enumerate("aab")])
    deployment.deliver()
    rows = deployment.ask(MEAN, group_by=("model",))
    assert [(row.group_by["model"], str(row.value)) for row in rows] == [("a", "0.5"), ("b", "2")]
    span = int(NOW.timestamp()) // PAGE_SECONDS
    keys = [PageKey("t", lane, "c1", span, number) for lane in range(4) for number in (0, 1)]
    assert sum(bool(page.cells) for page in deployment.ledger.read_pages(keys)) == 2
