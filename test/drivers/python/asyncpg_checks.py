import asyncio
import decimal
import io
import os
import time

import asyncpg
from checks import SLOW_QUERY, run


async def araises(expected, awaitable):
    try:
        await awaitable
    except expected as error:
        return error
    raise AssertionError(f"{expected} was not raised")


async def it_reads_types():
    connection = await asyncpg.connect()
    row = await connection.fetchrow(
        "select id, name, balance, seen, placed_at, '{1,null}'::int[], null::text, true, 1.5::float8, '\\x00'::bytea,"
        " interval '1 day 2 hours', '10.0.0.1'::inet, 'ß', '{\"a\": 1}'::jsonb, '12:00'::time, gen_random_uuid()"
        " from customers join orders using (id) where id = $1",
        7,
    )
    assert tuple(row)[:3] == (7, "customer 7", decimal.Decimal("73.50")), row
    assert row[3].lower.year == 2024 and row[5] == [1, None] and row[6] is None and row[12] == "ß"
    await connection.close()


async def it_looks_up_types_of_the_tenant():
    connection = await asyncpg.connect()
    row = await connection.fetchrow(
        "select feeling, home, array[feeling, 'sad'] as moods, contact, '[1,2)'::span as span, array[home] as homes,"
        " '{[1,2)}'::int4multirange as ranges from customers where id = $1",
        3,
    )
    assert row["feeling"] == "sad" and row["home"]["street"] == "street 3" and row["home"]["moods"] == ["sad", "happy"]
    assert row["moods"] == ["sad", "sad"] and row["contact"] == "c3@acme.example" and row["span"].lower == 1.0
    assert row["homes"][0]["zip"] == "3" and len(row["ranges"]) == 1
    found = await connection.fetch("select id from customers where feeling = any($1::mood[]) limit 3", ["sad", "ok"])
    assert len(found) == 3
    assert await connection.fetchval("select $1::address", ("a", "1", ["ok"])) == ("a", "1", ["ok"])
    await connection.close()


async def it_sets_codecs():
    import json

    connection = await asyncpg.connect()
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
    assert (await connection.fetchval("select profile from customers where id = 7"))["n"] == 7
    assert await connection.fetchval("select $1::jsonb ->> 'a'", {"a": "b"}) == "b"
    await connection.set_type_codec("mood", encoder=str, decoder=str.upper, schema="crm", format="text")
    assert await connection.fetchval("select feeling from customers where id = 3") == "SAD"
    await connection.close()


async def it_prepares():
    connection = await asyncpg.connect()
    statement = await connection.prepare("select name, $2::text as more from customers where id = $1")
    assert [parameter.name for parameter in statement.get_parameters()] == ["int4", "text"]
    assert [attribute.name for attribute in statement.get_attributes()] == ["name", "more"]
    for i in range(1, 20):
        assert tuple(await statement.fetchrow(i, "x")) == (f"customer {i}", "x")
    assert len(await statement.fetch(1, "x")) == 1 and statement.get_statusmsg() == "SELECT 1"
    plan = await statement.explain(1, "x")
    assert "Plan" in plan[0], plan
    await connection.close()


async def it_drops_its_statements():
    connection = await asyncpg.connect(statement_cache_size=5)
    for i in range(30):
        assert await connection.fetchval(f"select {i} + $1::int", 1) == i + 1
    await connection.close()


async def it_works_without_a_cache():
    connection = await asyncpg.connect(statement_cache_size=0)
    for i in range(3):
        assert await connection.fetchval("select $1::int", i) == i
    await connection.close()


async def it_walks_a_cursor():
    connection = await asyncpg.connect()
    async with connection.transaction():
        ids = [row[0] async for row in connection.cursor("select id from orders where id > $1 order by id", 10, prefetch=700)]
        assert ids == list(range(11, 5001)), len(ids)
        cursor = await connection.cursor("select id from orders order by id")
        assert [row[0] for row in await cursor.fetch(3)] == [1, 2, 3]
        assert await cursor.forward(10) == 10
        assert (await cursor.fetchrow())[0] == 14
    await araises(asyncpg.NoActiveSQLTransactionError, _iterate(connection))
    await connection.close()


async def _iterate(connection):
    async for _ in connection.cursor("select 1"):
        pass


async def it_keeps_transactions():
    connection = await asyncpg.connect()
    async with connection.transaction():
        assert await connection.fetchval("select count(*) from customers") == 50
        try:
            async with connection.transaction():
                await connection.fetchval("select 1 / 0")
        except asyncpg.DivisionByZeroError:
            pass
        assert await connection.fetchval("select 2") == 2
    for options in ({"isolation": "repeatable_read"}, {"isolation": "serializable", "readonly": True, "deferrable": True}):
        async with connection.transaction(**options):
            assert await connection.fetchval("select count(*) from orders") == 5000
    transaction = connection.transaction()
    await transaction.start()
    await araises(asyncpg.UndefinedTableError, connection.fetch("select * from nothere"))
    await araises(asyncpg.InFailedSQLTransactionError, connection.fetch("select 1"))
    await transaction.rollback()
    assert await connection.fetchval("select 3") == 3
    await connection.close()


async def it_is_pooled_and_reset():
    pool = await asyncpg.create_pool(min_size=2, max_size=4)

    async def work(i):
        async with pool.acquire() as connection:
            await connection.execute("set timezone = 'Asia/Tokyo'")
            async with connection.transaction():
                return await connection.fetchval("select name from customers where id = $1", i)

    names = await asyncio.gather(*(work(i) for i in range(1, 41)))
    assert names == [f"customer {i}" for i in range(1, 41)], names
    assert await pool.fetchval("show timezone") != "Asia/Tokyo"
    await asyncio.wait_for(pool.close(), 5)


async def it_copies_out():
    connection = await asyncpg.connect()
    file = io.BytesIO()
    assert await connection.copy_from_query("select id, name from customers where id < $1 order by id", 3, output=file) == "COPY 2"
    assert file.getvalue() == b"1\tcustomer 1\n2\tcustomer 2\n", file.getvalue()
    file = io.BytesIO()
    assert await connection.copy_from_table("customers", columns=["id"], output=file, format="csv", header=True) == "COPY 50"
    await araises(asyncpg.PostgresError, connection.copy_records_to_table("customers", records=[("x",)], columns=["name"]))
    assert await connection.fetchval("select count(*) from customers") == 50
    await connection.close()


async def it_cancels():
    connection = await asyncpg.connect()
    begin = time.monotonic()
    await araises(asyncio.TimeoutError, connection.fetch(SLOW_QUERY, timeout=0.4))
    assert time.monotonic() - begin < 2
    assert await connection.fetchval("select 1") == 1
    await connection.close()


async def it_brings_settings_along():
    connection = await asyncpg.connect(
        server_settings={"application_name": "reports", "timezone": "Asia/Tokyo", "jit": "off", "search_path": "crm"}
    )
    assert await connection.fetchval("show timezone") == "Asia/Tokyo"
    assert connection.get_settings().application_name == "reports"
    assert connection.get_settings().TimeZone == "Asia/Tokyo"
    await connection.execute("set jit = 'on'")
    assert (await connection.fetchrow("select home from customers where id = 3"))[0]["street"] == "street 3"
    assert await connection.fetchval("show jit") == "on"
    await connection.execute("reset jit")
    assert await connection.fetchval("show jit") == "off"
    await connection.close()


async def it_runs_scripts_and_hears_notices():
    connection = await asyncpg.connect()
    heard = []
    connection.add_log_listener(lambda _, message: heard.append(message.message))
    assert await connection.execute("select 1; select 2; commit") == "COMMIT"
    await asyncio.sleep(0.05)
    assert heard == ["there is no transaction in progress"], heard
    await connection.executemany("select $1::int", [(i,) for i in range(50)])
    await connection.close()


async def it_may_not_write_or_listen():
    connection = await asyncpg.connect()
    for sql in ("insert into customers (name) values ('x')", "create table t (a int)", "select nextval('ticket_numbers')"):
        await araises(asyncpg.PostgresError, connection.execute(sql))
        await araises(asyncpg.PostgresError, connection.fetch(sql))
    await araises(asyncpg.PostgresError, connection.add_listener("c", lambda *_: None))
    assert await connection.fetchval("select count(*) from customers") == 50
    await connection.close()


async def it_survives_a_change_of_schema():
    connection = await asyncpg.connect()
    await connection.reload_schema_state()
    assert await connection.fetchval("select feeling from customers where id = 3") == "sad"
    await connection.reset()
    assert await connection.fetchval("select feeling from customers where id = 3") == "sad"
    assert connection.get_server_pid() == await connection.fetchval("select pg_backend_pid()")
    await connection.close()


run(globals())
