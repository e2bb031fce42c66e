/** A tenant's data, real Postern processes that serve it to agents, and what the database itself sees of them. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { MembershipRole } from '../../src/control/users.ts'
import { freePort, type Running, startRunning } from '../cli/running.ts'
import { type Door, openDoor } from '../mcp/door.ts'
import type { Place, WebPlace } from './mcp-speakers.ts'
import { type Running as Process, start } from './process.ts'

export interface AgentWorld {
  readonly door: Door
  /** What child processes need to find the same control database. */
  readonly environment: Readonly<Record<string, string>>
  /** A `postern up` of its own. */
  instance(): Promise<Instance>
  /** A user, and where clients of his find Postern, by transport. */
  user(
    login: string,
    role?: MembershipRole,
  ): Promise<{ readonly http: (url: string) => WebPlace; readonly stdio: Place }>
  /** Whether a statement with this text runs now. */
  runs(text: string): Promise<boolean>
  close(): Promise<void>
}

export interface Instance {
  readonly url: string
  stop(): Promise<number>
}

const seed = `
  create table crm.customers (id int primary key, name text not null, country text);
  create table crm.orders (id int primary key, customer_id int not null references crm.customers, total numeric);
  comment on table crm.orders is 'What was bought';
  insert into crm.customers select n, 'customer ' || n, 'DE' from generate_series(1, 50) n;
  insert into crm.orders select n, 1 + n % 50, n * 1.5 from generate_series(1, 5000) n`

export const launcher = join(import.meta.dirname, '../../bin/postern.mjs')

/** Nothing is allowed to sleep; this never ends within a test. @param name by which it is found again */
export function endless(name: string): string {
  return `select count(*) as ${name} from crm.orders a, crm.orders b, crm.orders c where a.id + b.id + c.id < 0`
}

export async function openAgentWorld(): Promise<AgentWorld> {
  const door = await openDoor({ tenants: ['acme'] })
  await door.world.seed('acme', seed)
  const folder = mkdtempSync(join(tmpdir(), 'postern-agents-'))
  const environment = {
    PATH: process.env.PATH ?? '',
    POSTERN_CONTROL_URL: door.world.control.database.url,
    POSTERN_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    POSTERN_MCP_TOOLS_EXTENDED: 'true',
  }
  const watcher = new pg.Client({ connectionString: door.world.control.database.url })
  await watcher.connect()
  const stops = new Set<() => Promise<number>>()
  let instances = 0
  return {
    door,
    environment: { ...environment, POSTERN_DATA_DIR: join(folder, 'stdio') },
    async instance() {
      const port = await freePort()
      const env = {
        ...environment,
        POSTERN_GATEWAY_PORT: String(await freePort()),
        POSTERN_MCP_PORT: String(port),
        POSTERN_DATA_DIR: join(folder, String(++instances)),
      }
      const running: Running = await startRunning(['up', '--no-demo'], 'Stop: Ctrl-C', { cwd: folder, env })
      const stop = () => {
        stops.delete(stop)
        return running.stop('SIGINT')
      }
      stops.add(stop)
      return { url: `http://127.0.0.1:${port}/mcp`, stop }
    },
    async user(login, role = 'analyst') {
      const key = await door.key('acme', login, role)
      const args = [launcher, 'mcp', '--principal', `${login}@acme`]
      const env = { ...environment, POSTERN_DATA_DIR: join(folder, 'stdio') }
      return { http: url => ({ url, key }), stdio: { command: process.execPath, args, env } }
    },
    async runs(text) {
      const found = await watcher.query(
        `select from pg_stat_activity where state = 'active' and query like $1 and pid <> pg_backend_pid()`,
        [`%${text}%`],
      )
      return found.rows.length > 0
    },
    async close() {
      for (const stop of stops) await stop()
      await watcher.end()
      await door.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A process that serves over HTTP with a pipeline; mcp-loading.ts says how it loads. */
export async function startLoading({
  environment,
}: AgentWorld): Promise<{ readonly url: string; readonly process: Process }> {
  const args = [join(import.meta.dirname, 'mcp-loading.ts'), 'http']
  const started = start(process.execPath, args, {
    environment: { ...environment, POSTERN_MCP_PORT: '0' },
    timeoutMs: 600_000,
  })
  const url = await new Promise<string>((resolve, reject) => {
    started.process.stdout?.once('data', (line: Buffer) => resolve(line.toString().trim()))
    void started.ended.then(({ err }) => reject(new Error(err)))
  })
  return { url, process: started }
}
