import { appendFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeAll, expect, test, vi } from 'vitest'
import { Shipper, type ShipperOptions } from '../../src/audit/shipper.ts'
import type { Spool } from '../../src/audit/spool.ts'
import { type ControlFixture, controlPool, freshControl } from '../control/fixture.ts'
import { testCluster } from '../support/cluster.ts'
import { spooled, spoolFolder, spoolIn, statement } from './fixture.ts'

let control: ControlFixture
beforeAll(async () => {
  control = await freshControl()
})

const shippers: Shipper[] = []
afterEach(async () => {
  for (const shipper of shippers.splice(0)) await shipper.stop(0)
})

function ship(spool: Spool, options: Partial<ShipperOptions> = {}): Shipper {
  const shipper = new Shipper({
    spool,
    pool: control.service,
    sealer: control.administration.sealer,
    clock: Date.now,
    idleMs: 5,
    retryMinMs: 5,
    retryMaxMs: 50,
    ...options,
  })
  shippers.push(shipper)
  shipper.start()
  return shipper
}

function fill(spool: Spool, from: number, to: number): void {
  for (let i = from; i <= to; i++) spool.append(statement(i))
  spool.flush()
}

async function logged(spool: Spool, owner: pg.Pool = control.owner): Promise<readonly number[]> {
  const read = await owner.query<{ sequence: string }>(
    'select sequence from postern.audit_log where instance = $1 order by sequence',
    [spool.instance],
  )
  return read.rows.map(row => Number(row.sequence))
}

const upTo = (last: number): readonly number[] => Array.from({ length: last }, (_, i) => i + 1)

test('every field arrives in its column', async () => {
  const spool = spoolIn(await spoolFolder())
  spool.append(
    statement(7, {
      textHash: undefined,
      reason: 'because',
      sqlstate: '42501',
      detail: { deep: [1, { a: 'b' }] },
      relations: ['a.b', 'c."d,{}"'],
      applicationName: `tab\t nul\0 half\ud800 quote" back\\ é 🂡`,
    }),
  )
  spool.append(statement(8, { kind: 'refusal', text: `select 'oops`, textParses: false, rows: undefined }))
  await ship(spool).stop(5_000)
  const read = await control.owner.query('select * from postern.audit_log where instance = $1 order by sequence', [
    spool.instance,
  ])
  expect(read.rows[0]).toEqual({
    time: new Date(statement(7).time),
    instance: spool.instance,
    sequence: '1',
    kind: 'statement',
    door: 'wire',
    principal_id: statement(7).principalId,
    principal: 'alice@acme',
    tenant_id: statement(7).tenantId,
    tenant: 'acme',
    database: 'shop',
    schema: null,
    session: 's1',
    request_id: 'r7',
    trace_id: null,
    credential: null,
    tool: null,
    fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
    hash: expect.any(Buffer),
    statement_kind: 'select',
    statement_text: 'select * from orders where id = $1',
    text_hash: null,
    text_bytes: null,
    relations: ['a.b', 'c."d,{}"'],
    verdict: 'run',
    reason: 'because',
    sqlstate: '42501',
    rows: '1',
    bytes: '20',
    wait_ms: 0.25,
    run_ms: 1.5,
    address: '127.0.0.1',
    detail: { deep: [1, { a: 'b' }] },
    application_name: `tab\t nul\ufffd half\ufffd quote" back\\ é 🂡`,
  })
  expect(read.rows[1]).toMatchObject({
    kind: 'refusal',
    statement_text: null,
    text_bytes: 12,
    text_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    rows: null,
  })
  await spool.close()
})

test('many records go in batches over several files, and the files go with them', async () => {
  const dir = await spoolFolder()
  const spool = spoolIn(dir, { fileMaxBytes: 100_000 })
  const shipper = ship(spool, { batchMaxBytes: 20_000 })
  for (let i = 0; i < 20; i++) fill(spool, i * 100 + 1, i * 100 + 100)
  await shipper.stop(10_000)
  expect(await logged(spool)).toEqual(upTo(2_000))
  expect(spool.files().length).toBe(1)
  expect((await readdir(dir)).filter(name => name.endsWith('.jsonl'))).toHaveLength(1)
  expect(shipper.lagBytes).toBe(0)
  await spool.close()
})

test('a crash between shipping and marking ships again, and the log has each record once', async () => {
  const dir = await spoolFolder()
  const first = spoolIn(dir)
  fill(first, 1, 300)
  await ship(first).stop(5_000)
  expect(await logged(first)).toEqual(upTo(300))
  await first.close()
  // Nothing was marked but in memory: the next start sends all of the file again, with what came since.
  const second = spoolIn(dir)
  fill(second, 301, 350)
  await ship(second).stop(5_000)
  expect(await logged(second)).toEqual(upTo(350))
  expect((await spooled(dir))[0]).toMatchObject({ sequence: 301 })
  await second.close()
})

test('while the control database is away records stay in the spool; then they follow', async () => {
  const pool = controlPool(control.database, 'service', 2)
  const spool = spoolIn(await spoolFolder())
  const faults: (Error | undefined)[] = []
  const shipper = ship(spool, { pool, onFault: error => faults.push(error) })
  fill(spool, 1, 10)
  await vi.waitFor(async () => expect(await logged(spool)).toEqual(upTo(10)))
  const { name } = control.database
  const admin = new pg.Client({ connectionString: (await testCluster()).url })
  await admin.connect()
  try {
    await admin.query(`alter database ${name} with allow_connections false`)
    await admin.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()`,
      [name],
    )
    fill(spool, 11, 20)
    await vi.waitFor(() => expect(faults.length).toBe(1))
    fill(spool, 21, 30)
    expect(spool.healthy).toBe(true)
    expect(shipper.lagBytes).toBeGreaterThan(0)
    await admin.query(`alter database ${name} with allow_connections true`)
    await vi.waitFor(async () => expect(await logged(spool)).toEqual(upTo(30)), { timeout: 5_000 })
  } finally {
    await admin.query(`alter database ${name} with allow_connections true`)
    await admin.end()
  }
  await vi.waitFor(() => expect(faults.at(-1)).toBeUndefined())
  await shipper.stop(1_000)
  await spool.close()
})

test('a missing right is no reason to drop a record', async () => {
  const spool = spoolIn(await spoolFolder())
  await control.owner.query('revoke insert on postern.audit_log from postern_service')
  const faults: (Error | undefined)[] = []
  const shipper = ship(spool, { onFault: error => faults.push(error) })
  fill(spool, 1, 3)
  await vi.waitFor(() => expect(faults[0]).toMatchObject({ code: '42501' }))
  await control.owner.query('grant insert on postern.audit_log to postern_service')
  await shipper.stop(5_000)
  expect(await logged(spool)).toEqual(upTo(3))
  await spool.close()
})

test('partitions are made ahead, and for records that waited longer than their month', async () => {
  const spool = spoolIn(await spoolFolder())
  const months = async () => {
    const read = await control.owner.query<{ name: string }>(
      `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'postern.audit_log'::regclass order by 1`,
    )
    return read.rows.map(row => row.name)
  }
  const shipper = ship(spool, { clock: () => Date.UTC(2031, 11, 5) })
  await vi.waitFor(async () =>
    expect(await months()).toEqual(expect.arrayContaining(['postern.audit_log_2031_12', 'postern.audit_log_2032_01'])),
  )
  const times = [
    Date.UTC(2020, 1, 29, 23, 59, 59, 999),
    Date.UTC(2020, 2, 1),
    Date.UTC(1971, 0, 1),
    Date.UTC(2032, 0, 31),
  ]
  for (const [i, time] of times.entries()) spool.append(statement(i, { time }))
  await shipper.stop(5_000)
  expect(await logged(spool)).toEqual(upTo(4))
  expect(await months()).toEqual(
    expect.arrayContaining(['postern.audit_log_2020_02', 'postern.audit_log_2020_03', 'postern.audit_log_1971_01']),
  )
  const placed = await control.owner.query(
    `select tableoid::regclass::text as name from postern.audit_log where instance = $1 order by sequence`,
    [spool.instance],
  )
  expect(placed.rows.map(row => row.name)).toEqual([
    'postern.audit_log_2020_02',
    'postern.audit_log_2020_03',
    'postern.audit_log_1971_01',
    'postern.audit_log_2032_01',
  ])
  await spool.close()
})

test('a line that nobody can read is kept apart and told of; its neighbours arrive', async () => {
  const dir = await spoolFolder()
  const before = spoolIn(dir)
  fill(before, 1, 20)
  await before.close()
  const file = join(dir, (await readdir(dir)).find(name => name.endsWith('.jsonl'))!)
  await appendFile(
    file,
    `not json at all\n\0\0\0\0\n{"sequence":23,"time":null,"kind":"x","door":"x","session":"","request_id":""}\n`,
  )
  const spool = spoolIn(dir)
  fill(spool, 24, 30)
  // The one with a principal that is no uuid is the spool's own doing.
  spool.append(statement(31, { principalId: 'nobody' }))
  await ship(spool).stop(5_000)
  const sequences = await logged(spool)
  const read = await control.owner.query<{ detail: { act: string; cause: string } }>(
    `select detail from postern.audit_log where instance = $1 and kind = 'administration'`,
    [spool.instance],
  )
  expect(read.rows.map(row => row.detail.act)).toEqual(Array.from({ length: 4 }, () => 'audit record kept apart'))
  expect(sequences.slice(0, 20)).toEqual(upTo(20))
  expect(sequences.length).toBe(20 + 7 + 4)
  const apart = await readFile(join(dir, 'kept-apart', `${spool.instance}.unreadable.jsonl`), 'utf8')
  expect(apart.split('\n').slice(0, 2)).toEqual(['not json at all', '\0\0\0\0'])
  expect(apart).toContain('"nobody"')
  await spool.close()
})

test('two shippers at once, as after a take-over that overlapped, do no harm', async () => {
  const spool = spoolIn(await spoolFolder())
  fill(spool, 1, 500)
  const both = [ship(spool, { batchMaxBytes: 1_000 }), ship(spool, { batchMaxBytes: 1_000 })]
  await Promise.all(both.map(shipper => shipper.stop(5_000)))
  expect(await logged(spool)).toEqual(upTo(500))
  await spool.close()
})
