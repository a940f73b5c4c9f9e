"""Say something of subjects, look it up, and forget it; usage and customers do not depend on it."""

from collections.abc import Sequence
from datetime import datetime

from functions.application.ports.clock import Clock
from functions.application.ports.stored import NewId, Stored
from functions.application.ports.subjects import Subjects
from functions.application.retry import decide_again_when_stale
from functions.domain.errors import NotFound
from functions.domain.subscriptions.subject import Subject, SubjectUpsert


def upsert_subjects(
    tenant: str, upserts: Sequence[SubjectUpsert], *, subjects: Subjects, clock: Clock, new_id: NewId
) -> list[Subject]:
    """Creates those that are not there and changes the others, all or none; as they are then, in this order."""

    def decide() -> list[Subject]:
        now = clock.now().replace(microsecond=0)
        known = subjects.of_keys(tenant, [each.key for each in upserts])
        written = [_upserted(each, known.get(each.key), now, new_id) for each in upserts]
        if written:
            subjects.save(tenant, written)
        return [each.record for each in written]

    return decide_again_when_stale(decide)


def _upserted(upsert: SubjectUpsert, before: Stored[Subject] | None, now: datetime, new_id: NewId) -> Stored[Subject]:
    if before is not None:
        return Stored(before.record.after(upsert, now), before.version)
    said = {name: getattr(upsert, name) for name in SubjectUpsert.model_fields}
    return Stored(Subject(**said, id=new_id(), created_at=now, updated_at=now))


def find_subject(tenant: str, id_or_key: str, *, subjects: Subjects) -> Stored[Subject]:
    """Raises NotFound, also for a subject that has usage or a customer and of which nothing was said."""
    found = subjects.get(tenant, id_or_key) or subjects.of_keys(tenant, [id_or_key]).get(id_or_key)
    if found is None:
        raise NotFound(
            f"There is no subject {id_or_key[:100]!r}: nothing was said of it with POST /api/v1/subjects. Usage needs "
            "none: GET /api/v1/meters/{slug}/subjects lists who has some.",
            code="subject_not_found",
        )
    return found


def delete_subject(tenant: str, id_or_key: str, *, subjects: Subjects) -> None:
    """Forgets what was said; raises NotFound."""
    decide_again_when_stale(lambda: subjects.delete(tenant, find_subject(tenant, id_or_key, subjects=subjects)))
