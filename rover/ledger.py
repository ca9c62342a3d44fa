"""What the entries of a ledger mean to who reads it."""

from __future__ import annotations

EXPLAINED = frozenset(
    {
        *("captured", "reported", "in_flight", "records"),
        *("not_http", "excluded", "filtered", "own_reporting", "mid_stream"),
        *("overlap", "http2_control", "tls_control", "tls_opaque"),
    }
)
"""Entries of the ledger that are no loss: figures, what nobody asked for, and what belongs to no record."""


def losses(ledger: dict[str, int]) -> dict[str, int]:
    """What was lost that somebody may have wanted, by cause."""
    return {cause: count for cause, count in ledger.items() if count and cause not in EXPLAINED}
