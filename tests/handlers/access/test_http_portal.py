"""Portal tokens over HTTP: who makes them, what they show, and how soon they show nothing any more."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from functions.adapters.dynamo.access.portal_token_store import DynamoPortalTokens
from functions.adapters.dynamo.table import Table
from functions.domain.access.portal_token import MAX_ALLOWED_METERS, MAX_SECONDS, MAX_TOKEN_CHARACTERS
from functions.handlers import http_api
from functions.handlers.access import http_authorize
from functions.handlers.metering import http_ingest
from tests.conftest import DynamoDb
from tests.handlers.gateway import Client
from tests.handlers.metering.usage_of_tokens import METER, at, count_tokens, event
from tests.handlers.metering.world import Metering
from tests.handlers.portal import TOKENS, Later, Page, Vault, authorize, codes, forget_portal, make, wire_vault

INVALIDATE = f"{TOKENS}/invalidate"


@pytest.fixture(autouse=True)
def vault(api: Client, monkeypatch: pytest.MonkeyPatch) -> Vault:
    return wire_vault(monkeypatch)


@pytest.fixture
def metering(api: Client, dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> Metering:
    return count_tokens(api, dynamodb, monkeypatch)


def customer(api: Client, key: str, *subjects: str) -> str:
    body = {"name": key, "key": key, "usageAttribution": {"subjectKeys": list(subjects)}}
    made = api.post("/api/v1/customers", body)
    assert made.status == 201, made.text
    return str(made.json["id"])


def shown(page: Page, params: Any = "") -> dict[str, Any]:
    """The values by subject."""
    response = page.query(params=params)
    assert response.status == 200, response.text
    return {row["subject"]: float(row["value"]) for row in response.json["data"]}


def test_a_token_is_answered_with_its_text_once(api: Client, dynamodb: DynamoDb) -> None:
    made = make(api, subject="ada", allowedMeterSlugs=["tokens", "tokens"], expiresIn=60)
    text = made.pop("token")
    assert made["expired"] is False
    assert (made["subject"], made["allowedMeterSlugs"]) == ("ada", ["tokens"])
    lifetime = datetime.fromisoformat(made["expiresAt"]) - datetime.fromisoformat(made["createdAt"])
    assert lifetime == timedelta(seconds=60)
    listed = api.get(TOKENS)
    assert listed.json == [made]
    stored = [*Table(dynamodb.client, dynamodb.billing_table).query("default#portal_token")]
    assert len(stored) == 1
    assert text.rpartition(".")[2] not in listed.text + str(stored)


def test_a_token_is_a_jwt_as_openmeter_makes_it(api: Client, vault: Vault) -> None:
    made = make(api, subject="ada", allowedMeterSlugs=["tokens"])
    header, claims = jwt.get_unverified_header(made["token"]), jwt.decode(made["token"], vault.versions[-1], ["HS256"])
    assert (header["alg"], header["typ"], len(header["kid"])) == ("HS256", "JWT", 16)
    assert claims == {
        "iss": "openmeter",
        "Id": made["id"],
        "Namespace": "default",
        "sub": "ada",
        "AllowedMeterSlugs": ["tokens"],
        "iat": int(datetime.fromisoformat(made["createdAt"]).timestamp()),
        "exp": int(datetime.fromisoformat(made["createdAt"]).timestamp()) + 3_600,
    }


def test_a_token_fits_into_the_headers_of_a_request_or_is_not_made(api: Client) -> None:
    slugs = [f"m{number:02d}" + "x" * 61 for number in range(MAX_ALLOWED_METERS)]
    longest_subject = make(api, subject="\x01" * 1_000)["token"]
    usual = make(api, subject="s" * 256, allowedMeterSlugs=slugs)["token"]
    assert max(len(longest_subject), len(usual)) <= MAX_TOKEN_CHARACTERS
    assert {authorize(each)["context"]["tenant"] for each in (longest_subject, usual)} == {"default"}
    refused = api.post(TOKENS, {"subject": "\x01" * 1_000, "allowedMeterSlugs": slugs})
    assert (refused.status, codes(refused)) == (400, ["portal_token_too_long"])
    assert len(api.get(TOKENS).json) == 2


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["$"]),
    ({"subject": "ada", "customerId": "acme"}, ["$"]),
    ({"subject": ""}, ["subject"]),
    ({"subject": "€" * 334}, ["subject"]),
    ({"subject": 1}, ["subject"]),
    ({"customerId": ""}, ["customerId"]),
    ({"subject": "ada", "allowedMeterSlugs": []}, ["allowedMeterSlugs"]),
    ({"subject": "ada", "allowedMeterSlugs": ["No Slug"]}, ["allowedMeterSlugs[0]"]),
    ({"subject": "ada", "allowedMeterSlugs": [f"m{n}" for n in range(51)]}, ["allowedMeterSlugs"]),
    ({"subject": "ada", "expiresIn": 0}, ["expiresIn"]),
    ({"subject": "ada", "expiresIn": MAX_SECONDS + 1}, ["expiresIn"]),
    ({"subject": "ada", "expiresIn": True}, ["expiresIn"]),
    ({"subject": "ada", "expiresIn": "60"}, ["expiresIn"]),
    ({"subject": "ada", "expiresAt": "2030-01-01T00:00:00Z"}, ["expiresAt"]),
]


@pytest.mark.parametrize(("body", "fields"), WRONG)
def test_a_wrong_token_is_refused_by_field(api: Client, body: dict[str, Any], fields: list[str]) -> None:
    refused = api.post(TOKENS, body)
    assert (refused.status, refused.fields) == (400, fields), refused.text
    assert api.get(TOKENS).json == []


def test_tokens_are_for_admins_and_a_customer_must_be_there(api: Client) -> None:
    for scopes in ("read", "ingest", "read ingest", ""):
        caller = api.acting_as(scopes)
        asked = [caller.post(TOKENS, {"subject": "a"}), caller.get(TOKENS), caller.post(INVALIDATE, {"subject": "a"})]
        assert [each.status for each in asked] == [403, 403, 403]
    assert api.post(TOKENS, {"customerId": "nobody"}).status == 404
    gone = customer(api, "gone")
    assert api.delete(f"/api/v1/customers/{gone}").status == 204
    assert api.post(TOKENS, {"customerId": gone}).status == 404


def test_the_list_has_the_newest_first_as_many_as_asked_for(api: Client) -> None:
    made = [make(api, subject=f"s{number}")["id"] for number in range(30)]
    ids = [each["id"] for each in api.get(TOKENS).json]
    assert len(ids) == 25
    assert set(ids) <= set(made)
    assert ids == sorted(ids, reverse=True)
    assert [each["id"] for each in api.get(TOKENS, "limit=2").json] == ids[:2]
    assert len(api.get(TOKENS, "limit=100").json) == 30
    assert {api.get(TOKENS, f"limit={limit}").status for limit in (0, 101, "x")} == {400}


@pytest.mark.usefixtures("metering")
def test_a_page_sees_its_subject_alone_in_every_form(api: Client) -> None:
    page = Page(make(api, subject="bob")["token"])
    assert shown(page) == {"bob": 1100}
    assert shown(page, {"groupBy": "subject"}) == {"bob": 1100}
    assert shown(page, {"filterGroupBy[model]": "gpt-5"}) == {"bob": 1000}
    assert shown(page, {"filterGroupBy": "{'model': 'gpt-5'}"}) == {"bob": 1000}
    hours = page.query(params={"windowSize": "HOUR", "from": at(0), "to": at(3), "clientId": "c"}).json
    same = api.get("/api/v1/meters/tokens/query", f"subject=bob&windowSize=HOUR&from={at(0)}&to={at(3)}").json
    assert hours == same
    by_model = page.query(params={"groupBy": "model"}).json["data"]
    assert {row["groupBy"]["model"]: row["value"] for row in by_model} == {"gpt-4": 100, "gpt-5": 1000}
    csv = page.query(accept="text/csv")
    asked = api.get("/api/v1/meters/tokens/query", "subject=bob", headers={"accept": "text/csv"})
    assert (csv.content_type, csv.text) == ("text/csv", asked.text)
    assert "bob" in csv.text and "ada" not in csv.text


@pytest.mark.usefixtures("metering")
@pytest.mark.parametrize(
    "params",
    [
        "subject=ada",
        "subject=bob&subject=ada",
        "subject%5B%5D=ada",
        "filterCustomerId=acme",
        "filterCustomerId=acme&filterCustomerId=other",
        "groupBy=customer_id",
        "exact=true",
        "cursor=",
        'advancedMeterGroupByFilters={"subject":{"$eq":"ada"}}',
        "filterGroupBy[subject]=ada",
    ],
)
def test_nothing_that_names_somebody_else_is_taken(api: Client, params: str) -> None:
    customer(api, "acme", "ada")
    refused = Page(make(api, subject="bob")["token"]).query(params=params)
    assert refused.status == 400, refused.text


@pytest.mark.usefixtures("metering")
def test_the_customer_filter_of_openmeter_is_refused_with_the_remedy(api: Client) -> None:
    refused = Page(make(api, subject="bob")["token"]).query(params="filterCustomerId=acme")
    assert refused.fields == ["filterCustomerId"]
    assert "the token says whose usage it is; leave it out" in refused.json["detail"]


def test_a_page_of_a_customer_sees_all_its_subjects_and_a_subject_that_moves_follows(
    api: Client, metering: Metering
) -> None:
    acme, other = customer(api, "acme", "ada", "bob"), customer(api, "other")
    pages = {name: Page(make(api, customerId=name)["token"]) for name in ("acme", "other")}
    asked = {"groupBy": ["subject", "customer_id"]}
    assert shown(pages["acme"], asked) == {"ada": pytest.approx(15.1234567890123456), "bob": 1100}
    assert shown(pages["other"], asked) == {}
    (row,) = pages["acme"].query().json["data"]
    assert row["customerId"] == acme
    changed = {"name": "acme", "key": "acme", "usageAttribution": {"subjectKeys": ["ada"]}}
    assert api.put(f"/api/v1/customers/{acme}", changed).status == 200
    gained = {"name": "other", "key": "other", "usageAttribution": {"subjectKeys": ["bob"]}}
    assert api.put(f"/api/v1/customers/{other}", gained).status == 200
    metering.count([event(9, 71.9, "bob", 7) | {"time": datetime.now(UTC).isoformat()}])
    assert shown(pages["other"], asked) == {"bob": 7}
    assert api.delete(f"/api/v1/customers/{other}").status == 204
    assert pages["other"].query().status == 404


@pytest.mark.usefixtures("metering")
def test_a_meter_beyond_the_list_is_403_whether_it_is_there_or_not(api: Client) -> None:
    api.post("/api/v1/meters", METER | {"slug": "hidden"})
    page = Page(make(api, subject="bob", allowedMeterSlugs=["tokens", "missing"])["token"])
    meter_id = api.get("/api/v1/meters/hidden").json["id"]
    answers = [page.query(slug) for slug in ("hidden", meter_id, "nothing")]
    assert [(each.status, codes(each)) for each in answers] == [(403, ["meter_not_allowed"])] * 3
    assert "it shows the meters tokens, missing" in answers[0].json["detail"]
    assert page.query("tokens").status == 200
    assert page.query("missing").status == 404
    assert Page(make(api, subject="bob")["token"]).query("hidden").status == 200


def test_two_tenants_with_equal_names_see_nothing_of_each_other(api: Client, metering: Metering) -> None:
    acme = api.acting_as("admin", "acme")
    assert acme.post("/api/v1/meters", METER).status == 201
    metering.count([event(1, 1.0, "bob", 3)], "acme")
    ours, theirs = make(api, subject="bob"), make(acme, subject="bob")
    assert shown(Page(ours["token"])) == {"bob": 1100}
    assert shown(Page(theirs["token"])) == {"bob": 3}
    assert Page(theirs["token"]).query(params="tenant=default").status == 403
    assert [each["id"] for each in acme.get(TOKENS).json] == [theirs["id"]]
    refused = acme.post(INVALIDATE, {"id": ours["id"]})
    assert (refused.status, codes(refused)) == (404, ["portal_token_not_found"])
    mine = customer(api, "mine", "ada")
    assert acme.post(TOKENS, {"customerId": mine}).status == 404
    assert acme.post(INVALIDATE, {"customerId": mine}).status == 404
    assert acme.post(INVALIDATE, {"subject": "bob"}).status == 204
    forget_portal()
    assert Page(theirs["token"]).query().status == 401
    assert shown(Page(ours["token"])) == {"bob": 1100}


@pytest.mark.usefixtures("metering")
def test_an_invalidated_token_ends_within_five_seconds_and_is_looked_up_once_in_them(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, real = Later(monkeypatch), DynamoPortalTokens.is_in_force
    looked_up: list[Any] = []

    def noted(*asked: Any) -> bool:
        looked_up.append(asked)
        return real(*asked)

    monkeypatch.setattr(DynamoPortalTokens, "is_in_force", noted)
    made = make(api, subject="bob")
    page, other = Page(made["token"]), Page(make(api, subject="bob")["token"])
    assert [page.query().status for _ in range(5)] == [200] * 5
    assert len(looked_up) == 1
    assert api.post(INVALIDATE, {"id": made["id"]}).status == 204
    clock.ahead = timedelta(seconds=5)
    refused = page.query()
    assert (refused.status, codes(refused)) == (401, ["portal_token_revoked"])
    assert (len(looked_up), other.query().status) == (2, 200)
    assert api.post(INVALIDATE, {"id": made["id"]}).status == 204
    assert {each["id"]: each["expired"] for each in api.get(TOKENS).json}[made["id"]] is True


@pytest.mark.usefixtures("metering")
@pytest.mark.parametrize("kind", ["subject", "customerId"])
def test_all_tokens_of_a_subject_or_a_customer_end_at_once_and_later_ones_begin(api: Client, kind: str) -> None:
    customer(api, "bob")
    before = [make(api, **{kind: "bob"}) for _ in range(3)]
    kept = [make(api, **each) for each in ({"subject": "ada"}, {("subject", "customerId")[kind == "subject"]: "bob"})]
    for _ in range(2):
        assert api.post(INVALIDATE, {kind: "bob"}).status == 204
        after = make(api, **{kind: "bob"})
        forget_portal()
        assert {Page(each["token"]).query().status for each in before} == {401}
        assert {Page(each["token"]).query().status for each in (*kept, after)} == {200}
        expired = {each["id"]: each["expired"] for each in api.get(TOKENS).json}
        assert {id for id, is_expired in expired.items() if is_expired} == {each["id"] for each in before}
        before.append(after)


def test_invalidating_needs_exactly_one_name_and_tells_so(api: Client) -> None:
    for body in ({}, {"id": None}, {"id": "a", "subject": "b"}, {"subject": "a", "customerId": "b"}):
        refused = api.post(INVALIDATE, body)
        assert (refused.status, codes(refused)) == (400, ["one_holder"])
        assert "exactly one of id, subject, customerId" in refused.json["detail"]
    assert api.post(INVALIDATE).status == 400
    assert api.post(INVALIDATE, {"id": "nothing"}).status == 404
    assert api.post(INVALIDATE, {"customerId": "nobody"}).status == 404
    assert api.post(INVALIDATE, {"subject": "nobody yet"}).status == 204


@pytest.mark.usefixtures("metering")
def test_an_expired_token_is_401_with_the_remedy(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Later(monkeypatch)
    page = Page(make(api, subject="bob", expiresIn=60)["token"])
    assert page.query().status == 200
    clock.ahead = timedelta(seconds=60)
    refused = page.query()
    assert (refused.status, codes(refused)) == (401, ["portal_token_expired"])
    assert "POST /api/v1/portal/tokens" in refused.json["detail"]
    assert refused.headers["www-authenticate"] == "Bearer"
    assert [each["expired"] for each in api.get(TOKENS).json] == [True]


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_that_was_not_signed_by_us_opens_nothing(api: Client, vault: Vault) -> None:
    good = make(api, subject="bob")["token"]
    header, claims, signature = good.split(".")
    told, secret = jwt.get_unverified_header(good), vault.versions[-1]
    said = jwt.decode(good, options={"verify_signature": False})
    unnamed = {name: value for name, value in told.items() if name != "kid"}
    forged = [
        f"{encoded(told | {'alg': 'none'})}.{claims}.",
        f"{encoded(told | {'alg': 'none'})}.{claims}.{signature}",
        f"{encoded(told | {'alg': 'RS256'})}.{claims}.{signature}",
        f"{encoded(told | {'alg': 'HS512'})}.{claims}.{signature}",
        jwt.encode(said, secret * 2, "HS512", headers={"kid": told["kid"]}),
        jwt.encode(said, "another secret that is long enough", "HS256", headers={"kid": told["kid"]}),
        jwt.encode(said | {"iss": "somebody"}, secret, "HS256", headers={"kid": told["kid"]}),
        jwt.encode({k: v for k, v in said.items() if k != "exp"}, secret, "HS256", headers={"kid": told["kid"]}),
        jwt.encode(said, secret, "HS256", headers={"kid": "0" * 16}),
        f"{encoded(unnamed)}.{claims}.{signature}",
        f"{header}.{encoded(said | {'sub': 'ada'})}.{signature}",
        f"{header}.{encoded(said | {'Namespace': 'acme'})}.{signature}",
        f"{header}.{claims}.{signature[:-2]}{'AA' if signature[-2:] != 'AA' else 'BB'}",
        f"{header}.{claims}.",
        f"ey{'[' * 3_000}.{claims}.{signature}",
        base64.urlsafe_b64encode(b'{"a":' + b"[" * 5_000).decode().rstrip("=") + f".{claims}.{signature}",
        "ey..",
        "eyé.é.é",
    ]
    for token in forged:
        verdict = authorize(token)
        assert verdict == {"isAuthorized": True, "context": {"refused": "portal_token_invalid"}}, token
        refused = Page(token).query()
        assert (refused.status, codes(refused)) == (401, ["portal_token_invalid"])
    for token in (f"{encoded('text')}.{claims}.{signature}", good + "x" * MAX_TOKEN_CHARACTERS, f"{good}."):
        assert authorize(token) == {"isAuthorized": False}
    assert authorize(good)["context"]["tenant"] == "default"


def test_a_token_of_nobody_who_asked_for_it_opens_nothing(api: Client, vault: Vault) -> None:
    """Whoever learns the secret still has to guess the id of a token that is kept."""
    good = make(api, subject="bob")["token"]
    said = jwt.decode(good, vault.versions[-1], ["HS256"]) | {"Id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    forged = jwt.encode(said, vault.versions[-1], "HS256", headers={"kid": jwt.get_unverified_header(good)["kid"]})
    assert authorize(forged)["context"] == {"refused": "portal_token_revoked"}


def test_a_new_version_of_the_secret_takes_its_place_and_the_one_before_is_believed(
    api: Client, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Later(monkeypatch)
    first = make(api, subject="bob")["token"]
    vault.versions.append("the second secret of the portal, long enough")
    clock.ahead = timedelta(minutes=5)
    second = make(api, subject="bob")["token"]
    ids = [jwt.get_unverified_header(each)["kid"] for each in (first, second)]
    assert ids[0] != ids[1]
    assert [authorize(each)["context"].get("tenant") for each in (first, second)] == ["default", "default"]
    reads = vault.reads
    assert authorize(second)["context"]["tenant"] == "default"
    assert vault.reads == reads, "the keys are kept"
    vault.versions.append("the third secret of the portal, long enough too")
    clock.ahead = timedelta(minutes=10)
    assert authorize(first)["context"] == {"refused": "portal_token_invalid"}
    assert authorize(second)["context"]["tenant"] == "default"


def test_a_key_that_was_made_a_moment_ago_is_looked_for_and_made_up_ones_cost_a_read_in_five_seconds(
    api: Client, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Later(monkeypatch)
    make(api, subject="bob")
    clock.ahead = timedelta(seconds=6)
    vault.versions.append("the second secret of the portal, long enough")
    new = jwt.encode({}, vault.versions[-1], "HS256", headers={"kid": "0" * 16})
    reads = vault.reads
    for _ in range(10):
        assert authorize(new)["context"] == {"refused": "portal_token_invalid"}
    assert vault.reads == reads + 1


@pytest.mark.parametrize("secret", ["", "short"])
def test_a_secret_that_can_be_guessed_signs_and_opens_nothing(api: Client, vault: Vault, secret: str) -> None:
    good = make(api, subject="bob")["token"]
    vault.versions.append(secret)
    forget_portal()
    assert api.post(TOKENS, {"subject": "bob"}).status == 500
    with pytest.raises(Exception, match="fewer than 32 characters"):
        authorize(good)
    assert len(api.get(TOKENS).json) == 1


def test_a_portal_token_opens_nothing_but_the_portal(api: Client) -> None:
    page = Page(make(api, subject="bob")["token"])
    for method, path in [
        ("GET", "/api/v1/meters"),
        ("GET", "/api/v1/meters/tokens/query"),
        ("GET", "/api/v1/customers"),
        ("GET", TOKENS),
        ("GET", "/api/v1/api-keys"),
    ]:
        refused = page.call(method, path)
        assert (refused.status, codes(refused)) == (403, ["api_key_needed"]), path
    for path in (TOKENS, INVALIDATE, "/api/v1/meters/tokens/query", "/api/v1/api-keys"):
        assert page.call("POST", path, body="{}").status == 403, path
    assert page.call("POST", "/api/v1/events", body="[]", handler=http_ingest.handler).status == 403
    assert page.call("GET", "/api/v1/nothing").status == 404


@pytest.mark.parametrize("scopes", ["admin operator", "read", "portal", "admin portal"])
def test_no_key_opens_the_portal(api: Client, scopes: str) -> None:
    """No key has the scope `portal`, and the scope alone is not enough."""
    path = "/api/v1/portal/meters/tokens/query"
    refused = api.acting_as(scopes).get(path)
    assert (refused.status, codes(refused)) == (401, ["portal_token_needed"])
    assert "make one with POST /api/v1/portal/tokens" in refused.json["detail"]
    assert api.post("/api/v1/api-keys", {"name": "k", "scopes": ["portal"]}).status == 400


def test_a_portal_token_is_no_api_key_and_goes_into_one_header(api: Client) -> None:
    token = make(api, subject="bob")["token"]
    assert http_authorize.handler({"headers": {"x-api-key": token}}, None) == {"isAuthorized": False}
    both = {"authorization": f"Bearer {token}", "x-api-key": "tb_other"}
    assert http_authorize.handler({"headers": both}, None) == {"isAuthorized": False}


def test_a_browser_that_asks_whether_it_may_is_answered_without_a_token() -> None:
    answer = http_api.handler({"routeKey": "OPTIONS /api/v1/portal/{proxy+}", "rawPath": "/api/v1/portal/x"}, None)
    assert answer == {"statusCode": 204, "headers": {}, "body": ""}
