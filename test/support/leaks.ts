/**
 * After each test file: a connection, role, database or schema that was not there before fails the file.
 * Fresh databases are dropped here, once nobody is connected to them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll } from 'vitest'
import type { TestServer } from './sources.ts'

/** A session that was told to end may take a moment to do so. */
const patienceMs = 2000

let baseline: { server: TestServer; things: Set<string>; sessions: Set<string> } | undefined

/** What is there before the file's first use of the server. */
export async function noteBaseline(server: TestServer): Promise<void> {
  baseline = await withAdministrator(server, async client => ({
    server,
    things: new Set(await listThings(client)),
    sessions: new Set(await listSessions(client)),
  }))
}

afterAll(async () => {
  if (baseline === undefined) return
  const { server, things, sessions: earlier } = baseline
  const leaked = await withAdministrator(server, async client => {
    const sessions = await waitForSessions(client, earlier)
    await dropFreshDatabases(client)
    return [...sessions, ...(await listThings(client)).filter(thing => !things.has(thing))]
  })
  if (leaked.length > 0) throw new Error(`this file leaves behind: ${leaked.join(', ')}`)
})

async function waitForSessions(client: pg.Client, earlier: Set<string>): Promise<string[]> {
  for (let waitedMs = 0; ; waitedMs += 50) {
    const sessions = (await listSessions(client)).filter(session => !earlier.has(session))
    if (sessions.length === 0 || waitedMs >= patienceMs) return sessions
    await sleep(50)
  }
}

async function listSessions(client: pg.Client): Promise<string[]> {
  const answer = await client.query(
    `select format('connection %s of %s to %s (%s)', pid, usename, datname, application_name) as what
       from pg_catalog.pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_catalog.pg_backend_pid()`,
  )
  return answer.rows.map(row => row.what)
}

async function listThings(client: pg.Client): Promise<string[]> {
  const answer = await client.query(
    `select 'role ' || rolname as what from pg_catalog.pg_roles
     union all select 'database ' || datname from pg_catalog.pg_database
     union all select 'schema ' || nspname from pg_catalog.pg_namespace
     union all select 'tablespace ' || spcname from pg_catalog.pg_tablespace
     union all select 'replication slot ' || slot_name from pg_catalog.pg_replication_slots
     union all select 'prepared transaction ' || gid from pg_catalog.pg_prepared_xacts
     union all select 'setting of ' || setrole::regrole || ' in ' || setdatabase from pg_catalog.pg_db_role_setting`,
  )
  return answer.rows.map(row => row.what)
}

async function dropFreshDatabases(client: pg.Client): Promise<void> {
  const answer = await client.query(
    String.raw`select d.datname from pg_catalog.pg_database d
                where d.datname like 'postern\_test\_%'
                  and not exists (select from pg_catalog.pg_stat_activity a where a.datname = d.datname)`,
  )
  for (const { datname } of answer.rows) await client.query(`drop database if exists "${datname}"`)
}

async function withAdministrator<T>(server: TestServer, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: server.url, application_name: 'postern leak check' })
  await client.connect()
  return work(client).finally(() => client.end())
}
