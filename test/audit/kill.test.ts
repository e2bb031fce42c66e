/**
 * A serving process that is killed at any moment, under load: no statement was answered whose record is not in the log,
 * and the chain is whole. POSTERN_KILLS says how often; ten times is what every run does.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runPostern } from '../cli/postern.ts'
import { freePort, type Running, startRunning } from '../cli/running.ts'
import { type FreshDatabase, freshDatabase, testCluster } from '../support/cluster.ts'
import { RawClient } from '../support/raw-client.ts'
import { q } from '../support/talk.ts'

const kills = Number(process.env.POSTERN_KILLS ?? 10)
const clients = 4
const password = 'correct horse'
const cwd = mkdtempSync(join(tmpdir(), 'postern-kill-'))
const env: Record<string, string> = {}
let server: URL
let control: FreshDatabase
let running: Running | undefined

const run = (args: string[], input = '') => runPostern(args, { cwd, env, input })

beforeAll(async () => {
  server = new URL((await testCluster()).url)
  control = await freshDatabase()
  Object.assign(env, {
    POSTERN_CONTROL_URL: control.url,
    POSTERN_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    POSTERN_GATEWAY_PORT: String(await freePort()),
    POSTERN_MCP_PORT: String(await freePort()),
    POSTERN_DATA_DIR: join(cwd, 'data'),
  })
  const { hostname, port, username } = server
  const administrator = ['--host', hostname, '--port', port, '--user', username]
  await must(['migrate'])
  await must(['server', 'add', 'main', ...administrator], `${decodeURIComponent(server.password)}\n`)
  await must(['tenant', 'add', 'acme'])
  await must(['user', 'add', 'alice@acme', '--password-stdin'], `${password}\n`)
  const added = await run(['database', 'add', 'crm', '--tenant', 'acme', '--server', 'main', '--json'])
  const { superuserTasks }: { superuserTasks: { sql: string }[] } = JSON.parse(added.out)
  await asSuperuser(async superuser => {
    for (const { sql } of superuserTasks) await superuser.query(sql)
  })
}, 60_000)

afterAll(async () => {
  await running?.stop('SIGKILL')
  await must(['database', 'remove', 'crm', '--tenant', 'acme', '--drop', 'crm'])
  const client = await control.connect()
  await client.query('drop owned by postern_service')
  await client.end()
  await asSuperuser(async superuser => {
    await superuser.query(`drop database ${control.name}`)
    await superuser.query('drop role postern_service')
  })
  rmSync(cwd, { recursive: true })
}, 60_000)

test(
  `${kills} times killed, and every answered statement is in the log`,
  async () => {
    const answered: string[] = []
    for (let kill = 1; kill <= kills; kill++) {
      running = await startRunning(['gateway'], '"msg":"listening"', { cwd, env })
      const pid = Number(/"pid":(\d+)/.exec(running.output())?.[1])
      const talks = Array.from({ length: clients }, (_, client) => talk(`m_${kill}_${client}`, answered))
      await sleep(100 + Math.random() * 500)
      const ended = running.stop('SIGCONT')
      process.kill(pid, 'SIGKILL')
      await ended
      await Promise.all(talks)
    }
    running = await startRunning(['gateway'], '"msg":"listening"', { cwd, env })
    expect(await running.stop('SIGTERM')).toBe(0)
    expect(answered.length).toBeGreaterThan(kills)

    const logged = await recorded()
    expect(answered.filter(mark => !logged.has(mark))).toEqual([])
    const verified = await run(['audit', 'verify', '--json'])
    const { broken, chains }: { broken: number; chains: { instance: string; records: number }[] } = JSON.parse(
      verified.out,
    )
    expect({ broken, code: verified.code }).toEqual({ broken: 0, code: 0 })
    expect(chains.map(({ instance }) => instance)).toHaveLength(2)
    expect(Math.max(...chains.map(({ records }) => records))).toBeGreaterThanOrEqual(answered.length)
  },
  60_000 + kills * 15_000,
)

/** Says one thing after another until the connection ends; what was answered to the end is noted. */
async function talk(name: string, answered: string[]): Promise<void> {
  const port = Number(env.POSTERN_GATEWAY_PORT)
  let client: RawClient | undefined
  try {
    client = await RawClient.open({ host: '127.0.0.1', port, user: 'alice@acme', password, database: 'crm' })
    for (let number = 1; ; number++) {
      const mark = `${name}_${number}`
      // One in ten has an answer that outlasts its turn, with a record for its beginning and one for its end.
      client.send(
        ...q(
          number % 10 === 0
            ? `select repeat('x', 500) as ${mark} from generate_series(1, 3000)`
            : `select 1 as ${mark}`,
        ),
      )
      const seen = await client.untilReady()
      if (seen.some(frame => frame.type === 'C')) answered.push(mark)
    }
  } catch {
    // killed
  } finally {
    client?.socket.destroy()
  }
}

/** The marks of all statements that have their final record. */
async function recorded(): Promise<ReadonlySet<string>> {
  const client = await control.connect()
  try {
    const read = await client.query<{ mark: string }>(
      `select substring(statement_text from 'm_[0-9_]+') as mark from postern.audit_log where kind = 'statement'`,
    )
    return new Set(read.rows.map(row => row.mark))
  } finally {
    await client.end()
  }
}

async function must(args: string[], input?: string): Promise<void> {
  const ran = await run(args, input)
  if (ran.code !== 0) throw new Error(`postern ${args.join(' ')}: ${ran.err}${ran.out}`)
}

async function asSuperuser(work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: server.href })
  await client.connect()
  await work(client).finally(() => client.end())
}
