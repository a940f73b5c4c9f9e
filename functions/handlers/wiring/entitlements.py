"""The composition root of entitlements."""

from typing import TYPE_CHECKING

from functions.handlers.wiring import base, catalog, metering

if TYPE_CHECKING:
    from functions.adapters.dynamo.entitlements.entitlement_store import DynamoEntitlements
    from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers
    from functions.application.entitlements.check_access import AccessChecker
    from functions.application.entitlements.find_entitlement import EntitlementPorts
    from functions.application.entitlements.list_access import AccessPorts
    from functions.application.ports.entitlements import EntitledCustomer


def entitlements() -> "DynamoEntitlements":
    from functions.adapters.dynamo.entitlements.entitlement_store import DynamoEntitlements

    return DynamoEntitlements(base.billing_table())


def entitled_customers() -> "DynamoCustomers":
    from functions.adapters.dynamo.subscriptions.customer_store import DynamoCustomers

    return DynamoCustomers(base.billing_table())


def entitlement_ports() -> "EntitlementPorts":
    from functions.application.entitlements.find_entitlement import EntitlementPorts

    return EntitlementPorts(entitlements(), entitled_customers(), catalog.features(), base.clock(), base.new_ulid)


def access_checker(tenant: str, customer: "EntitledCustomer") -> "AccessChecker":
    from functions.application.entitlements.check_access import AccessChecker

    return AccessChecker(tenant, customer, entitlement_ports(), metering.api_usage_meter())


def access_ports() -> "AccessPorts":
    from functions.application.entitlements.list_access import AccessPorts

    return AccessPorts(entitlement_ports(), metering.api_usage_meter())
