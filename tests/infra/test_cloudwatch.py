"""Our reading of CloudWatch's rule gives what AWS's own tables give.

"Configuring how CloudWatch alarms treat missing data": 0 is within the threshold, X is not, - is missing.
"""

import pytest

from tests.infra.cloudwatch import Alarm

READINGS = {"0": 0.0, "X": 2.0, "-": None}
THREE_OF_THREE, TWO_OF_THREE = 3, 2


def state(readings: str, datapoints: int, missing: str) -> str:
    alarm = Alarm("n", "m", (), "Sum", 300, 1, 3, datapoints, missing)
    return alarm.state([READINGS[each] for each in readings.split()])


@pytest.mark.parametrize(
    ("readings", "datapoints", "breaching", "not_breaching"),
    [
        ("0 - X - X", THREE_OF_THREE, "OK", "OK"),
        ("0 - - - -", THREE_OF_THREE, "OK", "OK"),
        ("- - - - -", THREE_OF_THREE, "ALARM", "OK"),
        ("0 X X - X", THREE_OF_THREE, "ALARM", "ALARM"),
        ("- - X - -", THREE_OF_THREE, "ALARM", "OK"),
        ("0 - X - X", TWO_OF_THREE, "ALARM", "ALARM"),
        ("0 0 X 0 X", TWO_OF_THREE, "ALARM", "ALARM"),
        ("0 - X - -", TWO_OF_THREE, "ALARM", "OK"),
        ("- - - - 0", TWO_OF_THREE, "ALARM", "OK"),
        ("- - - X -", TWO_OF_THREE, "ALARM", "OK"),
    ],
)
def test_states_are_those_of_the_table(readings: str, datapoints: int, breaching: str, not_breaching: str) -> None:
    assert state(readings, datapoints, "breaching") == breaching
    assert state(readings, datapoints, "notBreaching") == not_breaching


def test_at_the_threshold_is_not_above_it() -> None:
    alarm = Alarm("n", "m", (), "Sum", 300, 1, 1, 1, "notBreaching")
    assert (alarm.state([1.0]), alarm.state([1.001])) == ("OK", "ALARM")


def test_a_reading_is_of_this_namespace_name_and_dimensions_alone() -> None:
    alarm = Alarm("Tollbooth", "LaneLag", (("stage", "prod"),), "Maximum", 300, 0, 1, 1, "notBreaching")

    def line(namespace: str, name: str, dimension: str, stage: str, value: int) -> dict[str, object]:
        metric = {"Namespace": namespace, "Dimensions": [[dimension]], "Metrics": [{"Name": name, "Unit": "Count"}]}
        return {"_aws": {"CloudWatchMetrics": [metric]}, dimension: stage, name: value}

    right = [line("Tollbooth", "LaneLag", "stage", "prod", value) for value in (3, 7)]
    wrong: list[dict[str, object]] = [
        line("Tollbooths", "LaneLag", "stage", "prod", 9),
        line("Tollbooth", "Lag", "stage", "prod", 9),
        line("Tollbooth", "LaneLag", "service", "prod", 9),
        line("Tollbooth", "LaneLag", "stage", "dev", 9),
        {"LaneLag": 9},
    ]
    assert alarm.reading(wrong) is None
    assert alarm.reading([*wrong, *right]) == 7
