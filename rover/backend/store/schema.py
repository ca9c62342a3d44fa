"""Tables and indexes, as numbered migrations. A migration that was released is never changed."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from rover.backend.store.metrics import repack

migrations = Migrations("rover")

NAMES = frozenset(
    {
        "0001_exchanges_and_figures",
        "0002_metrics",
        "0003_figures_are_metrics",
        "0004_lessons",
        "0005_sampling",
        "0006_packs",
        "0007_zones",
        "0008_peers",
        "0009_endpoints",
    }
)
"""All that this version knows; a file with others in it was written by a newer one."""


@migrations(name="0001_exchanges_and_figures")
def _exchanges_and_figures(db: Database) -> None:
    """The first layout.

    exchange: what filters need, one short row per record, in the order of time (the id begins with it), so that the
        newest are found without an index of their own and a filter without an index reads 100 bytes a record instead
        of 1 KB.
    block: the records themselves; `first` is the number of its first record, `ids` their ids (16 bytes each), which is
        all that retention needs to remove them.
    *_figures: sums per minute (step_s 60) and hour (3600), so that no page ever adds up exchanges.
    """
    for statement in (
        """
        CREATE TABLE exchange (
            id BLOB PRIMARY KEY,
            number INTEGER NOT NULL,
            side TEXT NOT NULL,
            service TEXT,
            peer_service TEXT,
            method TEXT,
            path TEXT,
            status INTEGER,
            duration_ns INTEGER,
            flags TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX exchange_service ON exchange (service, id)",
        # Errors are few and what people look for: found at once among millions.
        "CREATE INDEX exchange_error ON exchange (id) WHERE status >= 400",
        """
        CREATE TABLE block (
            first INTEGER PRIMARY KEY,
            size INTEGER NOT NULL,
            written_ns INTEGER NOT NULL,
            ids BLOB NOT NULL,
            records BLOB NOT NULL
        )
        """,
        """
        CREATE TABLE service_figures (
            step_s INTEGER NOT NULL,
            start_s INTEGER NOT NULL,
            service TEXT NOT NULL,
            calls INTEGER NOT NULL,
            failures INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            durations BLOB NOT NULL,
            PRIMARY KEY (step_s, start_s, service)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE endpoint_figures (
            service TEXT NOT NULL,
            step_s INTEGER NOT NULL,
            start_s INTEGER NOT NULL,
            method TEXT NOT NULL,
            path TEXT NOT NULL,
            calls INTEGER NOT NULL,
            failures INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            durations BLOB NOT NULL,
            PRIMARY KEY (service, step_s, start_s, method, path)
        ) WITHOUT ROWID
        """,
        # For people with the sqlite3 shell.
        """
        CREATE VIEW readable AS
        SELECT lower(hex(id)) AS id, side, service, peer_service, method, path, status,
               round(duration_ns / 1e6, 3) AS duration_ms, flags
        FROM exchange
        """,
    ):
        db.execute(statement)


@migrations(name="0002_metrics")
def _metrics(db: Database) -> None:
    """Metrics of services, instances, endpoints and the relations between them.

    entity: who has figures; `owner` is the service of an instance or endpoint, or the source of a relation, `peer` its
        destination, which are entities themselves (0: none). `last_s` is the last hour in which it was told.
    metric: sums and durations of one entity in one step (60, 3600 or 86400 s), as the native side packs them. In the
        order of time, so that a batch writes to one place; by kind and owner within it, as pages read.
    rolled: steps of this length that begin before `until_s` are part of the next longer ones.
    told: ids of what has no row of its own as an exchange has, so that a second delivery is known for what it is.
    """
    for statement in (
        """
        CREATE TABLE entity (
            id INTEGER PRIMARY KEY,
            kind INTEGER NOT NULL,
            owner INTEGER NOT NULL,
            name TEXT NOT NULL,
            peer INTEGER NOT NULL,
            last_s INTEGER NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX entity_name ON entity (kind, owner, name, peer)",
        """
        CREATE TABLE metric (
            step_s INTEGER NOT NULL,
            start_s INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            owner INTEGER NOT NULL,
            entity INTEGER NOT NULL,
            figures BLOB NOT NULL,
            PRIMARY KEY (step_s, start_s, kind, owner, entity)
        ) WITHOUT ROWID
        """,
        "CREATE TABLE rolled (step_s INTEGER PRIMARY KEY, until_s INTEGER NOT NULL)",
        "CREATE TABLE told (id BLOB PRIMARY KEY) WITHOUT ROWID",
    ):
        db.execute(statement)


@migrations(name="0003_figures_are_metrics")
def _figures_are_metrics(db: Database) -> None:
    """What pages add up is in `metric` alone."""
    for table in ("service_figures", "endpoint_figures"):
        db.execute(f"DROP TABLE {table}")


@migrations(name="0004_lessons")
def _lessons(db: Database) -> None:
    """What was learned of paths, one row of JSON of the native side: a restart keeps the names of endpoints."""
    db.execute("CREATE TABLE lesson (number INTEGER PRIMARY KEY, told TEXT NOT NULL)")


@migrations(name="0005_sampling")
def _sampling(db: Database) -> None:
    """What was not stored because more came than configured.

    sampled: by minute of their start, how many ordinary exchanges came in batches that were sampled, and how many of
        them are stored.
    left_out: ids (16 bytes each) of the last ones that are not, so that a second delivery is known for what it is.
    """
    db.execute("CREATE TABLE sampled (start_s INTEGER PRIMARY KEY, seen INTEGER NOT NULL, stored INTEGER NOT NULL)")
    db.execute("CREATE TABLE left_out (number INTEGER PRIMARY KEY, size INTEGER NOT NULL, ids BLOB NOT NULL)")


@migrations(name="0006_packs")
def _packs(db: Database) -> None:
    """A page that asks for all relations reads some packs of each service, not a row for each relation and minute.

    pack: figures of all entities of one kind and owner in one step, as the native side packs them.
    metric: minutes that are not packed yet, and nothing else.
    rolled: of minutes alone, up to where they may be packed.
    """
    db.execute(
        """
        CREATE TABLE pack (
            step_s INTEGER NOT NULL,
            start_s INTEGER NOT NULL,
            kind INTEGER NOT NULL,
            owner INTEGER NOT NULL,
            figures BLOB NOT NULL,
            PRIMARY KEY (step_s, start_s, kind, owner)
        ) WITHOUT ROWID
        """
    )
    repack.repack(db.conn)


@migrations(name="0007_zones")
def _zones(db: Database) -> None:
    """A search passes by what has nothing that fits.

    zone: of exchanges with consecutive numbers their ids from first to last, the longest duration, methods and
        statuses as JSON, and a Bloom filter of their paths; NULL: anything may be there. What is stored already is one
        such zone.
    """
    db.execute(
        """
        CREATE TABLE zone (
            number INTEGER PRIMARY KEY,
            size INTEGER NOT NULL,
            first_id BLOB NOT NULL,
            last_id BLOB NOT NULL,
            slowest_ns INTEGER,
            methods TEXT,
            statuses TEXT,
            paths BLOB
        )
        """
    )
    # What failed of one service, without a look at what failed of the others or at what it did well.
    db.execute("CREATE INDEX exchange_service_error ON exchange (service, id) WHERE status >= 400")
    db.execute(
        """
        INSERT INTO zone (number, size, first_id, last_id)
        SELECT 0, (SELECT first + size FROM block ORDER BY first DESC LIMIT 1), first.id, last.id
        FROM (SELECT id FROM exchange ORDER BY id LIMIT 1) AS first,
             (SELECT id FROM exchange ORDER BY id DESC LIMIT 1) AS last
        """
    )


@migrations(name="0008_peers")
def _peers(db: Database) -> None:
    """Who is at the other end.

    exchange.peer_address: NULL also of what is stored already.
    zone.peers: services and addresses as JSON; NULL: anything may be there.
    same_exchange: of exchanges with consecutive numbers, from `first` on, a number of 4 bytes (little-endian) that both
        ends of one exchange have, 0: unknown. What is stored already has none.
    """
    db.execute("ALTER TABLE exchange ADD COLUMN peer_address TEXT")
    db.execute("ALTER TABLE zone ADD COLUMN peers TEXT")
    db.execute("CREATE TABLE same_exchange (first INTEGER PRIMARY KEY, numbers BLOB NOT NULL)")


@migrations(name="0009_endpoints")
def _endpoints(db: Database) -> None:
    """A zone's Bloom filter has services with their paths, too; what is stored already may have any."""
    db.execute("UPDATE zone SET paths = NULL")
