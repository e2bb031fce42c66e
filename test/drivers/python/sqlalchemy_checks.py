import os

import sqlalchemy as sa
from checks import raises, run
from sqlalchemy.dialects import postgresql


def engines():
    for driver in ("psycopg", "psycopg2"):
        url = sa.URL.create(
            f"postgresql+{driver}",
            username=os.environ["PGUSER"],
            password=os.environ["PGPASSWORD"],
            host=os.environ["PGHOST"],
            port=int(os.environ["PGPORT"]),
            database=os.environ["PGDATABASE"],
        )
        engine = sa.create_engine(url)
        yield engine
        engine.dispose()


def each_inspector(check):
    for engine in engines():
        check(sa.inspect(engine))


def it_lists_what_is_there():
    def check(inspector):
        assert inspector.default_schema_name == "crm"
        assert {"crm", "information_schema", "public"} <= set(inspector.get_schema_names()), inspector.get_schema_names()
        tables = inspector.get_table_names()
        assert {"customers", "orders", "order_lines", "events", "parents"} <= set(tables), tables
        assert set(inspector.get_view_names()) == {"rich_customers", "checked"}
        assert inspector.get_materialized_view_names(schema="crm") == ["sums"]
        assert set(inspector.get_sequence_names()) == {"ticket_numbers", "orders_id_seq", "customers_id_seq"}
        assert inspector.has_table("orders") and not inspector.has_table("nothere")
        assert inspector.get_foreign_table_names() == []
        assert "balance" in inspector.get_view_definition("rich_customers")

    each_inspector(check)


def it_describes_columns():
    def check(inspector):
        columns = {column["name"]: column for column in inspector.get_columns("customers")}
        assert isinstance(columns["feeling"]["type"], postgresql.ENUM)
        assert list(columns["feeling"]["type"].enums) == ["sad", "ok", "happy"]
        assert isinstance(columns["contact"]["type"], postgresql.DOMAIN), columns["contact"]["type"]
        assert isinstance(columns["tags"]["type"], postgresql.ARRAY)
        assert isinstance(columns["profile"]["type"], postgresql.JSONB)
        assert isinstance(columns["seen"]["type"], postgresql.TSTZRANGE)
        assert columns["balance"]["comment"] == "in EUR" and columns["id"]["identity"]["always"] is True
        assert columns["code"]["type"].collation == "C", columns["code"]["type"].collation
        computed = {column["name"]: column for column in inspector.get_columns("orders", schema="crm")}["doubled"]
        assert "total * " in computed["computed"]["sqltext"]

    each_inspector(check)


def it_finds_keys_and_indexes():
    def check(inspector):
        assert inspector.get_pk_constraint("order_lines")["constrained_columns"] == ["order_id", "line"]
        (key,) = inspector.get_foreign_keys("orders")
        assert key["referred_table"] == "customers" and key["options"] == {"ondelete": "CASCADE"}, key
        indexes = {index["name"]: index for index in inspector.get_indexes("customers")}
        assert {"customers_tags_idx", "customers_lower_idx"} <= set(indexes), indexes
        assert indexes["customers_lower_idx"]["expressions"] == ["lower(name)"]
        assert inspector.get_unique_constraints("orders")[0]["column_names"] == ["customer_id", "placed_at"]
        assert inspector.get_check_constraints("orders")[0]["name"] == "orders_total_positive"
        assert inspector.get_table_comment("customers")["text"].startswith("Who buys")
        assert [enum["name"] for enum in inspector.get_enums()] == ["mood"]
        assert [domain["name"] for domain in inspector.get_domains()] == ["email"]

    each_inspector(check)


def it_reflects_everything_at_once():
    for engine in engines():
        metadata = sa.MetaData()
        metadata.reflect(engine, schema="crm", views=True)
        assert "crm.orders" in metadata.tables and "crm.rich_customers" in metadata.tables
        customers, orders = metadata.tables["crm.customers"], metadata.tables["crm.orders"]
        with engine.connect() as connection:
            query = (
                sa.select(customers.c.name, sa.func.sum(orders.c.total).label("total"))
                .join(orders)
                .group_by(customers.c.name)
                .order_by(customers.c.name)
                .limit(3)
            )
            assert len(connection.execute(query).all()) == 3
            assert connection.execute(sa.select(customers.c.feeling).where(customers.c.id.in_([3, 6]))).scalars().all() == ["sad", "sad"]


def it_streams_and_pools():
    for engine in engines():
        with engine.connect() as connection:
            result = connection.execution_options(stream_results=True, yield_per=500).execute(sa.text("select id from crm.orders"))
            assert sum(1 for _ in result) == 5000
        with engine.connect() as connection:
            raises(sa.exc.DBAPIError, lambda: connection.execute(sa.text("delete from crm.customers")))
        with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            assert connection.scalar(sa.text("show transaction_isolation")) == "repeatable read"
            assert connection.get_isolation_level() == "REPEATABLE READ"
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            assert connection.scalar(sa.text("select count(*) from customers")) == 50
        with engine.connect() as connection:
            nested = connection.begin_nested()
            raises(sa.exc.DBAPIError, lambda: connection.execute(sa.text("select 1/0")))
            nested.rollback()
            assert connection.scalar(sa.text("select 1")) == 1


def it_works_with_asyncpg():
    import asyncio

    from sqlalchemy.ext.asyncio import create_async_engine

    async def work():
        url = sa.URL.create(
            "postgresql+asyncpg",
            username=os.environ["PGUSER"],
            password=os.environ["PGPASSWORD"],
            host=os.environ["PGHOST"],
            port=int(os.environ["PGPORT"]),
            database=os.environ["PGDATABASE"],
        )
        engine = create_async_engine(url, pool_pre_ping=True)
        async with engine.connect() as connection:
            tables = await connection.run_sync(lambda c: sa.inspect(c).get_table_names())
            assert "orders" in tables
            assert (await connection.execute(sa.text("select name from customers where id = :id"), {"id": 7})).scalar() == "customer 7"
            result = await connection.stream(sa.text("select id from orders"))
            assert len([row async for row in result]) == 5000
        await engine.dispose()

    asyncio.run(work())


run(globals())
