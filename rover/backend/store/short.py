"""The short row of an exchange: what filters see, and only that. The record itself is kept whole in a block."""

from __future__ import annotations

from rover.backend.options import Row

Short = tuple[bytes, int, str, str | None, str | None, str | None, str | None, int | None, int | None, str, str | None]
"""One row of `exchange`: id, number, side, service, peer_service, method, path, status, duration_ns, flags,
peer_address."""

Stored = tuple[Short, Row]
"""A row as it is stored, and as it came."""

NAME_LENGTH = 256
"""Most characters of a service or method."""
PATH_LENGTH = 2048
"""Most characters of a path."""
RECORD_LENGTH = 4 << 20
"""Most characters of a record: a head of 64 KiB cannot get near it, whatever needs escaping."""


def shorten(row: Row, number: int) -> Short:
    """The short row of a row, which will be the record of this number.

    Raises ValueError, TypeError or IndexError if the row does not fit the contract."""
    row_id = bytes.fromhex(row[0])
    if (
        len(row_id) != 16
        or not 0 <= row[1] < 1 << 63
        or "\n" in row[17]
        or len(row[17]) > RECORD_LENGTH
        or not 0 <= row[19] < 1 << 32
    ):
        raise ValueError("not a row of the contract")
    return (
        row_id,
        number,
        row[4],
        plain(row[7], NAME_LENGTH),
        plain(row[9], NAME_LENGTH),
        plain(row[10], NAME_LENGTH),
        plain(row[12], PATH_LENGTH),
        row[13],
        row[2],
        row[16],
        plain(row[18], NAME_LENGTH),
    )


def plain(text: str | None, most: int) -> str | None:
    """Text that SQLite compares as Python does: cut to `most` characters, and no NUL, at which GLOB would stop."""
    if text is None:
        return None
    if len(text) > most:
        text = text[:most]
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in text else text


def is_unfinished(flags: str) -> bool:
    """Whether a record with these flags will come again, complete."""
    return "unfinished" in flags
