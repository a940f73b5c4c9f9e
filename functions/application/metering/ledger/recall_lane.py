"""The look-backs of a process: recalled when it takes a lane over, followed along the log, kept for the next one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from functions.application.metering.ledger.running_lanes import POISON
from functions.application.ports.ledger import Ledger
from functions.application.ports.look_back import KeptLookBack, LookBacks
from functions.domain.metering.ledger.ledger import LaneState, accepted_by, unpack_marks, weight_of
from functions.domain.metering.ledger.look_back import Accepted, Further, LookBack, Whole
from functions.domain.metering.values.event import AcceptanceWindow

DAY = 86_400
# Of a process, shared by its lanes, of which none has more than an eighth: half a gigabyte, and while one is kept or
# recalled three times an eighth more. A shard's writer remembers 18 hours of 1,000 events/s, and the
# whole acceptance window up to 15.
MAX_FINGERPRINTS = 64_000_000
LEAST_SHARES = 8
# Where nothing was kept: what the log says of so long, while it fits.
LEAST_SECONDS = 3_600
# The next process reads from the log what was not kept yet: at most so many commits, of about so many bytes, of a day.
MAX_UNKEPT_COMMITS = 100
MAX_UNKEPT_BYTES = 400_000
MAX_UNKEPT_SECONDS = DAY
# Each costs the next process a request, and the whole is written anew when there are so many.
MAX_PARTS = 16
# Beyond that the log is no short cut: after a version that kept nothing.
MAX_FOLLOWED_COMMITS = 5_000
MAX_HELD_COMMITS = 1_000
MAX_MARKS = 200_000  # 100 bytes each; they only tell redelivered duplicates from sent ones

Remembered = tuple[Accepted, int]  # and about how many bytes the commit takes in the log


@dataclass
class Recollection:
    """A look-back, what was kept of it, and what was not kept yet."""

    look_back: LookBack
    kept: KeptLookBack | None = None
    begins_anew: bool = False  # what was kept does not lead to where we are
    unkept: list[Accepted] = field(default_factory=list)
    unkept_bytes: int = 0

    def note(self, commits: Sequence[Remembered]) -> None:
        self.unkept += [accepted for accepted, _ in commits]
        self.unkept_bytes += sum(weight for _, weight in commits)
        if len(self.unkept) > MAX_HELD_COMMITS:  # nothing could be kept for long
            self.unkept, self.begins_anew = self.unkept[-MAX_UNKEPT_COMMITS:], True

    def is_due(self, now: int) -> bool:
        return bool(self.unkept) and (
            self.begins_anew
            or len(self.unkept) >= MAX_UNKEPT_COMMITS
            or self.unkept_bytes >= MAX_UNKEPT_BYTES
            or self.unkept[0].decided_at < now - MAX_UNKEPT_SECONDS
            or (self.kept is not None and self.look_back.since - self.kept.since >= LEAST_SECONDS)
        )


class LaneRecall:
    def __init__(self, ledger: Ledger, look_backs: LookBacks, window: AcceptanceWindow) -> None:
        self._ledger = ledger
        self._look_backs = look_backs
        self._longest = window.past + window.stream_retention + window.ahead + DAY
        self._recollections: dict[int, Recollection] = {}

    def recall(self, state: LaneState, now: int, oldest_arrival: int) -> None:
        """Give a state that was just loaded its look-back, exact as of its commit."""
        known = self._recollections.pop(state.lane, None)
        if known is None or not self._follow(known, state):
            self._make_room()
            kept = self._look_backs.find(state.lane)
            known = self._kept(state, kept) or self._from_log(state, kept, min(now, oldest_arrival) - LEAST_SECONDS)
        self._recollections[state.lane] = known
        state.look_back = known.look_back

    def has(self, state: LaneState) -> bool:
        known = self._recollections.get(state.lane)
        return known is not None and known.look_back is state.look_back

    def _make_room(self) -> None:
        """For one lane more."""
        most = self._most(len(self._recollections) + 1)
        for other in self._recollections.values():
            if other.look_back.is_settled:
                other.look_back.forget(most, 0)

    def confirm(self, state: LaneState, accepted: Sequence[Remembered]) -> None:
        """What was added to the look-back since it was exact is what these commits have accepted."""
        state.look_back.confirm(state.n)
        self._recollections[state.lane].note(accepted)

    def take_back(self, lane: int) -> None:
        """The state was dropped: keep what is certain."""
        if known := self._recollections.get(lane):
            known.look_back.take_back()

    def keep(self, now: int) -> None:
        """What the next process would otherwise read from the log; between batches, when nothing is being decided.

        What is forgotten here has to be read from buckets when it is asked for.
        """
        most = self._most(len(self._recollections))
        for lane, known in list(self._recollections.items()):
            known.look_back.forget(most, now - self._longest)
            if known.is_due(now):
                self._keep(lane, known)

    def _keep(self, lane: int, known: Recollection) -> None:
        look_back, before = known.look_back, known.kept
        part: Whole | Further = Further(known.unkept)
        if before is None or known.begins_anew or len(before.parts) >= MAX_PARTS:
            marks = b"".join(accepted.packs for accepted in known.unkept)
            part = look_back.whole(marks)
        kept = self._look_backs.keep(lane, before, part, look_back.n, look_back.since)
        if kept is None:  # others write the lane: all that is known of it is recalled again
            del self._recollections[lane]
        else:
            self._recollections[lane] = Recollection(look_back, kept)

    def _kept(self, state: LaneState, kept: KeptLookBack | None) -> Recollection | None:
        """None where nothing was kept, or what cannot be put together: the log says the same, only more dearly."""
        if kept is None or kept.n > state.n:
            return None
        try:
            return self._put_together(state, kept)
        except POISON:
            return None

    def _put_together(self, state: LaneState, kept: KeptLookBack) -> Recollection | None:
        look_back: LookBack | None = None
        for name in kept.parts:
            part = self._look_backs.part(name)
            if isinstance(part, Whole):
                look_back = LookBack.restored(part)
                _learn_marks(state, part.packs)
            elif part is None or look_back is None:
                return None
            else:
                for accepted in part.commits:
                    look_back.learn(accepted)
                    _learn_marks(state, accepted.packs)
            look_back.forget(self._most(len(self._recollections) + 1), 0)
        known = Recollection(look_back or LookBack(), kept)
        return known if self._follow(known, state) else None

    def _follow(self, known: Recollection, state: LaneState) -> bool:
        """Along the log to the state's commit; False where it has a gap or is too long."""
        look_back = known.look_back
        most = self._most(len(self._recollections) + 1)
        if not look_back.n <= state.n <= look_back.n + MAX_FOLLOWED_COMMITS:
            return False
        known.unkept = [each for each in known.unkept if each.n <= look_back.n]
        if look_back.n == state.n:
            return True
        for commit in self._ledger.commits_from(state.lane, look_back.n + 1):
            if commit.n != look_back.n + 1:
                return False
            accepted = accepted_by(commit)
            look_back.learn(accepted)
            look_back.forget(most, 0)
            _learn_marks(state, accepted.packs)
            known.note([(accepted, weight_of(commit))])
            if commit.n == state.n:
                return True
        return False

    def _from_log(self, state: LaneState, kept: KeptLookBack | None, horizon: int) -> Recollection:
        """What the log says from the horizon on, newest first while it fits."""
        room, since = self._most(len(self._recollections) + 1), horizon
        found: list[Accepted] = []
        for commit in self._ledger.commits_before(state.lane, state.n, horizon):
            accepted = accepted_by(commit)
            room -= len(accepted.fingerprints) // 8
            if room < 0:
                since = commit.decided_at + 1
                break
            found.append(accepted)
            since = 0 if commit.n == 1 else horizon
        look_back = LookBack(since=0 if state.n == 0 else since)
        for accepted in reversed(found):
            look_back.learn(accepted)
            _learn_marks(state, accepted.packs)
        look_back.confirm(state.n)
        return Recollection(look_back, kept, begins_anew=True, unkept=found[::-1])

    def _most(self, lanes: int) -> int:
        return MAX_FINGERPRINTS // max(LEAST_SHARES, lanes)


def _learn_marks(state: LaneState, packs: bytes) -> None:
    state.packs.update(dict.fromkeys(unpack_marks(packs)))
