-- What only a superuser may add to the company's database.
create extension hstore schema public;
create foreign data wrapper far_wrapper;
create server far foreign data wrapper far_wrapper options (host 'far.example');
comment on server far is 'far away';
create foreign table crm.far (a integer options (column_name 'b'), b text) server far options (table_name 'near');
create user mapping for public server far options (user 'u', password 'secret');
create publication all_orders for table crm.orders, crm.customers;
create subscription theirs connection 'host=127.0.0.1 port=1 password=secret' publication all_orders with (connect = false);
create function crm.notice_ddl() returns event_trigger language plpgsql as $$ begin
end $$;
create event trigger notice_ddl on ddl_command_end execute function crm.notice_ddl();
select pg_catalog.lo_from_bytea(4711, 'large');
do $$ begin
  if current_setting('server_version_num')::int >= 150000 then
    execute 'create publication whole for tables in schema crm';
    execute 'create publication costly for table crm.orders (id, total) where (total > 5)';
  end if;
end $$;
