import decimal
import io
import os
import select
import threading
import time

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
import psycopg2.pool
from checks import SLOW_QUERY, raises, run


def connect(**options):
    return psycopg2.connect("", **options)


def it_reads_types():
    connection = connect()
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select id, name, feeling, tags, profile, balance, seen, now(), 'ß', null, true, '\\x00ff'::bytea"
            " from customers where id = %s and name like %s",
            (7, "customer%"),
        )
        row = cursor.fetchone()
        assert row[:4] == (7, "customer 7", "ok", ["t1", "ä"]), row
        assert row[4]["n"] == 7 and row[5] == decimal.Decimal("73.50") and row[6].lower.year == 2024
        assert row[8:11] == ("ß", None, True) and bytes(row[11]) == b"\x00\xff"
        assert [column.name for column in cursor.description][:3] == ["id", "name", "feeling"]
    connection.close()


def it_walks_a_named_cursor():
    connection = connect()
    with connection:
        with connection.cursor("srv") as cursor:
            cursor.itersize = 400
            cursor.execute("select id from orders where id > %s order by id", (10,))
            assert [row[0] for row in cursor] == list(range(11, 5001))
        with connection.cursor("Scroll It", scrollable=True) as cursor:
            cursor.execute("select id from orders order by id")
            cursor.scroll(4000)
            assert cursor.fetchmany(2) == [(4001,), (4002,)]
            cursor.scroll(0, mode="absolute")
            assert cursor.fetchone() == (1,)
    connection.close()


def it_makes_rows_of_other_shapes():
    connection = connect()
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("select id, name from customers where id = 1")
        assert dict(cursor.fetchone()) == {"id": 1, "name": "customer 1"}
    with connection.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor) as cursor:
        cursor.execute("select id, name from customers where id = 1")
        assert cursor.fetchone().name == "customer 1"
    connection.close()


def it_keeps_transactions():
    connection = connect()
    cursor = connection.cursor()
    raises(psycopg2.errors.UndefinedTable, lambda: cursor.execute("select * from nothere"))
    raises(psycopg2.errors.InFailedSqlTransaction, lambda: cursor.execute("select 1"))
    connection.rollback()
    cursor.execute("select 1")
    assert connection.status == psycopg2.extensions.STATUS_IN_TRANSACTION
    connection.commit()
    raises(psycopg2.Error, lambda: cursor.execute("delete from customers"))
    connection.rollback()
    connection.close()


def it_sets_what_a_session_is():
    connection = connect()
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True, deferrable=False)
    cursor = connection.cursor()
    cursor.execute("show transaction_isolation")
    assert cursor.fetchone() == ("repeatable read",)
    connection.rollback()
    connection.set_session(isolation_level="SERIALIZABLE", readonly=False)
    cursor.execute("select count(*) from customers")
    connection.rollback()
    connection.set_session(autocommit=True)
    connection.set_client_encoding("UTF8")
    assert connection.encoding == "UTF8"
    connection.set_isolation_level(psycopg2.extensions.ISOLATION_LEVEL_AUTOCOMMIT)
    cursor.execute("show transaction_isolation")
    assert cursor.fetchone() == ("read committed",), cursor.fetchone()
    connection.reset()
    cursor.execute("select 1")
    connection.close()


def it_speaks_utf8_only():
    connection = connect()
    error = raises(psycopg2.Error, lambda: connection.set_client_encoding("LATIN1"))
    assert "UTF8" in str(error), error
    connection.rollback()
    connection.cursor().execute("select 1")
    connection.close()


def it_copies_out():
    connection = connect()
    cursor = connection.cursor()
    file = io.StringIO()
    cursor.copy_expert("copy (select id, name from customers order by id) to stdout with csv header", file)
    assert file.getvalue().startswith("id,name\n1,customer 1\n"), file.getvalue()[:100]
    file = io.StringIO()
    cursor.copy_to(file, "customers", columns=("id", "name"))
    assert file.getvalue().count("\n") == 50
    raises(psycopg2.Error, lambda: cursor.copy_from(io.StringIO("x\n"), "customers", columns=("name",)))
    connection.rollback()
    cursor.execute("select count(*) from customers")
    assert cursor.fetchone() == (50,)
    connection.close()


def it_cancels():
    connection = connect()
    timer = threading.Timer(0.4, connection.cancel)
    timer.start()
    begin = time.monotonic()
    raises(psycopg2.errors.QueryCanceled, lambda: connection.cursor().execute(SLOW_QUERY))
    assert time.monotonic() - begin < 2
    connection.rollback()
    connection.cursor().execute("select 1")
    connection.close()


def it_works_asynchronously():
    connection = psycopg2.connect("", async_=True)

    def wait():
        while True:
            state = connection.poll()
            if state == psycopg2.extensions.POLL_OK:
                return
            reading = state == psycopg2.extensions.POLL_READ
            select.select([connection.fileno()] if reading else [], [] if reading else [connection.fileno()], [], 5)

    wait()
    cursor = connection.cursor()
    cursor.execute("select count(*) from orders")
    wait()
    assert cursor.fetchone() == (5000,)
    connection.close()


def it_is_pooled():
    pool = psycopg2.pool.ThreadedConnectionPool(1, 4, "")
    answers = []

    def work(i):
        connection = pool.getconn()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("select name from customers where id = %s", (i,))
                answers.append(cursor.fetchone()[0])
        finally:
            pool.putconn(connection)

    for batch in range(5):
        threads = [threading.Thread(target=work, args=(batch * 4 + i + 1,)) for i in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    pool.closeall()
    assert sorted(answers) == sorted(f"customer {i}" for i in range(1, 21)), answers


def it_registers_types_of_the_tenant():
    connection = connect()
    address = psycopg2.extras.register_composite("address", connection)
    span = psycopg2.extras.register_range("crm.span", "Span", connection)
    raises(psycopg2.ProgrammingError, lambda: psycopg2.extras.register_hstore(connection))
    connection.rollback()
    cursor = connection.cursor()
    cursor.execute("select home, '[1,2)'::span from customers where id = 3")
    home, measured = cursor.fetchone()
    assert home.street == "street 3" and measured == span.range(1.0, 2.0), (home, measured)
    assert address.name == "address"
    connection.close()


def it_hears_notices_and_answers_of_several_statements():
    connection = connect()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("select 1; select 2")
    assert cursor.fetchall() == [(2,)]
    cursor.execute("commit")
    assert any("no transaction in progress" in notice for notice in connection.notices), connection.notices
    psycopg2.extras.execute_batch(cursor, "select %s", [(i,) for i in range(250)])
    connection.close()


def it_says_where_it_is():
    connection = connect(application_name="reports", options="-c datestyle=german -c timezone=Asia/Tokyo")
    assert connection.info.dbname == os.environ["PGDATABASE"] and connection.server_version >= 140000
    assert connection.get_parameter_status("application_name") == "reports"
    assert connection.get_parameter_status("DateStyle") == "ISO, DMY"  # it sets ISO itself
    assert connection.get_parameter_status("TimeZone") == "Asia/Tokyo"
    cursor = connection.cursor()
    cursor.execute("select pg_backend_pid(), current_database(), version()")
    pid, database, version = cursor.fetchone()
    assert pid == connection.get_backend_pid() and database == os.environ["PGDATABASE"] and version.startswith("PostgreSQL")
    connection.close()


run(globals())
