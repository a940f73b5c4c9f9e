"""/api/v1/subjects: a name and more for the keys that events bear; deprecated by OpenMeter, in favour of customers."""

from typing import Annotated

from functions.application.list_records import MAX_COUNTED
from functions.application.subscriptions.manage_subject import delete_subject, find_subject, upsert_subjects
from functions.domain.subscriptions.subject import Subject, SubjectUpserts
from functions.handlers.edge import http
from functions.handlers.edge.http import Answer, Request
from functions.handlers.edge.in_path import UNREACHABLE
from functions.handlers.edge.listing import Listed, by_cursor, is_by_cursor, numbered
from functions.handlers.edge.query_model import Paged, page_number, page_size_of_page
from functions.handlers.edge.routes import Routes
from functions.handlers.wiring import base, subscriptions
from functions.names import SCOPE_ADMIN, SCOPE_READ

routes = Routes()

SubjectIdOrKey = Annotated[str, "The id of a subject, or its key.", UNREACHABLE]


class SubjectQuery(Paged):
    page = page_number("the answer holds all subjects.")
    page_size = page_size_of_page()


@routes.get("/api/v1/subjects", "List subjects", scope=SCOPE_READ, answers="EachOrByCursor[Subject]")
def list_all(request: Request[SubjectQuery]) -> Answer:
    """Those of which something was said, as a bare array, or of one page by number; by cursor an object of `items` and
    `nextCursor`.
    """
    listed = Listed(subscriptions.subjects().listing(request.tenant), Subject.wire)
    if is_by_cursor(request, ("cursor", "limit")):
        return http.ok(by_cursor(request, listed))
    page = request.query.numbered
    start, size = (page.start, page.size) if page.was_asked else (0, MAX_COUNTED)
    return http.ok([each.wire() for each in numbered(listed, start, size).items])


@routes.post("/api/v1/subjects", "Upsert subjects", scope=SCOPE_ADMIN, answers="Each[Subject]")
def upsert(request: Request, body: SubjectUpserts) -> Answer:
    found = upsert_subjects(
        request.tenant,
        body.root,
        subjects=subscriptions.subjects(),
        clock=base.clock(),
        new_id=base.new_ulid,
    )
    return http.ok([each.wire() for each in found])


@routes.get("/api/v1/subjects/<id_or_key>", "Get a subject", scope=SCOPE_READ, answers="Subject")
def get(request: Request, id_or_key: SubjectIdOrKey) -> Answer:
    return http.ok(find_subject(request.tenant, id_or_key, subjects=subscriptions.subjects()).record.wire())


@routes.delete("/api/v1/subjects/<id_or_key>", "Delete a subject", scope=SCOPE_ADMIN)
def delete(request: Request, id_or_key: SubjectIdOrKey) -> Answer:
    """What was said of it is forgotten, for good. Its usage stays, and so does the customer who has it."""
    delete_subject(request.tenant, id_or_key, subjects=subscriptions.subjects())
    return http.no_content()
