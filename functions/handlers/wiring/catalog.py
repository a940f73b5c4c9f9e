"""The composition root of the catalog."""

from typing import TYPE_CHECKING

from functions.handlers.wiring import base

if TYPE_CHECKING:
    from functions.adapters.dynamo.catalog.feature_store import DynamoFeatures
    from functions.adapters.dynamo.catalog.plan_store import DynamoAddons, DynamoPlanAddons, DynamoPlans
    from functions.application.catalog.manage_plan_addons import PlanAddonsOf


def features() -> "DynamoFeatures":
    from functions.adapters.dynamo.catalog.feature_store import DynamoFeatures

    return DynamoFeatures(base.billing_table())


def metered_features() -> "DynamoFeatures":
    return features()


def plans() -> "DynamoPlans":
    from functions.adapters.dynamo.catalog.plan_store import DynamoPlans

    return DynamoPlans(base.billing_table())


def addons() -> "DynamoAddons":
    from functions.adapters.dynamo.catalog.plan_store import DynamoAddons

    return DynamoAddons(base.billing_table())


def plan_addons() -> "DynamoPlanAddons":
    from functions.adapters.dynamo.catalog.plan_store import DynamoPlanAddons

    return DynamoPlanAddons(base.billing_table())


def plan_addons_of() -> "PlanAddonsOf":
    from functions.application.catalog.manage_plan_addons import PlanAddonsOf

    return PlanAddonsOf(plans(), addons(), plan_addons(), base.clock())
