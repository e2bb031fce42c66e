-- Connectors: what they are set to, and one credential each, which a provider may refuse.

alter table postern.connector
  add column knobs jsonb not null default '{}',
  -- why it is not connected (any more), in words for those who can do something about it
  add column fault text,
  add column changed_at timestamptz not null default now(),
  drop constraint connector_state_check,
  add constraint connector_state_check check (state in ('connected', 'not_connected', 'expired', 'refused'));

alter table postern.connector_credential
  drop constraint connector_credential_connector_id_kind_key,
  add constraint connector_credential_connector_id_key unique (connector_id),
  add column changed_at timestamptz not null default now();

create view postern.connectors as
  select c.id, t.name as tenant, c.name, c.type, c.state, c.fault, c.knobs, x.kind as auth, x.expires_at, c.created_at,
    c.changed_at
  from postern.connector c
    join postern.tenant t on t.id = c.tenant_id
    left join postern.connector_credential x on x.connector_id = c.id;

grant select on postern.connectors to postern_service;
