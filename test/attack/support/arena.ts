/**
 * A tenant's database behind a gateway, with all that must not be reached around it: another tenant's database, role and
 * live session on the same server, a schema beside the tenant's, an excluded table, things that could be written.
 */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { RawClient, type RawTarget } from '../../support/raw-client.ts'
import { type Served, type ServedOptions, serve } from '../../support/served.ts'
import { type Look, Watch, watcherClaim } from './watch.ts'

export interface Arena {
  readonly served: Served
  readonly admin: pg.Client
  readonly major: number
  readonly neighbour: Neighbour
  /** May stand in no reply, unless the attack's own text has it. */
  readonly secrets: readonly string[]
  open(target?: Partial<RawTarget>): Promise<RawClient>
  look(): Promise<Look>
  discardPool(): void
  stop(): Promise<void>
}

interface Neighbour {
  readonly database: string
  readonly role: string
  readonly databaseOid: number
  readonly roleOid: number
}

export interface ArenaOptions extends Partial<Omit<ServedOptions, 'excludedTables'>> {
  /** Run by the superuser in the tenant's database, before the guard takes its snapshot. */
  readonly asSuperuser?: string
}

const seed = `
  create table orders (id int primary key, customer text, amount numeric, day date);
  insert into orders select g, 'customer ' || g % 7, g * 1.5, date '2024-01-01' + g % 300 from generate_series(1, 300) g;
  create table users (id int primary key, name text);
  insert into users select g, 'user ' || g from generate_series(1, 20) g;
  create table target (id int, note text);
  insert into target values (1, 'untouched');
  create sequence counter;
  create table payroll (id int, pay text);
  insert into payroll select g, '{excluded}' from generate_series(1, 50) g;
  create view payroll_view as select * from payroll;
  create view orders_view as select id, customer from orders;
`

export async function openArena(options: ArenaOptions = {}): Promise<Arena> {
  const mark = randomBytes(4).toString('hex')
  const secrets = [`EXCLUDED-${mark}`, `VAULT-${mark}`, `NEIGHBOUR-${mark}`, `globex_${mark}`]
  const served = await serve({
    ...options,
    seed: `${seed.replace('{excluded}', `EXCLUDED-${mark}`)}; ${options.seed ?? ''}`,
    excludedTables: ['crm.payroll'],
  })
  const admin = await connect(served.direct)
  const neighbour = await makeNeighbour(admin, mark)
  const tenant = await connect({ ...served.direct, database: neighbour.database }, `globex_${mark} app`)
  await tenant.query(
    `create table secrets as select 'NEIGHBOUR-${mark}'::text as v; select 'NEIGHBOUR-${mark}' from secrets`,
  )
  await admin.query(besides(mark, await readerOf(served)))
  if (options.asSuperuser !== undefined) await admin.query(options.asSuperuser)
  await admin.query('analyze crm.orders, crm.users, crm.payroll, vault.gold')
  await served.database.refreshCatalog()
  const major = Number((await admin.query('show server_version_num')).rows[0].server_version_num.slice(0, -4))
  const watch = await Watch.open(admin, served)
  return {
    served,
    admin,
    major,
    neighbour,
    secrets,
    open: target => RawClient.open({ ...served.gateway, ...target }),
    look: () => watch.look(),
    discardPool: () => watch.discardPool(),
    async stop() {
      await watch.close()
      await tenant.end()
      await admin.query(`drop database ${neighbour.database}`)
      await admin.query('drop schema if exists vault cascade; drop publication if exists postern_attack')
      await admin.query(`drop role ${neighbour.role}`)
      await admin.end()
      await served.stop()
    },
  }
}

async function connect(target: RawTarget, application = 'postern attack tests'): Promise<pg.Client> {
  const { host, port, user, password, database } = target
  const client = new pg.Client({ host, port, user, password, database, application_name: application })
  await client.connect()
  return client
}

/** What a neighbour shows of itself in the cluster: names, a comment, a setting, a session that runs something. */
async function makeNeighbour(admin: pg.Client, mark: string): Promise<Neighbour> {
  const [database, role] = [`globex_${mark}_db`, `globex_${mark}_app`]
  await admin.query(`create role ${role} login password 'NEIGHBOUR-${mark}'`)
  await admin.query(`create database ${database} owner ${role}`)
  await admin.query(`revoke connect on database ${database} from public`)
  await admin.query(`comment on database ${database} is 'NEIGHBOUR-${mark} comment'`)
  await admin.query(`comment on role ${role} is 'NEIGHBOUR-${mark} comment'`)
  await admin.query(`alter role ${role} set app.secret = 'NEIGHBOUR-${mark}'`)
  const { rows } = await admin.query(
    `select d.oid::int as "databaseOid", r.oid::int as "roleOid" from pg_database d, pg_roles r where d.datname = $1 and r.rolname = $2`,
    [database, role],
  )
  return { database, role, databaseOid: rows[0].databaseOid, roleOid: rows[0].roleOid }
}

async function readerOf(served: Served): Promise<string> {
  const upstream = await served.database.pool.acquire(watcherClaim, AbortSignal.timeout(5_000))
  const [row] = await upstream.query('select current_user')
  served.database.pool.release(upstream)
  return row?.[0] ?? ''
}

/** Granted as far as SQL goes, so that the guard alone stands before it. */
function besides(mark: string, reader: string): string {
  return `
    create schema vault;
    create table vault.gold as select 'VAULT-${mark}'::text as v from generate_series(1, 20);
    create view vault.gold_view as select * from vault.gold;
    create table vault.orders as select 1 as id, 'VAULT-${mark}'::text as customer;
    create function vault.gold_of(i int) returns text language sql stable as 'select v from vault.gold limit 1';
    grant usage on schema vault to ${reader};
    grant select on all tables in schema vault to ${reader};
    grant insert, update, delete, truncate on crm.target to ${reader};
    grant usage, update on sequence crm.counter to ${reader};
    grant execute on function pg_notify(text, text), pg_advisory_lock(bigint), pg_advisory_xact_lock(bigint), pg_try_advisory_lock(bigint),
      pg_advisory_lock_shared(bigint), pg_advisory_lock(int, int), lo_from_bytea(oid, bytea), lo_create(oid), lo_creat(int) to ${reader}`
}
