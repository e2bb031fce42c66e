import decimal
import os
import threading
import time

import psycopg
from checks import SLOW_QUERY, raises, run
from psycopg.rows import dict_row, namedtuple_row
from psycopg.types import TypeInfo
from psycopg.types.composite import CompositeInfo, register_composite
from psycopg.types.enum import EnumInfo, register_enum
from psycopg.types.range import RangeInfo, register_range


def connect(**options):
    return psycopg.connect("", **options)


def it_reads_types():
    with connect() as connection:
        row = connection.execute(
            "select id, name, feeling, tags, profile, balance, seen, now(), 'ß', null, true, 1.5::float8, '\\x00ff'::bytea"
            " from customers where id = %s",
            [7],
        ).fetchone()
        assert row[:4] == (7, "customer 7", "ok", ["t1", "ä"]), row
        assert row[4] == {"n": 7, "list": [7, None, "x"]}
        assert row[5] == decimal.Decimal("73.50")
        assert row[6].lower.year == 2024
        assert row[8:] == ("ß", None, True, 1.5, b"\x00\xff"), row


def it_reads_types_in_binary():
    with connect() as connection:
        cursor = connection.cursor(binary=True)
        cursor.execute(
            "select customers.id, balance, profile, tags, seen, placed_at, '{1,2,null}'::int[], 1.5::float8, '\\x00'::bytea"
            " from customers join orders on customer_id = customers.id where customers.id = %b limit 1",
            [7],
        )
        row = cursor.fetchone()
        assert row[0] == 7 and row[1] == decimal.Decimal("73.50") and row[6] == [1, 2, None] and row[8] == b"\x00", row
        assert row[2]["n"] == 7 and row[3] == ["t1", "ä"] and row[5].year == 2024


def it_prepares_after_five_runs():
    with connect(autocommit=True) as connection:
        for i in range(1, 20):
            row = connection.execute("select name from customers where id = %s", [i]).fetchone()
            assert row == (f"customer {i}",)
        names = connection.execute("select count(*) from pg_prepared_statements").fetchone()
        assert names == (0,), names  # the pool's statements are nobody's
        assert connection.execute("select 1", prepare=True).fetchone() == (1,)
        assert connection.execute("select 1", prepare=True).fetchone() == (1,)


def it_drops_prepared_statements():
    with connect(autocommit=True) as connection:
        connection.prepare_threshold = 0
        connection.prepared_max = 3
        for i in range(12):
            assert connection.execute(f"select {i} + %s", [1]).fetchone() == (i + 1,)
        connection.prepare_threshold = None


def it_uses_a_pipeline():
    with connect() as connection:
        with connection.pipeline() as pipeline:
            cursors = [connection.execute("select %s::int * 2", [i]) for i in range(200)]
            pipeline.sync()
            assert [cursor.fetchone() for cursor in cursors] == [(i * 2,) for i in range(200)]
            late = connection.execute("select count(*) from orders")
        assert late.fetchone() == (5000,)


def it_fails_within_a_pipeline_and_goes_on():
    with connect(autocommit=True) as connection:
        def fail():
            with connection.pipeline():
                connection.execute("select 1")
                connection.execute("select 1 / %s", [0])
                connection.execute("select 3")

        raises(psycopg.errors.DivisionByZero, fail)
        with connection.pipeline():
            assert connection.execute("select 4").fetchone() == (4,)
        with connection.pipeline() as pipeline:
            def write():
                connection.execute("delete from customers")
                pipeline.sync()

            error = raises(psycopg.Error, write)
            assert error.sqlstate in ("42501", "25006"), error.sqlstate
        assert connection.execute("select count(*) from customers").fetchone() == (50,)


def it_walks_a_server_side_cursor():
    with connect() as connection:
        with connection.cursor(name="srv") as cursor:
            cursor.itersize = 300
            cursor.execute("select id from orders where id > %s order by id", [10])
            assert [row[0] for row in cursor] == list(range(11, 5001))
        with connection.cursor(name="Scroll It", scrollable=True) as cursor:
            cursor.execute("select id from orders order by id")
            cursor.scroll(4000)
            assert cursor.fetchmany(2) == [(4001,), (4002,)]
            cursor.scroll(-2)
            assert cursor.fetchone() == (4001,)
            cursor.scroll(0, mode="absolute")
            assert cursor.fetchone() == (1,)
        assert connection.info.transaction_status.name == "INTRANS"


def it_walks_a_binary_server_side_cursor():
    with connect() as connection, connection.cursor(name="bin", binary=True) as cursor:
        cursor.execute("select id, total from orders order by id")
        assert cursor.fetchmany(3) == [(1, decimal.Decimal("2")), (2, decimal.Decimal("3")), (3, decimal.Decimal("4"))]


def it_refuses_a_cursor_with_hold():
    with connect() as connection:
        with connection.cursor(name="held", withhold=True) as cursor:
            raises(psycopg.Error, lambda: cursor.execute("select 1"))
        connection.rollback()
        assert connection.execute("select 1").fetchone() == (1,)


def it_streams_a_result():
    with connect() as connection:
        total = 0
        for row in connection.cursor().stream("select id from orders where id <= %s", [1000]):
            total += row[0]
        assert total == 500500
        chunked = connection.cursor().stream("select id from orders", size=500)
        assert sum(1 for _ in chunked) == 5000


def it_copies_out():
    with connect() as connection:
        with connection.cursor().copy("copy (select id, name from customers order by id) to stdout") as copy:
            rows = list(copy.rows())
            assert rows[0] == ("1", "customer 1") and len(rows) == 50
        with connection.cursor().copy("copy orders (id, total) to stdout (format binary)") as copy:
            copy.set_types(["int8", "numeric"])
            rows = list(copy.rows())
            assert rows[4999] == (5000, decimal.Decimal(1)) and len(rows) == 5000, rows[-1]
        with connection.cursor().copy("copy customers to stdout (format csv, header)") as copy:
            assert b"".join(copy).startswith(b"id,name,contact")
        assert connection.execute("select 1").fetchone() == (1,)


def it_gives_up_a_copy_in_the_middle():
    with connect() as connection:
        def leave():
            with connection.cursor().copy("copy (select a.id from orders a, orders b limit 9000) to stdout") as copy:
                copy.read()
                raise KeyError
        raises(KeyError, leave)
        connection.rollback()
        assert connection.execute("select count(*) from customers").fetchone() == (50,)


def it_may_not_copy_in():
    with connect() as connection:
        def write():
            with connection.cursor().copy("copy customers (name) from stdin") as copy:
                copy.write_row(["x"])
        raises(psycopg.errors.ReadOnlySqlTransaction, write)
        connection.rollback()
        assert connection.execute("select count(*) from customers").fetchone() == (50,)


def it_keeps_transactions():
    with connect() as connection:
        with connection.transaction():
            assert connection.execute("select count(*) from customers").fetchone() == (50,)
            def inner():
                with connection.transaction():
                    connection.execute("select 1 / 0")
            raises(psycopg.errors.DivisionByZero, inner)
            assert connection.execute("select 2").fetchone() == (2,)
        assert connection.info.transaction_status.name == "IDLE"
        raises(psycopg.errors.UndefinedTable, lambda: connection.execute("select * from nothere"))
        raises(psycopg.errors.InFailedSqlTransaction, lambda: connection.execute("select 1"))
        connection.rollback()
        assert connection.execute("select 3").fetchone() == (3,)


def it_sets_what_a_transaction_is():
    with connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        assert connection.execute("show transaction_isolation").fetchone() == ("repeatable read",)
        connection.commit()
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        connection.deferrable = True
        assert connection.execute("select count(*) from orders").fetchone() == (5000,)
        connection.commit()
        connection.read_only = False
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.deferrable = None
        assert connection.execute("show transaction_read_only").fetchone() == ("on",)
        raises(psycopg.Error, lambda: connection.execute("insert into customers (name) values ('x')"))


def it_reads_the_catalog_for_types():
    with connect() as connection:
        mood = EnumInfo.fetch(connection, "mood")
        assert mood.labels == ("sad", "ok", "happy") or list(mood.labels) == ["sad", "ok", "happy"]
        register_enum(mood, connection)
        address = CompositeInfo.fetch(connection, "address")
        register_composite(address, connection)
        span = RangeInfo.fetch(connection, "span")
        register_range(span, connection)
        row = connection.execute("select feeling, home, 'crm.email'::regtype::text, '[1,2)'::span from customers where id = 3").fetchone()
        assert row[0].name == "sad" and row[1].street == "street 3" and row[1].zip == "3", row
        assert row[3].lower == 1.0
        assert TypeInfo.fetch(connection, "hstore") is None


def it_sends_many_and_wide_parameters():
    with connect() as connection:
        rows = connection.execute("select id from customers where id = any(%s) order by id", [[3, 1, 2]]).fetchall()
        assert rows == [(1,), (2,), (3,)]
        marks = ", ".join(["%s"] * 2000)
        assert connection.execute(f"select count(*) from (values (1)) t(a) where a in ({marks})", range(2000)).fetchone() == (1,)
        assert connection.execute("select length(%s)", ["x" * 1_000_000]).fetchone() == (1_000_000,)


def it_makes_rows_of_other_shapes():
    with connect(row_factory=dict_row) as connection:
        assert connection.execute("select id, name from customers where id = 1").fetchone() == {"id": 1, "name": "customer 1"}
        cursor = connection.cursor(row_factory=namedtuple_row)
        assert cursor.execute("select id, name from customers where id = 1").fetchone().name == "customer 1"
        client = psycopg.ClientCursor(connection)
        assert client.execute("select %s as a, %s as b", ["it's", None]).fetchone() == {"a": "it's", "b": None}


def it_cancels():
    with connect() as connection:
        timer = threading.Timer(0.4, connection.cancel_safe)
        timer.start()
        begin = time.monotonic()
        raises(psycopg.errors.QueryCanceled, lambda: connection.execute(SLOW_QUERY))
        assert time.monotonic() - begin < 2
        connection.rollback()
        assert connection.execute("select 1").fetchone() == (1,)


def it_is_timed_out_by_its_own_setting():
    with connect(options="-c statement_timeout=200") as connection:
        assert connection.execute("show statement_timeout").fetchone() == ("200ms",)
        raises(psycopg.errors.QueryCanceled, lambda: connection.execute(SLOW_QUERY))
        connection.rollback()
        connection.execute("set local statement_timeout = '3s'")
        assert connection.execute("show statement_timeout").fetchone() == ("3s",)
        connection.rollback()
        assert connection.execute("show statement_timeout").fetchone() == ("200ms",)


def it_keeps_its_settings():
    with connect(autocommit=True) as one, connect(autocommit=True) as two:
        one.execute("set timezone = 'Asia/Tokyo'")
        two.execute("set datestyle = 'German'")
        for _ in range(5):
            assert one.execute("show timezone").fetchone() == ("Asia/Tokyo",)
            assert two.execute("show timezone").fetchone() != ("Asia/Tokyo",)
            assert two.execute("show datestyle").fetchone() == ("German, DMY",)
        assert one.info.parameter_status("TimeZone") == "Asia/Tokyo"
        assert one.execute("select current_setting('timezone')").fetchone() == ("Asia/Tokyo",)


def it_tells_of_errors():
    with connect(autocommit=True) as connection:
        error = raises(psycopg.errors.UndefinedColumn, lambda: connection.execute("select nothere from customers"))
        assert error.diag.sqlstate == "42703" and error.diag.statement_position == "8", error.diag.statement_position
        error = raises(psycopg.errors.SyntaxError, lambda: connection.execute("selekt 1"))
        assert error.diag.statement_position == "1"
        raises(psycopg.errors.UndefinedFunction, lambda: connection.execute("select nothere()"))
        raises(psycopg.errors.InvalidTextRepresentation, lambda: connection.execute("select %s::int", ["x"]))
        notices = []
        connection.add_notice_handler(lambda diag: notices.append(diag.message_primary))
        connection.execute("commit")
        assert notices == ["there is no transaction in progress"], notices


def it_gets_several_answers():
    with connect(autocommit=True) as connection:
        cursor = connection.execute("select 1; select 2, 3; select id from customers limit 2")
        results = [cursor.fetchall()]
        while cursor.nextset():
            results.append(cursor.fetchall())
        assert results == [[(1,)], [(2, 3)], [(1,), (2,)]], results


def it_runs_many():
    with connect() as connection:
        cursor = connection.cursor()
        cursor.executemany("select name from customers where id = %s", [(i,) for i in range(1, 31)], returning=True)
        names = [cursor.fetchone()[0]]
        while cursor.nextset():
            names.append(cursor.fetchone()[0])
        assert names == [f"customer {i}" for i in range(1, 31)]


async def it_works_asynchronously():
    async with await psycopg.AsyncConnection.connect("") as connection:
        async with connection.cursor("srv") as cursor:
            await cursor.execute("select id from orders order by id limit 250")
            assert len([row async for row in cursor]) == 250


def it_says_where_it_is():
    with connect() as connection:
        info = connection.info
        assert info.dbname == os.environ["PGDATABASE"] and info.user == os.environ["PGUSER"]
        assert info.parameter_status("session_authorization") == os.environ["PGUSER"]
        assert info.encoding == "utf-8" and info.server_version >= 140000
        assert connection.execute("select pg_backend_pid()").fetchone() == (info.backend_pid,)


run(globals())
