"""A reader of the part of Amazon States Language that our machines use, to run it in this process."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Function = Callable[[Any, None], Any]
MAX_STEPS = 5_000


class MachineFailed(Exception):
    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error


class Machine:
    """`functions` by their substitution name, as in ${ListDueFunctionArn}; `wait` is called in every Wait state."""

    def __init__(self, definition: str, functions: Mapping[str, Function], wait: Callable[[], None]) -> None:
        self._definition = json.loads(definition)
        self._functions = {f"${{{name}FunctionArn}}": function for name, function in functions.items()}
        self._wait = wait
        self.visited: list[str] = []

    def run(self, given: dict[str, Any]) -> Any:
        return self._run(self._definition, json.loads(json.dumps(given)))

    def _run(self, machine: dict[str, Any], data: Any) -> Any:
        name = machine["StartAt"]
        for _ in range(MAX_STEPS):
            state = machine["States"][name]
            self.visited.append(name)
            name, data = getattr(self, f"_do_{state['Type'].lower()}")(state, data)
            if name is None:
                return data
        raise AssertionError(f"the machine did not end after {MAX_STEPS} steps")

    def _do_task(self, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        given = (
            _fill(state["Parameters"], data, {}) if "Parameters" in state else _at(state.get("InputPath", "$"), data)
        )
        try:
            result = self._functions[state["Resource"]](json.loads(json.dumps(given)), None)
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            if "Catch" not in state:
                raise MachineFailed(type(error).__name__, cause) from error
            catch = state["Catch"][0]
            return catch["Next"], _with(data, catch["ResultPath"], {"Error": type(error).__name__, "Cause": cause})
        return state.get("Next"), _with(data, state.get("ResultPath", "$"), json.loads(json.dumps(result)))

    def _do_map(self, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        items = _at(state["ItemsPath"], data)
        results = []
        for item in items:
            given = _fill(state["ItemSelector"], data, {"Map": {"Item": {"Value": item}}})
            try:
                results.append(self._run(state["ItemProcessor"], given))
            except MachineFailed as error:
                if state.get("ToleratedFailurePercentage") == 100:
                    continue
                if "Catch" not in state:
                    raise
                catch = state["Catch"][0]
                return catch["Next"], _with(data, catch["ResultPath"], {"Error": error.error, "Cause": str(error)})
        return state.get("Next"), _with(data, state.get("ResultPath", "$"), results)

    def _do_choice(self, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        for choice in state["Choices"]:
            value = _at(choice["Variable"], data)
            if (
                ("BooleanEquals" in choice and value is choice["BooleanEquals"])
                or ("NumericGreaterThan" in choice and value > choice["NumericGreaterThan"])
                or ("NumericGreaterThanEquals" in choice and value >= choice["NumericGreaterThanEquals"])
            ):
                return choice["Next"], data
        return state["Default"], data

    def _do_pass(self, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        return state.get("Next"), _with(data, state.get("ResultPath", "$"), state["Result"])

    def _do_wait(self, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        self._wait()
        return state["Next"], data

    def _do_fail(self, state: dict[str, Any], data: Any) -> tuple[str | None, Any]:
        error = _at(state["ErrorPath"], data) if "ErrorPath" in state else state["Error"]
        raise MachineFailed(error, _at(state["CausePath"], data) if "CausePath" in state else state["Cause"])


def _at(path: str, data: Any, context: Mapping[str, Any] | None = None) -> Any:
    found: Any = context if path.startswith("$$") else data
    for part in path.lstrip("$").strip(".").split("."):
        found = found[part] if part else found
    return found


def _with(data: Any, path: str | None, result: Any) -> Any:
    if path is None:
        return data
    if path == "$":
        return result
    return {**data, path.removeprefix("$."): result}


def _fill(template: dict[str, Any], data: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removesuffix(".$"): _at(path, data, context) for name, path in template.items()}
