"""Look-backs in a dict: for tests and crash simulation; it passes the same contract tests as S3 and DynamoDB."""

from collections.abc import Callable

from functions.adapters.look_back_codec import decode_part, encode_part
from functions.application.ports.look_back import KeptLookBack
from functions.domain.metering.ledger.look_back import Further, Whole


class MemoryLookBacks:
    def __init__(self, request: Callable[[str], None] = lambda _name: None) -> None:
        self.request = request
        self.indexes: dict[int, KeptLookBack] = {}
        self.objects: dict[str, bytes] = {}
        self.put = 0

    def find(self, lane: int) -> KeptLookBack | None:
        self.request("find_look_back")
        return self.indexes.get(lane)

    def part(self, name: str) -> Whole | Further | None:
        self.request("read_look_back")
        body = self.objects.get(name)
        return None if body is None else decode_part(body)

    def keep(
        self, lane: int, before: KeptLookBack | None, part: Whole | Further, n: int, since: int
    ) -> KeptLookBack | None:
        self.request("put_look_back")
        name = f"{lane}/{n:012d}-{self.put}"
        self.put += 1
        self.objects[name] = encode_part(part)
        self.request("put_look_back_index")
        present = self.indexes.get(lane)
        if (present.version if present else 0) != (before.version if before else 0):
            return None
        is_further = before is not None and isinstance(part, Further)
        parts = (*before.parts, name) if before is not None and is_further else (name,)
        kept = self.indexes[lane] = KeptLookBack((before.version if before else 0) + 1, n, since, parts)
        self.request("delete_look_backs")
        for other in [each for each in self.objects if each.startswith(f"{lane}/") and each not in kept.parts]:
            if other < f"{lane}/{n:012d}":
                del self.objects[other]
        return kept
