/** What an attack could have changed, seen by the superuser and on the pooled connections, as the next borrower would get them. */
import type pg from 'pg'
import type { Upstream } from '../../../src/upstream/connection.ts'
import { encodeQuery } from '../../../src/wire/query.ts'
import { RawClient } from '../../support/raw-client.ts'
import type { Served } from '../../support/served.ts'

/** Name of a thing → how it stands. Equal looks: nothing happened. */
export type Look = Readonly<Record<string, string>>

export const watcherClaim = { tenant: 'watch', principal: 'watch', upstreamsPerPrincipal: 100, upstreamsPerTenant: 100 }

export class Watch {
  private readonly admin: pg.Client
  private readonly served: Served
  private readonly victim: RawClient
  private readonly notified: string[] = []

  private constructor(admin: pg.Client, served: Served, victim: RawClient) {
    this.admin = admin
    this.served = served
    this.victim = victim
    admin.on('notification', message => this.notified.push(`${message.channel} ${message.payload}`))
  }

  static async open(admin: pg.Client, served: Served): Promise<Watch> {
    await admin.query('listen postern_attack')
    return new Watch(admin, served, await RawClient.open(served.gateway))
  }

  async look(): Promise<Look> {
    this.victim.send(encodeQuery('select 1'))
    await this.victim.untilReady()
    const { rows } = await this.admin.query(databaseState)
    return { ...rows[0], notified: this.notified.join('; '), ...(await this.lookAtPool()) }
  }

  /** After a finding: the next one shall not be blamed for it. */
  discardPool(): void {
    const { pool } = this.served.database
    for (let next = pool.tryAcquire(watcherClaim); next !== undefined; next = pool.tryAcquire(watcherClaim))
      pool.discard(next, 'it was tampered with')
  }

  async close(): Promise<void> {
    await this.victim.close()
  }

  /** Every idle upstream, as it comes back to the pool. */
  private async lookAtPool(): Promise<Look> {
    const { pool } = this.served.database
    const taken: Upstream[] = []
    for (let next = pool.tryAcquire(watcherClaim); next !== undefined; next = pool.tryAcquire(watcherClaim))
      taken.push(next)
    const states = new Set<string>()
    const strays: string[] = []
    try {
      for (const upstream of taken) {
        states.add(String(await upstream.query(upstreamState)))
        strays.push(...(await straySettings(upstream)))
      }
    } finally {
      for (const upstream of taken) pool.release(upstream)
    }
    return { upstreams: [...states].join('\n'), 'settings that are not on record': strays.join(', ') }
  }
}

/** Settings that the session keeps record of, or should: what they are, where the record says otherwise. */
async function straySettings(upstream: Upstream): Promise<string[]> {
  const rows = await upstream.query(
    `select lower(name), setting, reset_val from pg_settings where source = 'session' or name = any ('{${[...upstream.settings.keys()].join(',')}}')`,
  )
  return rows.flatMap(([name, setting, reset]) => {
    const recorded = upstream.settings.get(name ?? '')
    const wanted = recorded === undefined ? (reset ?? '') : recorded.replaceAll(/'((?:[^']|'')*)'/g, '$1')
    return bare(setting ?? '') === bare(wanted) ? [] : [`${name} is ${setting}, on record ${recorded}`]
  })
}

function bare(value: string): string {
  return value.toLowerCase().replaceAll('"', '')
}

/** Changed tables, objects, roles, settings; locks that were left. */
const databaseState = `
  select (select md5(string_agg(concat(oid, relname, relowner, relacl, relkind), ',' order by oid)) from pg_class where oid >= 16384 and relnamespace <> 'pg_toast'::regnamespace) as relations,
    (select md5(string_agg(concat(oid, proname, proacl, proowner, prosrc), ',' order by oid)) from pg_proc where oid >= 16384) as functions,
    (select md5(string_agg(concat(oid, nspname, nspacl, nspowner), ',' order by oid)) from pg_namespace where nspname !~ '^pg_(toast_)?temp_') as schemas,
    (select count(*)::text || coalesce(md5(string_agg(t::text, ',')), '') from crm.target t) as rows,
    (select concat(last_value, is_called) from crm.counter) as sequence,
    (select count(*)::text from pg_largeobject_metadata) as "large objects",
    (select string_agg(concat(classid, ':', objid, ':', objsubid), ' ') from pg_locks where locktype = 'advisory') as "advisory locks",
    (select count(*)::text from pg_locks where mode = 'AccessExclusiveLock' and pid <> pg_backend_pid() and relation is not null) as "table locks",
    (select md5(string_agg(concat(rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls, rolconfig, rolconnlimit), ',' order by oid)) from pg_roles) as roles,
    (select md5(string_agg(concat(roleid, member), ',' order by roleid, member)) from pg_auth_members) as memberships,
    (select string_agg(datname, ',' order by oid) from pg_database) as databases,
    (select count(*)::text from pg_prepared_xacts) as prepared,
    (select count(*)::text from pg_replication_slots) as slots,
    (select md5(string_agg(concat(subname, pubname), ',')) from (select subname, null::name as pubname from pg_subscription union all select null, pubname from pg_publication) p) as replication,
    pg_conf_load_time()::text as configuration`

/** Role, settings, and what a session can leave behind. */
const upstreamState = `
  select session_user, current_user, current_setting('role'), (select count(*) from pg_listening_channels()), pg_my_temp_schema(),
    (select count(*) from pg_cursors), (select string_agg(name || '=' || setting, ' ' order by name) from pg_settings
      where name in ('standard_conforming_strings', 'default_transaction_read_only', 'row_security', 'session_replication_role', 'client_encoding', 'work_mem'))`
