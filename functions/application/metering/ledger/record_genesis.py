"""What a ledger is made with, once: later deployments must come with the same."""

from functions.application.ports.access import Genesis, RefusesToDeploy
from functions.domain.metering.values.lanes import Lanes, key_check
from functions.names import LEDGER_FORMAT


def record_genesis(lanes: Lanes, *, genesis: Genesis) -> None:
    """Raises RefusesToDeploy when the lane count, the ledger key or the form of what is stored differ from what events
    were counted with.
    """
    asked = (lanes.count, key_check(lanes.key), LEDGER_FORMAT)
    kept = genesis.record(*asked)
    if kept == asked:
        return
    if kept[0] != lanes.count:
        raise RefusesToDeploy(
            f"This ledger was made with {kept[0]} lanes, not {lanes.count}: a subject would get a second writer and "
            f"events could count twice. Set fixed_lanes = {kept[0]} in stages.toml and deploy again."
        )
    if kept[2] != LEDGER_FORMAT:
        raise RefusesToDeploy(
            f"This ledger's counters are stored in format {kept[2]}, and this version reads {LEDGER_FORMAT} only: it "
            "would answer with less usage than was counted. Deploy a version of that format, or a stage of its own; "
            "on your machine: make down, then make up."
        )
    raise RefusesToDeploy(
        "The ledger key is not the one this ledger was made with: every event could count twice. "
        "Restore the earlier value of the ledger secret."
    )
