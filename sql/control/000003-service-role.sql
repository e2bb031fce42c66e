-- What a running Postern may do here. It may add to the audit log and neither read, change nor remove what stands in it.

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'postern_service') then
    create role postern_service nologin;
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
      execute format('grant postern_service to %I', current_user);
    end if;
  end if;
exception
  -- another control database of this cluster made it at the same moment
  when duplicate_object or unique_violation then null;
end
$$;

grant usage on schema postern to postern_service;
grant select, insert, update, delete on
  postern.tenant, postern.server, postern.database, postern.reader, postern.principal, postern.membership,
  postern.credential, postern.limit_override
  to postern_service;
grant select, update on postern.config_version to postern_service;
grant select on postern.migration to postern_service;
grant insert on postern.audit_log to postern_service;
grant usage on sequence postern.audit_control_sequence to postern_service;

revoke execute on function postern.prepare_audit_log(timestamptz, timestamptz) from public;
grant execute on function postern.prepare_audit_log(timestamptz, timestamptz) to postern_service;
