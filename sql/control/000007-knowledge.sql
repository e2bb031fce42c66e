-- What people and agents have written about a tenant's data. Keyed by logical names (a database's alias, a schema's own
-- name or the purpose that it was provisioned for, a table), never by what stands in a cluster: it outlives a teardown,
-- and is found again when the same names come back. '*' stands for all databases, or all schemas.

create table postern.semantic_entry (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant on delete cascade,
  kind text not null check (kind in ('entity', 'relationship', 'metric')),
  database_alias text not null default '*' check (database_alias <> ''),
  schema_name text not null default '*' check (schema_name <> ''),
  -- entity: the table; relationship: table.column and what it references; metric: its name
  name text not null check (name <> ''),
  -- as it stands in a file semantic/<tenant>.yml, without database and schema; json keeps the order of columns
  definition json not null check (json_typeof(definition) = 'object'),
  -- in which order they were written
  position integer not null default 0,
  updated_at timestamptz not null default now(),
  unique (tenant_id, kind, database_alias, schema_name, name)
);

create table postern.table_knowledge (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant on delete cascade,
  database_alias text not null default '*' check (database_alias <> ''),
  schema_name text not null default '*' check (schema_name <> ''),
  table_name text not null check (table_name <> ''),
  use_cases text[] not null default '{}',
  quality_notes text,
  owner text,
  refresh_frequency text,
  join_hints text[] not null default '{}',
  -- column name to note
  column_notes json not null default '{}' check (json_typeof(column_notes) = 'object'),
  created_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (tenant_id, database_alias, schema_name, table_name)
);

create table postern.knowledge_entry (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant on delete cascade,
  title text not null check (title <> ''),
  markdown text not null check (markdown <> ''),
  tags text[] not null default '{}',
  created_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create index on postern.knowledge_entry (tenant_id, updated_at desc);

-- What somebody learned when a statement was wrong. The SQL is kept as text and never run from here.
create table postern.learning (
  id uuid primary key,
  tenant_id uuid not null references postern.tenant on delete cascade,
  database_alias text not null default '*' check (database_alias <> ''),
  description text not null check (description <> ''),
  category text not null check (category <> ''),
  -- logical names: table, or schema.table
  tables text[] not null default '{}',
  failing_sql text,
  corrected_sql text not null check (corrected_sql <> ''),
  -- moves by 0.1; below the floor the learning is kept and no longer given to agents
  confidence numeric(2, 1) not null default 0.5 check (confidence between 0 and 1),
  times_applied integer not null default 0 check (times_applied >= 0),
  created_by text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create index on postern.learning (tenant_id, confidence desc, times_applied desc);

grant select, insert, update, delete on
  postern.semantic_entry, postern.table_knowledge, postern.knowledge_entry, postern.learning
  to postern_service;
