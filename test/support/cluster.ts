/** The Postgres of this test file: shared with the other files of the worker, one after the other. */
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { noteBaseline } from './leaks.ts'
import { type TestServer, testServerSchema } from './sources.ts'

export interface FreshDatabase {
  readonly name: string
  /** The superuser's. */
  readonly url: string
  /** A new connection of the superuser, ended by the caller. */
  connect(): Promise<pg.Client>
  /** Fails while somebody is connected. Without it the file's end drops the database. */
  drop(): Promise<void>
}

let asked: Promise<TestServer> | undefined

/** The superuser may create roles, databases and schemas; whatever the file leaves behind fails it. */
export function testCluster(): Promise<TestServer> {
  asked ??= askBroker()
  return asked
}

/** An empty database, or a copy of `template` (to which nobody may be connected). About 20 ms. */
export async function freshDatabase(o: { template?: string } = {}): Promise<FreshDatabase> {
  const server = await testCluster()
  const name = `postern_test_${randomBytes(6).toString('hex')}`
  const strategy = server.major >= 15 ? 'strategy file_copy' : ''
  await runAsSuperuser(server, `create database ${name} template "${o.template ?? 'template1'}" ${strategy}`)
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return {
    name,
    url: url.href,
    connect: async () => {
      const client = new pg.Client({ connectionString: url.href })
      await client.connect()
      return client
    },
    drop: () => runAsSuperuser(server, `drop database if exists ${name}`),
  }
}

async function askBroker(): Promise<TestServer> {
  // Files in different slots run at the same time; files in one slot never do.
  const response = await fetch(`${inject('brokerUrl')}/${process.env.VITEST_POOL_ID ?? '1'}`)
  if (!response.ok) throw new Error(await response.text())
  const server = testServerSchema.parse(await response.json())
  await noteBaseline(server)
  return server
}

async function runAsSuperuser(server: TestServer, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.url, application_name: 'postern test support' })
  await client.connect()
  await client.query(sql).finally(() => client.end())
}
