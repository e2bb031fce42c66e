/**
 * Postern for agents as a process, with a pipeline that only seems to load: `stdio <login@tenant>`, or `http` on a port
 * of its own, whose address it prints. Settings come from the environment. A run takes a second; one with the parameter
 * `since: "for ever"` goes on until it is told to stop.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import { loadConfig } from '../../src/config.ts'
import { readMembers } from '../../src/control/members.ts'
import { endRun, enterPhase, type NewRun, renewLease } from '../../src/control/runs.ts'
import { listUsers } from '../../src/control/users.ts'
import { principalOf } from '../../src/identity/principal.ts'
import { Runs } from '../../src/materialize/runs.ts'
import { startMcp } from '../../src/mcp/start.ts'
import { startStdio } from '../../src/mcp/stdio.ts'
import { openCore } from '../../src/serve/core.ts'
import { callingParts } from '../../src/serve/mcp.ts'
import { openStores } from '../../src/serve/stores.ts'
import { registry } from '../mcp-tools/pipelines.ts'

const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => silent }
const lease = { holder: 'the test', leaseSeconds: 60 }
const phaseMs = 500

const [transport, login = ''] = process.argv.slice(2)
const { config } = loadConfig()
const stores = await openStores(config, silent, { migrate: false })
const core = await openCore(config, stores, silent, { beside: true })
const { control } = stores
const materializer = { enqueue: async (_client: unknown, run: NewRun) => void load(control, run) }
const parts = callingParts(config, stores, core, silent)
const runs = new Runs({ control, schemas: core.agents.schemas, registry, materializer })
const loading = { ...parts, services: { ...parts.services, runs } }

if (transport === 'stdio') {
  const principal = await findUser(login)
  const streams = { input: process.stdin, output: process.stdout }
  const door = await startStdio({ ...loading, ...streams, authenticate: () => Promise.resolve(principal) }, principal)
  await door.ended
  await door.close(0)
} else {
  const door = await startMcp({ ...loading, authenticator: core.identity.authenticator })
  console.log(door.url)
  await new Promise(resolve => process.once('SIGINT', resolve))
  await door.close(0)
}
await core.close()
await stores.close()

async function findUser(name: string) {
  const [short, tenant = ''] = name.split('@')
  const user = (await listUsers(control, tenant)).find(one => one.login === short)
  const [member] = await readMembers(control, [user?.principalId ?? ''])
  if (member === undefined) throw new Error(`there is no ${name}`)
  return principalOf(member, { via: 'local', credential: null, expiresAt: null, scopes: null })
}

/** The worker: begins once the run is committed. */
async function load(pool: Pool, { id, params }: NewRun): Promise<void> {
  for (let looks = 0; !(await enterPhase(pool, id, 'loading', { ...lease, step: 'order_feed' })); looks += 1) {
    if (looks > 100) return
    await sleep(20)
  }
  await sleep(phaseMs)
  while (params.since === 'for ever') {
    if (!(await renewLease(pool, id, lease))) return void (await endRun(pool, id, 'cancelled'))
    await sleep(50)
  }
  await pool.query(
    `insert into postern.run_step (run_id, position, phase, name, state, rows, bytes, ended_at)
     values ($1, 1, 'loading', 'order_feed', 'succeeded', 12, 345, now())`,
    [id],
  )
  await enterPhase(pool, id, 'transforming', lease)
  await sleep(phaseMs)
  await endRun(pool, id, 'succeeded')
}
