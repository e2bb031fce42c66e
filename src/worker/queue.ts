/** The job queue in the control database: graphile-worker's schema, made by its owner and used by the service. */
import { runMigrations } from 'graphile-worker'
import type { Pool } from 'pg'
import { inTransaction } from '../transaction.ts'
import { silentLogger } from './queue-log.ts'

const schema = 'graphile_worker'

/**
 * Brings the queue up to date and lets postern_service use it: rows of its tables, its functions, and no more. Safe when
 * several instances do it at once, and again at any time. `owner`: the control database as its owner.
 */
export async function migrateQueue(owner: Pool): Promise<void> {
  await runMigrations({ pgPool: owner, preset: { worker: { schema, logger: silentLogger } } })
  await inTransaction(owner, async client => {
    // Two that grant at once fail on each other.
    await client.query('select pg_catalog.pg_advisory_xact_lock(7219, 3)')
    await client.query(grants)
  })
}

/** The queue's tables have row security without a policy: nobody but their owner sees a row until there is one. */
const grants = `
do $$
declare
  secured record;
begin
  if pg_catalog.has_schema_privilege('postern_service', '${schema}', 'usage') and not exists (
    select from pg_catalog.pg_class c
     where c.relnamespace = '${schema}'::pg_catalog.regnamespace and c.relkind = 'r' and c.relrowsecurity
       and not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'postern_service')) then
    return;
  end if;
  grant usage on schema ${schema} to postern_service;
  grant select, insert, update, delete on all tables in schema ${schema} to postern_service;
  revoke insert, update, delete on ${schema}.migrations from postern_service;
  grant usage, select on all sequences in schema ${schema} to postern_service;
  revoke execute on all functions in schema ${schema} from public;
  grant execute on all functions in schema ${schema} to postern_service;
  for secured in
    select c.relname from pg_catalog.pg_class c
     where c.relnamespace = '${schema}'::pg_catalog.regnamespace and c.relkind = 'r' and c.relrowsecurity
       and not exists (select from pg_catalog.pg_policy p where p.polrelid = c.oid and p.polname = 'postern_service')
  loop
    execute pg_catalog.format(
      'create policy postern_service on ${schema}.%I to postern_service using (true) with check (true)', secured.relname);
  end loop;
end
$$`
