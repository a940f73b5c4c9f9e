"""JSON the parser gives up on: halves of surrogate pairs are replaced, an array is cut into its elements."""

import re

REPLACEMENT = b"\\ufffd"

# Much of what is up to the next half pair at once, or a half pair. Not possessive: Python 3.11.2 forgets to go back
# where the repeated group matched in part (github.com/python/cpython/issues/100061).
_CHARACTERS = re.compile(
    rb"(?:[^\\]+|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}){1,1000}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
# A quote alone opens a string that never ends.
_MARK = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},"]', re.DOTALL)
_SPACE = b" \t\r\n"
# It goes mark by mark: seconds for the largest body there may be, if that is all brackets.
MAX_CUT_BYTES = 5_000_000
MAX_ELEMENTS = 20_000


def whole_characters(text: bytes) -> bytes:
    """Half a surrogate pair, as a text cut inside an emoji has it, becomes U+FFFD; everything else stays as it is."""
    if b"\\ud" not in text and b"\\uD" not in text:
        return text
    return _CHARACTERS.sub(lambda found: REPLACEMENT if found[1] else found[0], text)


def elements(text: bytes) -> list[bytes] | None:
    """The elements of an array, with any content; None when it cannot be said where they end, or takes too long."""
    if len(text) > MAX_CUT_BYTES:
        return None
    found: list[bytes] = []
    depth = start = 0
    for mark in _MARK.finditer(text):
        at = mark.start()
        kind = text[at : at + 1]
        if kind in b"[{":
            depth += 1
            if depth == 1:
                start = mark.end()
        elif kind in b"]}":
            depth -= 1
            if depth == 0:
                found.append(text[start:at].strip(_SPACE))
                is_end = kind == b"]" and not text[mark.end() :].strip(_SPACE)
                return found if is_end else None
        elif kind == b"," and depth == 1:
            found.append(text[start:at].strip(_SPACE))
            start = mark.end()
            if len(found) > MAX_ELEMENTS:
                return None
        elif mark.end() == at + 1 and kind == b'"':
            return None
    return None
