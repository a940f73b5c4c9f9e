"""Do the features that rate cards name exist, with the meters that prices and entitlements need?"""

from collections.abc import Mapping, Sequence

from functions.application.ports.catalog import MeteredFeatures
from functions.domain.catalog.feature import MeteredFeature
from functions.domain.catalog.phase import PlanPhase
from functions.domain.catalog.rate_card import Card
from functions.domain.catalog.validation import (
    MeterFacts,
    feature_problems,
    features_to_look_into,
    meter_problems,
    refuse,
)
from functions.domain.errors import FieldError

Cards = Sequence[Card]


def check_features(tenant: str, phases: Sequence[PlanPhase], features: MeteredFeatures) -> None:
    """Every feature a card names must exist and have the meter its price or entitlement needs; raises InvalidInput."""
    known_features(tenant, phases, features)


def known_features(tenant: str, phases: Sequence[PlanPhase], features: MeteredFeatures) -> Mapping[str, MeteredFeature]:
    """The same, and those features by key."""
    cards = [card for phase in phases for card in phase.rate_cards]
    known, meters = _facts(tenant, cards, features)
    refuse(
        [
            problem
            for p, phase in enumerate(phases)
            for problem in _problems(phase.rate_cards, f"phases[{p}].rateCards", known, meters)
        ]
    )
    return known


def card_feature_problems(tenant: str, cards: Cards, where: str, features: MeteredFeatures) -> list[FieldError]:
    known, meters = _facts(tenant, cards, features)
    return _problems(cards, where, known, meters)


def _facts(
    tenant: str, cards: Cards, features: MeteredFeatures
) -> tuple[Mapping[str, MeteredFeature], Mapping[str, MeterFacts]]:
    known = features.metered(tenant, sorted({card.feature_key for card in cards if card.feature_key}))
    wanted = features_to_look_into(cards)
    return known, features.meters(tenant, wanted) if wanted else {}


def _problems(
    cards: Cards, where: str, known: Mapping[str, MeteredFeature], meters: Mapping[str, MeterFacts]
) -> list[FieldError]:
    has_meter = {key: feature.meter_slug is not None for key, feature in known.items()}
    return [*feature_problems(cards, where, has_meter), *meter_problems(cards, where, meters)]
