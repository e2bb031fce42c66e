import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { type ChangeWatch, readConfigVersion, watchChanges } from '../../src/control/config-version.ts'
import { addDatabase, removeDatabase } from '../../src/control/databases.ts'
import { setLimit } from '../../src/control/limits.ts'
import { setReader } from '../../src/control/readers.ts'
import { addTenant, setTenantDisabled } from '../../src/control/tenants.ts'
import { addUser, removeUser, setPassword } from '../../src/control/users.ts'
import { type ControlFixture, controlPool, freshControl } from './fixture.ts'

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
  await addTenant(control.administration, { name: 'acme' })
})

async function watching(options?: Parameters<typeof watchChanges>[2]): Promise<{ seen: bigint[]; watch: ChangeWatch }> {
  const seen: bigint[] = []
  const watch = await watchChanges(control.service, version => void seen.push(version), options)
  onTestFinished(() => watch.close())
  return { seen, watch }
}

test('every kind of change is seen by every instance well within a second', async () => {
  const { administration, service } = control
  const instances = [await watching(), await watching()]
  const user = { tenant: 'acme', login: 'alice' }
  const database = { tenant: 'acme', alias: 'shop' }
  const server = { host: 'h', port: 1, tlsMode: 'disable' } as const
  const changes: (() => Promise<unknown>)[] = [
    () => addUser(administration, { ...user, role: 'viewer', verifier: null }),
    () => setPassword(administration, { ...user, verifier: 'SCRAM' }),
    () => addDatabase(administration, { ...database, kind: 'external', server, dbname: 'd', schemas: ['s'] }),
    () => setReader(administration, database, { gateLogin: 'g', gatePassword: 'p', readerRole: null }),
    () => setLimit(administration, { scope: 'tenant', tenant: 'acme' }, 'rowsMax', 5),
    () => removeDatabase(administration, database),
    () => removeUser(administration, user),
    () => setTenantDisabled(administration, 'acme', true),
    () => control.owner.query('truncate postern.limit_override'),
  ]
  for (const change of changes) {
    await change()
    const version = await readConfigVersion(service)
    const changedAtMs = performance.now()
    const seen = () => instances.map(instance => instance.seen.at(-1))
    await vi.waitFor(() => expect(seen()).toEqual([version, version]), { timeout: 1_000, interval: 2 })
    expect(performance.now() - changedAtMs).toBeLessThan(500)
  }
})

test('what is rolled back is not seen', async () => {
  const { seen } = await watching()
  const client = await control.owner.connect()
  await client.query(`begin; update postern.tenant set instructions = 'x'; rollback`)
  client.release()
  await sleep(100)
  expect(seen).toEqual([])
})

test('a watch that loses its connection says so, comes back, and sees what it missed', async () => {
  const faults: Error[] = []
  const { seen, watch } = await watching({ retryMinMs: 300, onFault: error => faults.push(error) })
  await control.owner.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where query = 'select version from postern.config_version' and pid <> pg_backend_pid()`,
  )
  await vi.waitFor(() => expect(watch.connected).toBe(false), { interval: 2 })
  await control.owner.query(`update postern.tenant set instructions = 'changed while away'`)
  const version = await readConfigVersion(control.service)
  expect(seen).not.toContain(version)
  await vi.waitFor(() => expect(watch.connected).toBe(true), { timeout: 3_000 })
  await vi.waitFor(() => expect(seen).toContain(version))
  expect(faults.length).toBeGreaterThan(0)
})

test('a change whose NOTIFY was lost is found by asking', async () => {
  const { seen } = await watching({ pollMs: 50 })
  // The triggers notify, this does not.
  await control.owner.query('update postern.config_version set version = version + 1')
  const version = await readConfigVersion(control.service)
  await vi.waitFor(() => expect(seen).toContain(version), { timeout: 1_000 })
})

test('a change that could not be taken over is handed over again, and never two at once', async () => {
  const faults: Error[] = []
  let calls = 0
  let running = 0
  const taken: bigint[] = []
  const watch = await watchChanges(
    control.service,
    async version => {
      expect(++running).toBe(1)
      await sleep(20)
      running--
      if (++calls <= 3) throw new Error('not now')
      taken.push(version)
    },
    { retryMinMs: 5, onFault: error => faults.push(error) },
  )
  onTestFinished(() => watch.close())
  for (let i = 0; i < 5; i++) await control.owner.query(`update postern.tenant set instructions = $1`, [String(i)])
  const version = await readConfigVersion(control.service)
  await vi.waitFor(() => expect(watch.applied).toBe(version))
  expect(faults).toHaveLength(3)
  expect(taken.at(-1)).toBe(version)
  expect(taken.length).toBeLessThan(5)
})

test('a watch that cannot begin rejects and leaves no connection', async () => {
  const pool = controlPool(control.database, 'service', 1)
  await control.owner.query('alter table postern.config_version rename to config_version_away')
  await expect(watchChanges(pool, () => {})).rejects.toMatchObject({ code: '42P01' })
  await control.owner.query('alter table postern.config_version_away rename to config_version')
  expect(pool.totalCount).toBe(0)
})
