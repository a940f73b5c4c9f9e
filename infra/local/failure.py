"""A step that failed, said so that a newcomer knows which step it was and how to go on."""


class StepFailed(Exception):
    """`reason` says what happened, `remedy` what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
