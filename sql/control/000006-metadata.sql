-- What the catalog of a tenant database said, one row per schema: names, types, keys, comments. No values of its rows.

create table postern.catalog_snapshot (
  database_id uuid not null references postern.database on delete cascade,
  schema text not null,
  -- changes with the DDL of the schema
  version text not null,
  generated_at timestamptz not null,
  contents json not null,
  primary key (database_id, schema)
);

grant select, insert, update, delete on postern.catalog_snapshot to postern_service;
