/** MCP servers over stdio before one database: Postern by its one command, and two peers fetched from npm into .postern/tools. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import pg from 'pg'
import { startCluster } from '../src/embedded/cluster.ts'

const root = new URL('..', import.meta.url).pathname
const folder = join(root, '.postern/tools/mcp-peers')
const wanted = ['@bytebase/dbhub@0.21.2', '@modelcontextprotocol/server-postgres@0.6.2']

/** Limits that would bind, raised: named in the report. */
export const raised = {
  POSTERN_RATES_QUERY_PRINCIPAL_PER_MINUTE: 'off',
  POSTERN_RATES_QUERY_PRINCIPAL_PER_HOUR: 'off',
  POSTERN_RATES_QUERY_TENANT_PER_DAY: 'off',
}

export interface McpPeer {
  readonly name: string
  readonly client: Client
  /** The tool that runs a statement, its argument `sql`. */
  readonly tool: string
}

export interface McpPeers {
  readonly peers: readonly McpPeer[]
  /** A connection to the same database, as the same login. */
  readonly direct: pg.Client
  stop(): Promise<void>
}

export async function startMcpPeers(): Promise<McpPeers> {
  fetchPeers()
  const scratch = mkdtempSync(join(tmpdir(), 'postern-bench-mcp-'))
  const cluster = await startCluster()
  const url = `postgres://bench:bench@127.0.0.1:${cluster.port}/bench`
  await seed(cluster.url, url)
  const direct = new pg.Client({ connectionString: url })
  await direct.connect()
  const script = (path: string) => join(folder, 'node_modules', path)
  const postern = [join(root, 'bin/postern.mjs'), 'mcp', '--url', url]
  const clients = [
    start('postern', 'query', postern, { ...raised, POSTERN_DATA_DIR: join(scratch, 'data') }),
    start('dbhub', 'execute_sql', [
      script('@bytebase/dbhub/dist/index.js'),
      '--transport',
      'stdio',
      '--dsn',
      `${url}?sslmode=disable`,
    ]),
    start('server-postgres', 'query', [script('@modelcontextprotocol/server-postgres/dist/index.js'), url]),
  ]
  const stop = async () => {
    for (const starting of clients) await starting.then(({ client }) => client.close(), ignore)
    await direct.end()
    await cluster.stop()
    rmSync(scratch, { recursive: true, force: true })
  }
  try {
    return { peers: await Promise.all(clients), direct, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** It never came to be. */
function ignore(): void {}

async function start(name: string, tool: string, args: string[], env: Record<string, string> = {}): Promise<McpPeer> {
  const client = new Client({ name: 'postern-bench', version: '0' })
  const { PATH = '' } = process.env
  await client.connect(
    new StdioClientTransport({ command: process.execPath, args, env: { PATH, ...env }, stderr: 'ignore' }),
  )
  return { name, client, tool }
}

function fetchPeers(): void {
  if (existsSync(join(folder, 'wanted', wanted.join(' ').replaceAll('/', '_')))) return
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'wanted'), { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const options = ['--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error']
  execFileSync('npm', ['install', ...options, ...wanted], { cwd: folder, stdio: 'inherit' })
  writeFileSync(join(folder, 'wanted', wanted.join(' ').replaceAll('/', '_')), '')
}

async function seed(superuser: string, url: string): Promise<void> {
  await run(superuser, `create role bench login password 'bench'`)
  await run(superuser, 'create database bench owner bench')
  await run(
    url,
    `create table accounts (id int primary key, owner text not null, balance numeric(12, 2) not null, opened date not null);
     insert into accounts select g, 'customer ' || g, g % 1000 + 0.5, date '2020-01-01' + g % 1000 from generate_series(1, 100000) g;
     analyze accounts`,
  )
}

async function run(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(sql).finally(() => client.end())
}
