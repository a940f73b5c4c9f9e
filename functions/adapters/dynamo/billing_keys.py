"""Every key pattern of the billing table; the tenant is in every key but the one that is looked up to learn it.

| what is asked                               | pk                  | sk                         | how        |
|---------------------------------------------|---------------------|----------------------------|------------|
| a meter by id; all meters                   | `<tenant>#meter`    | `<meter id>`               | get, query |
| a customer by id; all customers             | `<tenant>#customer` | `<customer id>`            | get, query |
| a feature by id; all features               | `<tenant>#feature`  | `<feature id>`             | get, query |
| what was said of a subject, by id; of all   | `<tenant>#          | `<subject id>`             | get, query |
|                                             | subject_record`     |                            |            |
| an API key of a tenant by id; all of them   | `<tenant>#api_key`  | `<key id>`                 | get, query |
| whose is this customer key, subject,        | `<tenant>#unique`   | `<kind>#<value>`           | get        |
| feature or coupon key, and key of a subject |                     | when long: `<kind>~<hash>` |            |
| record: the lock items of unique names      |                     |                            |            |
| what a customer held and holds no more      | `<tenant>#          | `<customer id>#<number of  | query      |
|                                             | attribution`        | the first>`                |            |
| whose API key is this, tenant unknown yet   | `api_key`           | `<key id>`                 | get        |
| a portal token by id; the newest of them    | `<tenant>#          | `<token id>`; expires 7    | get, query |
|                                             | portal_token`       | days after the token       |            |
| which portal tokens of a subject or         | `<tenant>#          | `subject#<subject>`        | get        |
| customer are in force: those of this epoch  | portal_epoch`       | `customer#<customer id>`;  |            |
|                                             |                     | expires after 7 days       |            |

Billing (stores: plan, coupon, subscription, invoice, payment, billing_index, failure, reconciliation, plan_migration,
billing_settings);
single items by get, ranges by query:

| what is asked                             | pk                               | sk                                   |
|-------------------------------------------|----------------------------------|--------------------------------------|
| a plan version by id; all of them         | `<tenant>#plan`                  | `<plan id>`                          |
| the versions of a plan key                | `<tenant>#plan_family`           | `<plan key>`                         |
| an add-on version by id; all of them      | `<tenant>#addon`                 | `<add-on id>`                        |
| the versions of an add-on key             | `<tenant>#addon_family`          | `<add-on key>`                       |
| the add-ons of a plan version             | `<tenant>#plan_addon`            | `<plan id>#<add-on id>`              |
| a coupon by id; all of them               | `<tenant>#coupon`                | `<coupon id>`                        |
| the coupons of a customer and of their    | `<tenant>#applied_coupon`        | `<customer id>#<applied id>`         |
| subscriptions, in the order applied       |                                  |                                      |
| a subscription by id                      | `<tenant>#subscription`          | `<subscription id>`                  |
| the subscriptions of a customer           | `<tenant>#customer_subscription` | `<customer id>#<subscription id>`    |
| a customer's subscriptions at a glance;   | `<tenant>#unique`                | `subscription#<customer id>`         |
| their lock when the customer is deleted   |                                  |                                      |
| or gets a coupon                          |                                  |                                      |
| how often something was put up for sale,  | `<tenant>#unique`                | `sale_counts`                        |
| and how often something was withdrawn     |                                  |                                      |
| the same of what subscriptions sell, in   | `<tenant>#unique`                | `sale_counts#<part>`                 |
| parts by customer                         |                                  |                                      |
| whose period has ended, over all tenants  | `due`                            | `<due at>#<tenant>#<customer id>#    |
|                                           |                                  | <subscription id>`                   |
| what is not at the gateway yet, likewise  | `unpushed`                       | `<next try>#<tenant>#<customer id>#  |
|                                           |                                  | <invoice id>`                        |
| which run of everybody's bills began last | `billing_turn`                   | `billing_turn`                       |
| whose turn is it in a run, likewise       | `due_plan`                       | `<run id>#<phase>#<page>`; expires   |
|                                           |                                  | after 2 days                         |
| an invoice by id; invoices by boundary    | `<tenant>#invoice`               | `<invoice id>`                       |
| its lines and its document                | `<tenant>#invoice_lines`         | `<invoice id>`                       |
| the invoices of a customer (from 11/2026) | `<tenant>#customer_invoice`      | `<customer id>#<invoice id>`         |
| which invoices were measured before late  | `recheck`                        | `<due at>#<tenant>#<customer id>#    |
| usage is told of, over all tenants        |                                  | <invoice id>`                        |
| what differs from what was issued         | `<tenant>#difference`            | `<customer id>#<period>#<item id>`   |
| how far invoice numbers have been given   | `<tenant>#invoice_number`        | `<prefix>`                           |
| who could not be billed, and why          | `<tenant>#billing_failure`       | `<customer id>#<invoice id or ->`    |
| is an "invoice now" being waited for      | `<tenant>#invoice_request`       | `<customer id>`                      |
| how far is the migration of a whole plan  | `<tenant>#plan_migration`        | `<migration id>`; expires after      |
|                                           |                                  | 90 days                              |
| what became of its subscriptions          | `<tenant>#                       | `<migration id>#<subscription id>`;  |
|                                           | plan_migration_subscription`     | expires after 90 days                |
| which of them was begun last              | `<tenant>#unique`                | `plan_migration`                     |
| what the tenant decides for all billing   | `<tenant>#unique`                | `billing_settings`                   |

Entitlements (stores: entitlement, entitlement_backfill):

| what is asked                             | pk                               | sk                                   |
|-------------------------------------------|----------------------------------|--------------------------------------|
| may this customer use this feature; all   | `<tenant>#entitled`              | `<customer id>#<feature key>`        |
| that a customer may use                   |                                  |                                      |
| an entitlement by id; all of them         | `<tenant>#entitlement`           | `<entitlement id>`                   |
| a grant by id; all of them                | `<tenant>#grant`                 | `<grant id>`                         |
| how far is the backfill of entitlements   | `<tenant>#unique`                | `entitlement_backfill`               |
| who could not be entitled by it, and why  | `<tenant>#                       | `<customer id>`                      |
|                                           | entitlement_backfill_failure`    |                                      |
| whose backfill goes on, over all tenants  | `entitlement_backfill`           | `<due at>#<tenant>`                  |
| how far is the search for tenants with    | `entitlement_backfill`           | `#tenants`                           |
| subscriptions                             |                                  |                                      |

Stripe (store: push):

| what is asked                             | pk                               | sk                                   |
|-------------------------------------------|----------------------------------|--------------------------------------|
| how far has this invoice been pushed      | `<tenant>#push`                  | `<invoice id>`                       |
| who is this customer at the gateway       | `<tenant>#gateway_customer`      | `<customer id>#<currency>`           |
| has this message been dealt with          | `<tenant>#gateway_event`         | `<event id>`; expires after 35 days  |

Archive (store: archive_query):

| what is asked                             | pk                               | sk                                   |
|-------------------------------------------|----------------------------------|--------------------------------------|
| whose is this query; how many of late     | `<tenant>#archive_query`         | `<query id>`; expires after 7 days   |
| how many bytes were read or are reserved  | `<tenant>#archive_budget`        | `<day>`; expires after 7 days        |

An invoice id is a ULID of the instant the invoice is owed from, so a range of ids is a range of boundaries. Index
entries are written in the transaction of what they index.

Ids are ULIDs, so a query is in order of creation. A lock item is written in the transaction of its record. Meters are
also in the meter set of the usage table, which the aggregator reads and which keeps slugs unique; both are written in
one transaction. A tenant never contains `#` (domain/access/api_key.py), so no two tenants share a key and none is `api_key`.
"""

from datetime import datetime
from hashlib import blake2b

from functions import names

# A sort key has room for 1,024 bytes, which the longest names need for themselves: those are hashed.
MAX_LITERAL_BYTES = 512


def records(tenant: str, kind: str) -> str:
    """The partition of all records of one kind."""
    return f"{tenant}#{kind}"


def unique_names(tenant: str) -> str:
    """The partition of the lock items that keep names unique within a tenant."""
    return f"{tenant}#unique"


def unique_name(kind: str, value: str) -> str:
    """The lock item of one name."""
    encoded = value.encode()
    if len(encoded) <= MAX_LITERAL_BYTES:
        return f"{kind}#{value}"
    return f"{kind}~{blake2b(encoded, digest_size=32).hexdigest()}"


def holder(kind: str, name: str) -> str:
    """A subject or a customer whose portal tokens have an epoch; the longest subject fits."""
    return f"{kind}#{name}"


def sale_counts(tenant: str) -> tuple[str, str]:
    """How often something was put up for sale, and how often something that can be sold was withdrawn."""
    return unique_names(tenant), "sale_counts"


def latest_migration(tenant: str) -> tuple[str, str]:
    """Which migration of a whole plan was begun last: the only one that may be running."""
    return unique_names(tenant), PLAN_MIGRATION


def billing_settings(tenant: str) -> tuple[str, str]:
    """What the tenant decides for all its billing."""
    return unique_names(tenant), "billing_settings"


def entitlement_backfill(tenant: str) -> tuple[str, str]:
    """How far the entitlements are that its subscriptions give."""
    return unique_names(tenant), ENTITLEMENT_BACKFILL


def subscribed_counts(tenant: str, part: int) -> tuple[str, str]:
    """How often the subscriptions of some customers began to sell something, and how often it could be withdrawn."""
    return unique_names(tenant), f"sale_counts#{part}"


METER = "meter"
CUSTOMER = "customer"
ATTRIBUTION = "attribution"
FEATURE = "feature"
SUBJECT_RECORD = "subject_record"
API_KEY = names.CREDENTIALS
PORTAL_TOKEN = names.PORTAL_TOKENS
PORTAL_EPOCH = names.PORTAL_EPOCHS

CUSTOMER_KEY = "customer_key"
SUBJECT = "subject"
FEATURE_KEY = "feature_key"
COUPON_KEY = "coupon_key"
SUBJECT_RECORD_KEY = "subject_record_key"

# The one partition without a tenant: the authorizer learns the tenant from it.
CREDENTIALS = names.CREDENTIALS

# Billing

PLAN = "plan"
PLAN_FAMILY = "plan_family"
ADDON = "addon"
ADDON_FAMILY = "addon_family"
PLAN_ADDON = "plan_addon"
COUPON = "coupon"
APPLIED_COUPON = "applied_coupon"
SUBSCRIPTION = "subscription"
CUSTOMER_SUBSCRIPTION = "customer_subscription"
INVOICE = "invoice"
INVOICE_LINES = "invoice_lines"
CUSTOMER_INVOICE = "customer_invoice"
DIFFERENCE = "difference"
INVOICE_NUMBER = "invoice_number"
BILLING_FAILURE = "billing_failure"
INVOICE_REQUEST = "invoice_request"
PLAN_MIGRATION = "plan_migration"
PLAN_MIGRATION_SUBSCRIPTION = "plan_migration_subscription"
# Indexes and the plans of runs over all tenants, like the credentials above.
DUE = "due"
UNPUSHED = "unpushed"
DUE_PLAN = "due_plan"
BILLING_TURN = ("billing_turn", "billing_turn")
RECHECK = "recheck"

# Entitlements

ENTITLED = "entitled"
ENTITLEMENT = "entitlement"
GRANT = "grant"
ENTITLEMENT_BACKFILL_FAILURE = "entitlement_backfill_failure"
# Over all tenants, like the indexes above; the search comes before every instant.
ENTITLEMENT_BACKFILL = "entitlement_backfill"
TENANT_SEARCH = (ENTITLEMENT_BACKFILL, "#tenants")

# Archive

ARCHIVE_QUERY = "archive_query"
ARCHIVE_BUDGET = "archive_budget"

# Stripe

PUSH = "push"
GATEWAY_CUSTOMER = "gateway_customer"
GATEWAY_EVENT = "gateway_event"


def joined(*parts: str) -> str:
    """A sort key of several ids; none of them contains the separator."""
    assert all(map(can_be_joined, parts)), parts
    return "#".join(parts)


def can_be_joined(part: str) -> bool:
    return "#" not in part


def instant(at: datetime) -> str:
    """An instant that sorts as text."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def behind_all_of(part: str) -> str:
    """The beginning, inclusive, of what comes behind every sort key that begins with an id."""
    return f"{part}$"


def upto(at: datetime) -> str:
    """The end, inclusive, of all sort keys that begin with an instant not after this one."""
    return f"{instant(at)}$"
