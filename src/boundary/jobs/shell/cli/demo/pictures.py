"""Pictures, just enough of them: draw one, write and read PNG, make it smaller.

What belongs here: eight-bit RGB pictures as rows of bytes. What does not: any other kind; a real
shop uses a library.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import NamedTuple

CHANNELS = 3
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Picture(NamedTuple):
    """`rows` of `width` pixels, three bytes each."""

    width: int
    rows: list[bytes]


def draw(width: int, height: int, hue: int) -> Picture:
    """A landscape: a sky, a sun, hills in front of each other."""
    rows: list[bytes] = []
    for y in range(height):
        row = bytearray()
        for x in range(width):
            row += _pixel(x / width, y / height, hue)
        rows.append(bytes(row))
    return Picture(width, rows)


def _pixel(x: float, y: float, hue: int) -> bytes:
    for depth, (peak, swing) in enumerate(((0.75, 0.12), (0.6, 0.18), (0.45, 0.22))):
        wave = 4 * ((x * (depth + 1.3) + hue / 97) % 1 - 0.5) ** 2
        if y > peak + swing * (wave - 0.5):
            shade = 60 + 50 * depth
            return bytes((shade // 2, shade, (shade + hue) % 160))
    if (x - 0.7) ** 2 + (y - 0.22) ** 2 < 0.008:  # noqa: PLR2004 - the sun
        return b"\xff\xe6\x8c"
    glow = round(90 * (1 - y))
    return bytes((160 + glow // 2, 150 + glow, 215 + hue % 40))


def shrink(picture: Picture, width: int) -> Picture:
    """The picture at a smaller width; each pixel is the mean of those it stands for."""
    factor = picture.width // width
    rows: list[bytes] = []
    for top in range(0, len(picture.rows) - factor + 1, factor):
        block = picture.rows[top : top + factor]
        row = bytearray()
        for left in range(0, width * factor * CHANNELS, factor * CHANNELS):
            for channel in range(CHANNELS):
                start = left + channel
                total = sum(
                    sum(line[start : start + factor * CHANNELS : CHANNELS]) for line in block
                )
                row.append(total // (factor * factor))
        rows.append(bytes(row))
    return Picture(width, rows)


def write(path: Path, picture: Picture) -> None:
    """A PNG file."""
    header = struct.pack(">IIBBBBB", picture.width, len(picture.rows), 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in picture.rows))
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    path.write_bytes(_SIGNATURE + chunks)


def read(path: Path) -> Picture:
    """A picture that `write` wrote."""
    content, at, data, width = path.read_bytes(), len(_SIGNATURE), b"", 0
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            (width,) = struct.unpack_from(">I", body)
        elif kind == b"IDAT":
            data += body
        at += length + 12
    pixels, line = zlib.decompress(data), width * CHANNELS + 1
    return Picture(width, [pixels[y + 1 : y + line] for y in range(0, len(pixels), line)])


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
