"""How much work a tenant's own paths, patterns and events have made: a commit ends before others wait for it, and what
is more than its bytes pay for is charged to its tenant.

Plain look-ups are the same few for every event and are not counted here.
"""

# What ordinary events cost comes with their bytes; all else is charged as if more bytes had come, at about the price of
# a byte: 10,000 events of 300 bytes are counted in 50 ms.
VISITS_PAID = 100  # of an event; seven meters with two dimensions make some 30
BYTES_A_VISIT = 15
# A fingerprint chunk is read and another written, for this tenant alone.
BYTES_A_LATE_BUCKET = 25_000
LATE_SECONDS = 3_600  # what is younger is read for everybody
# A subject or a combination of groups that was never seen makes items that stay.
BYTES_A_NEW_ITEM = 2_000


class Work:
    """A count that only rises, in visits: about half a microsecond each."""

    __slots__ = ("visits",)

    def __init__(self) -> None:
        self.visits = 0


# Of this process: whoever bounds work looks at how much it rose. No answer depends on it.
WORK = Work()


def surplus(visits: int, events: int, new_items: int) -> int:
    """What counting these events cost beyond what they paid for, in bytes."""
    return max(0, visits - VISITS_PAID * events) * BYTES_A_VISIT + new_items * BYTES_A_NEW_ITEM
