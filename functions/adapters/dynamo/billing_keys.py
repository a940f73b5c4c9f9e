"""Every key pattern of the billing table; the tenant is in every key but the one that is looked up to learn it.

| what is asked                               | pk                  | sk                         | how        |
|---------------------------------------------|---------------------|----------------------------|------------|
| a meter by id; all meters                   | `<tenant>#meter`    | `<meter id>`               | get, query |
| a customer by id; all customers             | `<tenant>#customer` | `<customer id>`            | get, query |
| a feature by id; all features               | `<tenant>#feature`  | `<feature id>`             | get, query |
| an API key of a tenant by id; all of them   | `<tenant>#api_key`  | `<key id>`                 | get, query |
| whose is this customer key, subject or      | `<tenant>#unique`   | `<kind>#<value>`           | get        |
| feature key: the lock items of unique names |                     | when long: `<kind>~<hash>` |            |
| whose API key is this, tenant unknown yet   | `api_key`           | `<key id>`                 | get        |

Ids are ULIDs, so a query is in order of creation. A lock item is written in the transaction of its record. Meters are
also in the meter set of the usage table, which the aggregator reads and which keeps slugs unique; both are written in
one transaction. A tenant never contains `#` (domain/access.py), so no two tenants share a key and none is `api_key`.
"""

from hashlib import blake2b

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


METER = "meter"
CUSTOMER = "customer"
FEATURE = "feature"
API_KEY = "api_key"

CUSTOMER_KEY = "customer_key"
SUBJECT = "subject"
FEATURE_KEY = "feature_key"

# The one partition without a tenant: the authorizer learns the tenant from it.
CREDENTIALS = "api_key"
