import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import { addApiKey } from '../control/api-keys.ts'
import { type DatabaseRow, listDatabases } from '../control/database-rows.ts'
import { SqlError } from '../errors.ts'
import { makeApiKey } from '../identity/api-keys.ts'
import { writeAgentHosts } from '../serve/agent-hosts.ts'
import { makeDemoTenant } from '../serve/demo.ts'
import { type DemoEnv, readDemoEnv, writeDemoEnv } from '../serve/demo-env.ts'
import type { Serving } from '../serve/doors.ts'
import { registerEmbedded } from '../serve/embedded-server.ts'
import { databaseUrl, openStores, type Stores } from '../serve/stores.ts'
import { startWork } from '../serve/work.ts'
import type { Worker } from '../worker/worker.ts'
import { administrationOf } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { stopped } from './gateway.ts'
import { generatePassword } from './user.ts'
import { welcome } from './welcome.ts'

export function upCommand(cli: Cli): Command {
  const command = describeCommand(
    'up',
    'serve on every door; without POSTERN_CONTROL_URL with an embedded Postgres and a demo',
    ['up', 'up --no-demo', 'up --config postern.yml'],
  ).option('--no-demo', 'no demo tenants')
  return command.action((options: { demo: boolean }) =>
    runCommand(cli, command, run => up(run, options.demo), 'screen'),
  )
}

async function up(run: Run, demo: boolean): Promise<void> {
  await serveUntilStopped(run, demo)
  run.terminal.say('Stopped. The data stays; the next start has it at once.')
}

async function serveUntilStopped(run: Run, demo: boolean): Promise<void> {
  const { config, log, terminal } = run
  const startedAtMs = performance.now()
  const step = (what: string) =>
    terminal.say(
      terminal.style.dim(`  ${((performance.now() - startedAtMs) / 1000).toFixed(1).padStart(5)} s  ${what}`),
    )
  terminal.say(terminal.style.bold('Postern'))
  const stores = await openStores(config, log, { migrate: true })
  let serving: Serving | undefined
  let worker: Worker | undefined
  try {
    if (stores.cluster?.joined) throw alreadyRuns(config.dataDir)
    step(stores.cluster === undefined ? 'control database reached' : 'Postgres started')
    if (stores.migrated.length > 0) step('control database brought up to date')
    if (stores.cluster !== undefined) await registerEmbedded(stores.cluster, administrationOf(stores))
    const env = demo && !run.signal.aborted ? await prepareDemo(run, stores, step) : undefined
    if (run.signal.aborted) return
    const { startServing } = await import('../serve/doors.ts')
    serving = await startServing(config, stores, log)
    worker = await startWork(config, stores, serving.schemas, log)
    step(`listening on ${config.gateway.host} port ${serving.gateway.port}`)
    await serving.databases.proveAll()
    welcome(run, serving, env)
    await stopped(run.signal)
    terminal.say('\nStopping …')
  } finally {
    await worker?.stop()
    await serving?.close(config.gateway.drainTimeoutMs)
    await stores.close()
  }
}

/** From src/cli and from dist/cli alike. */
const launcher = fileURLToPath(new URL('../../bin/postern.mjs', import.meta.url))

/** Made at the first start, or when demo.env is gone; later only the addresses in it are brought up to date. */
async function prepareDemo(run: Run, stores: Stores, step: (what: string) => void): Promise<DemoEnv | undefined> {
  const { cluster } = stores
  if (cluster === undefined) return undefined
  const path = join(run.config.dataDir, 'demo.env')
  const known = readDemoEnv(path)
  const password = known?.get('PGPASSWORD') ?? generatePassword()
  const bobPassword = known?.get('POSTERN_BOB_PASSWORD') ?? generatePassword()
  const administration = administrationOf(stores)
  let acme: DatabaseRow | undefined
  if (known === undefined) {
    acme = await makeDemoTenant(run.config, cluster, administration, { tenant: 'acme', login: 'alice', password })
    step('demo tenant acme made, with alice@acme')
    await makeDemoTenant(run.config, cluster, administration, { tenant: 'globex', login: 'bob', password: bobPassword })
    step('demo tenant globex made, with bob@globex')
  } else acme = (await listDatabases(stores.control, 'acme')).find(row => row.alias === 'crm')
  if (acme === undefined) return undefined
  const { host, port } = run.config.gateway
  const env: DemoEnv = {
    PGHOST: reachable(host),
    PGPORT: String(port),
    PGUSER: 'alice@acme',
    PGPASSWORD: password,
    PGDATABASE: acme.dbname,
    POSTERN_BOB_PASSWORD: bobPassword,
    POSTERN_MCP_URL: agentUrl(run.config),
    POSTERN_MCP_TOKEN: known?.get('POSTERN_MCP_TOKEN') ?? (await makeDemoKey(administration)),
    POSTERN_DIRECT_URL: databaseUrl(cluster, acme.dbname),
  }
  writeDemoEnv(path, env)
  writeAgentHosts({
    url: env.POSTERN_MCP_URL,
    token: env.POSTERN_MCP_TOKEN,
    login: env.PGUSER,
    launcher,
    dataDir: run.config.dataDir,
  })
  return env
}

async function makeDemoKey(administration: Administration): Promise<string> {
  const { id, text, hash } = makeApiKey()
  const whose = { tenant: 'acme', login: 'alice', name: 'demo' }
  await addApiKey(administration, { ...whose, id, hash, scopes: null, expiresAt: null })
  return text
}

/** Where agents reach the door for them. */
function agentUrl({ mcp: { publicUrl, host, port } }: Config): string {
  return publicUrl ?? `http://${reachable(host)}:${port}/mcp`
}

/** An address that listens for everybody is reached on this machine by the loopback one. */
function reachable(host: string): string {
  return host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
}

function alreadyRuns(dataDir: string): SqlError {
  return new SqlError({
    code: '55006',
    message: `Postern runs already with the data in ${dataDir}`,
    hint: 'Stop that one (Ctrl-C), or give this one another folder: POSTERN_DATA_DIR.',
  })
}
