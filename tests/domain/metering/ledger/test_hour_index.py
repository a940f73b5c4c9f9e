"""What an index entry says of a commit: never that something is missing that is there."""

from functions.domain.metering.ledger.hour_index import MAX_MARKS, HourEntry, marks_of, subject_mark, time_bounds
from functions.domain.metering.values.event import Event


def entry(groups: list[tuple[str, str]]) -> HourEntry:
    return HourEntry(1, 1, 1, 0, 0, marks_of([(tenant, subject, []) for tenant, subject in groups]))


def test_everything_in_a_commit_may_be_found_in_it() -> None:
    for count in (0, 1, 63, MAX_MARKS, MAX_MARKS + 1, 500):
        groups = [(f"tenant-{number % 7}", f"subject-{number}") for number in range(count)]
        found = entry(groups)
        assert all(found.may_hold(tenant) for tenant, _ in groups)
        assert all(found.may_hold(tenant, [subject_mark(tenant, subject)]) for tenant, subject in groups)


def test_of_few_subjects_others_are_ruled_out() -> None:
    found = entry([("acme", f"subject-{number}") for number in range(MAX_MARKS)])
    strangers = [subject_mark("acme", f"stranger-{number}") for number in range(1_000)]
    assert sum(found.may_hold("acme", [mark]) for mark in strangers) < 10


def test_of_many_subjects_only_other_tenants_are_ruled_out() -> None:
    found = entry([("acme", f"subject-{number}") for number in range(MAX_MARKS + 1)])
    assert found.may_hold("acme", [subject_mark("acme", "stranger")])
    assert not found.may_hold("other")
    assert entry([(f"tenant-{number}", "s") for number in range(MAX_MARKS + 1)]).may_hold("other")


def test_a_commit_spans_its_oldest_and_newest_event() -> None:
    both = [Event(1, 50, "", "", "", "x"), Event(2, 20, "", "", "", "x")]
    assert time_bounds([("a", "x", both), ("a", "y", [Event(3, 90, "", "", "", "y")])]) == (20, 90)
    assert time_bounds([]) == (0, 0)
