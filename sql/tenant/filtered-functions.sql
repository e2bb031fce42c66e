-- Twins of functions that read cluster-wide catalogs; filled in as filtered-views.sql is.

-- A comment on this database; comments on roles, tablespaces and other databases are nobody's here.
create or replace function postern_catalog.shobj_description(object_oid oid, catalog_name name) returns text
language sql stable parallel safe
begin atomic
  select d.description from pg_catalog.pg_shdescription d
  where catalog_name = 'pg_database' and object_oid = {database} and d.objoid = object_oid
    and d.classoid = 'pg_catalog.pg_database'::pg_catalog.regclass;
end;
