-- What the MCP door keeps between calls: sessions of the older protocol, and confirmations that are waited for.

-- A session that any instance can take up again. Its id is a secret of its client: only the hash is kept.
create table postern.mcp_session (
  id_hash bytea primary key check (length(id_hash) = 32),
  principal_id uuid not null references postern.principal on delete cascade,
  tenant_id uuid not null references postern.tenant on delete cascade,
  -- params of the client's initialize request
  initialize jsonb not null,
  created_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now()
);

create index on postern.mcp_session (last_seen_at);
create index on postern.mcp_session (principal_id);

-- One row per question that was asked; the answer removes it, so that none is used twice.
create table postern.confirmation (
  id uuid primary key,
  -- 'state': a host asked its user; 'code': the call is repeated with a one-time code
  kind text not null check (kind in ('state', 'code')),
  code_hash bytea check (length(code_hash) = 32),
  principal_id uuid not null references postern.principal on delete cascade,
  tenant_id uuid not null references postern.tenant on delete cascade,
  tool text not null,
  -- of the arguments that were asked about
  arguments_hash bytea not null check (length(arguments_hash) = 32),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  check ((kind = 'code') = (code_hash is not null))
);

create index on postern.confirmation (expires_at);
create index on postern.confirmation (principal_id, kind);

grant select, insert, update, delete on postern.mcp_session, postern.confirmation to postern_service;
