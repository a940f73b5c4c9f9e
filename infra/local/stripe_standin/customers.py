"""What /v1/customers does."""

from infra.local.stripe_standin import lists, objects
from infra.local.stripe_standin.forms import Params
from infra.local.stripe_standin.refusal import missing
from infra.local.stripe_standin.world import Json, World

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def create(world: World, params: Params) -> Json:
    params.texts("expand")
    given = {
        "name": params.text("name", None, longest=256),
        "email": params.text("email", None, longest=512),
        "phone": params.text("phone", None, longest=20),
        "description": params.text("description", None),
        "address": _address(params, None),
        "balance": params.integer("balance", 0),
        "metadata": params.metadata(),
    }
    params.close()
    customer = world.keep(world.customers, objects.customer(world, **given))
    world.emit("customer.created", customer)
    return customer


def find(world: World, name: str, *, param: str = "id", status: int = 404) -> Json:
    customer = world.customers.get(name)
    if customer is None:
        raise missing("customer", name, param=param, status=status)
    return customer


def retrieve(world: World, params: Params, name: str) -> Json:
    params.texts("expand")
    params.close()
    if name in world.deleted_customers:
        return _deleted(name)
    return find(world, name)


def update(world: World, params: Params, name: str) -> Json:
    customer = find(world, name)
    params.texts("expand")
    changes = {
        "name": params.text("name", customer["name"], longest=256),
        "email": params.text("email", customer["email"], longest=512),
        "description": params.text("description", customer["description"]),
        "address": _address(params, customer["address"]),
        "metadata": params.metadata(customer["metadata"]),
    }
    params.close()
    # An empty text takes away what was there.
    customer.update({field: None if value == "" else value for field, value in changes.items()})
    world.emit("customer.updated", customer)
    return customer


def _address(params: Params, before: Json | None) -> Json | None:
    if not params.has("address"):
        return before
    if params.is_empty("address"):
        params.text("address")
        return None
    given = params.child("address")
    assert given is not None
    address = {field: given.text(field, None) or None for field in ADDRESS}
    given.close()
    return address


def list_all(world: World, params: Params) -> Json:
    email = params.text("email", None)
    is_inside = lists.created_filter(params)
    found = [each for each in reversed(world.customers.values()) if is_inside(each) and email in (None, each["email"])]
    return lists.page(found, params, "/v1/customers")


def delete(world: World, params: Params, name: str) -> Json:
    """For good: invoices stay, but nothing new can be made for them or finalized."""
    params.close()
    customer = find(world, name)
    del world.customers[name]
    world.keep(world.deleted_customers, customer)
    world.emit("customer.deleted", customer)
    return _deleted(name)


def _deleted(name: str) -> Json:
    return {"id": name, "object": "customer", "deleted": True}
