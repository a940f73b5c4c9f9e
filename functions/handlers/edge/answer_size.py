"""How large an answer may be: Lambda ends at 6 MB, and carries an answer as a text inside of JSON."""

# Of Lambda's 6,291,556 bytes; the rest is for headers.
MAX_ANSWER_BYTES = 5_900_000
# Take a second byte inside of a JSON text; other control characters are in no answer.
ESCAPED = ('"', "\\", "\n", "\r", "\t")


def carried_bytes(text: str) -> int:
    return len(text.encode()) + sum(map(text.count, ESCAPED))
