import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { addConnector } from '../../src/control/connectors.ts'
import { endRun, enterPhase, renewLease } from '../../src/control/runs.ts'
import { type PipelineRegistry, Registry } from '../../src/materialize/registry.ts'
import { type Materializer, Runs } from '../../src/materialize/runs.ts'
import { migrateQueue } from '../../src/worker/queue.ts'
import { codeOf, type Stand, stand } from './stand.ts'

const shop = {
  name: 'shop',
  description: 'Orders of the web shop.',
  version: '1',
  connectorType: 'rest',
  sources: [{ name: 'orders', table: 'orders', mode: 'replace' as const }],
  entities: ['orders', 'customers'],
  schedule: null,
  fault: null,
}
const registry: PipelineRegistry = {
  refresh: async () => {},
  pipelines: () => [
    shop,
    { ...shop, name: 'broken', fault: 'line 3: no such key' },
    { ...shop, name: 'x', connectorType: 'ftp' },
  ],
  connectorType: name =>
    name === 'rest'
      ? {
          name,
          knobs: {
            type: 'object',
            properties: { since: { type: 'string', format: 'date' } },
            required: [],
          },
          fixed: [],
        }
      : undefined,
}
/** The job of a run, in the transaction that queues it. */
const materializer: Materializer = {
  enqueue: async (client, run) => {
    await client.query(`select graphile_worker.add_job('materialize', $1::json)`, [JSON.stringify({ run: run.id })])
  },
}

let acme: Stand
let runs: Runs
beforeAll(async () => {
  acme = await stand()
  await migrateQueue(acme.control.owner)
  const { control, schemas } = acme
  runs = new Runs({ control: control.service, schemas, registry, materializer })
  for (const tenant of ['acme', 'globex']) {
    await addConnector(control.administration, { tenant, name: 'webshop', type: 'rest' })
  }
})
afterAll(() => acme.stop())

const start = (o: Partial<Parameters<Runs['start']>[1]> = {}, who = acme.alice) =>
  runs.start(who, { pipeline: 'shop', database: acme.database(who), schema: 'crm', ...o })
const worker = { holder: 'w1', leaseSeconds: 60 }
const stateOf = async (id: string) => (await runs.status(acme.root, id)).state

describe('pipelines', () => {
  it('are those that the tenant has connectors for, with what may be set', async () => {
    const { control, alice, schemas } = acme
    expect(await runs.pipelines(alice)).toMatchObject([
      { name: 'shop', knobs: { type: 'object' }, connectors: [{ name: 'webshop', knobs: {} }], lastRun: null },
      { name: 'broken', fault: 'line 3: no such key' },
    ])
    const none = new Runs({
      control: control.service,
      schemas,
      registry: new Registry({ connectorsDirs: [], pipelinesDir: '/nowhere' }),
      materializer: undefined,
    })
    expect(await none.pipelines(alice)).toEqual([])
    expect(await codeOf(none.start(alice, { pipeline: 'shop', database: acme.database(alice), schema: 'crm' }))).toBe(
      '42704',
    )
  })

  it('are set within what their connector’s type allows', async () => {
    const { root, mallory } = acme
    const knobs = { entities: ['orders'], since: '2026-01-01' }
    expect(await runs.configure(root, 'shop', undefined, knobs)).toEqual({
      pipeline: 'shop',
      connector: 'webshop',
      knobs,
    })
    expect(await runs.pipelines(root)).toMatchObject([{ connectors: [{ knobs }] }, {}])
    expect(await runs.pipelines(mallory)).toMatchObject([{ connectors: [{ knobs: {} }] }, {}])
    for (const wrong of [{ entities: ['secrets'] }, { since: 'yesterday' }, { unknown: 1 }, { entities: 'orders' }])
      expect(await codeOf(runs.configure(root, 'shop', 'webshop', wrong)), JSON.stringify(wrong)).toBe('22023')
    expect(await codeOf(runs.configure(root, 'shop', 'webshop', { since: 'x'.repeat(70_000) }))).toBe('54000')
    expect(await codeOf(runs.configure(root, 'shop', 'other', {}))).toBe('42704')
    for (const pipeline of ['nothing', 'x'])
      expect(await codeOf(runs.configure(root, pipeline, undefined, {}))).toBe('42704')
    expect(await codeOf(runs.configure(root, 'broken', undefined, {}))).toBe('55000')
  })
})

describe('a run', () => {
  it('is queued with its job, once for a key and one at a time for a schema', async () => {
    const { control, alice, bob, mallory } = acme
    const asked = await Promise.all(Array.from({ length: 6 }, () => start({ idempotencyKey: 'k1' })))
    expect(new Set(asked.map(({ id }) => id)).size).toBe(1)
    const [run] = asked
    expect(run).toMatchObject({
      state: 'queued',
      pipeline: 'shop',
      connector: 'webshop',
      schema: 'crm',
      steps: [],
      log: [],
    })
    const queued = await control.service.query('select task_identifier from graphile_worker.jobs')
    expect(queued.rowCount).toBe(1)
    const again = await Promise.all([1, 2, 3].map(() => codeOf(start())))
    expect(again).toEqual(['55006', '55006', '55006'])
    expect(await codeOf(start({ idempotencyKey: 'k1' }, bob))).toBe('55006')
    expect((await start({}, mallory)).database).toBe('crm')
    expect(await codeOf(start({ entities: ['secrets'] }))).toBe('22023')
    expect(await codeOf(start({ pipeline: 'broken' }))).toBe('55000')
    expect(await codeOf(start({ connector: 'none' }))).toBe('42704')
    expect((await runs.latest(alice, acme.database(alice), 'crm'))?.id).toBe(run!.id)
    expect(await runs.pipelines(alice)).toMatchObject([{ lastRun: { id: run!.id, state: 'queued' } }, {}])
    expect((await runs.cancel(alice, run!.id)).state).toBe('cancelled')
  })

  it('goes through its phases once, and a final state stays', async () => {
    const { service } = acme.control
    const { id } = await start()
    expect(await enterPhase(service, id, 'transforming', worker)).toBe(false)
    expect(await enterPhase(service, id, 'loading', { ...worker, step: 'orders' })).toBe(true)
    expect(await enterPhase(service, id, 'transforming', { ...worker, holder: 'w2' })).toBe(false)
    expect(await renewLease(service, id, worker)).toBe(true)
    expect(await renewLease(service, id, { ...worker, holder: 'w2' })).toBe(false)
    expect(await runs.status(acme.alice, id)).toMatchObject({ state: 'loading', step: 'orders', endedAt: null })
    expect(await enterPhase(service, id, 'loading', worker)).toBe(false)
    expect(await enterPhase(service, id, 'swapping', worker)).toBe(true)
    expect(await endRun(service, id, 'succeeded')).toBe(true)
    expect(await endRun(service, id, 'failed', { code: 'XX000', message: 'late' })).toBe(false)
    expect(await enterPhase(service, id, 'loading', worker)).toBe(false)
    expect(await renewLease(service, id, worker)).toBe(false)
    expect(await runs.cancel(acme.alice, id)).toMatchObject({
      state: 'succeeded',
      error: null,
      cancelRequestedAt: null,
    })
  })

  it('stops when it is cancelled, and says so once it has', async () => {
    const { service } = acme.control
    const { id } = await start()
    await enterPhase(service, id, 'loading', worker)
    const asking = runs.cancel(acme.alice, id)
    while (await renewLease(service, id, worker)) expect(await stateOf(id)).toBe('loading')
    expect(await enterPhase(service, id, 'swapping', worker)).toBe(false)
    expect(await endRun(service, id, 'cancelled')).toBe(true)
    expect(await asking).toMatchObject({ state: 'cancelled' })
    const { id: next } = await start()
    await enterPhase(service, next, 'loading', worker)
    expect(await codeOf(runs.cancel(acme.alice, next, AbortSignal.timeout(1)))).toBe('57014')
    await endRun(service, next, 'cancelled')
  })

  it('that is another tenant’s cannot be told from one that is not there', async () => {
    const { alice, bob, mallory } = acme
    const { id } = await start()
    const absent = '00000000-0000-7000-8000-000000000000'
    for (const name of [id, absent, 'x', '', `${id}'`]) {
      for (const act of [() => runs.status(mallory, name), () => runs.cancel(mallory, name)]) {
        await expect(act()).rejects.toMatchObject({
          code: '42704',
          message: `run ${JSON.stringify(name)} does not exist`,
        })
      }
    }
    expect((await runs.status(bob, id)).requestedBy).toBe('alice@acme')
    expect(await codeOf(runs.cancel(bob, id))).toBe('42501')
    expect((await runs.cancel(acme.root, id)).state).toBe('cancelled')
    expect((await runs.status(alice, id)).state).toBe('cancelled')
  })

  it('fills only a schema of one’s own, holds it, and is seen as the schema is', async () => {
    const { schemas, alice, bob, root, database, control } = acme
    const { schema } = await schemas.provision(alice, database(alice), { purpose: 'filled', private: true })
    expect(await codeOf(start({ schema: schema.name }, root))).not.toBe('done')
    const { id } = await start({ schema: schema.id })
    expect(await runs.status(alice, id)).toMatchObject({ schema: schema.name, schemaId: schema.id })
    expect(await codeOf(runs.status(bob, id))).toBe('42704')
    expect(await runs.latest(bob, database(bob), schema.name)).toBeUndefined()
    expect(await codeOf(schemas.teardown(alice, schema.id))).toBe('55006')
    expect((await schemas.list(alice))[0]?.lastRun).toMatchObject({ id, pipeline: 'shop', state: 'queued' })
    await runs.cancel(alice, id)
    await schemas.teardown(alice, schema.id)
    expect(await codeOf(start({ schema: schema.id }))).toBe('3F000')
    const open = (await schemas.provision(alice, database(alice), { purpose: 'open' })).schema
    expect(await codeOf(start({ schema: open.name }, bob))).toBe('42501')
    await schemas.teardown(alice, open.id)
    expect((await control.service.query('select from postern.run where ended_at is null')).rowCount).toBe(1)
  })

  it('says when each of its tables was last loaded, whatever has been tried since', async () => {
    const { control, alice, bob, mallory, schemas, database } = acme
    const { schema } = await schemas.provision(alice, database(alice), { purpose: 'fresh', private: true })
    for (const [state, step] of [
      ['succeeded', 'succeeded'],
      ['partial', 'failed'],
      ['failed', 'succeeded'],
    ] as const) {
      const { id } = await start({ schema: schema.id })
      await enterPhase(control.service, id, 'loading', worker)
      await control.service.query(
        `insert into postern.run_step (run_id, position, phase, name, state) values ($1, 1, 'loading', 'orders', $2)`,
        [id, step],
      )
      await endRun(control.service, id, state)
    }
    const [first] = (
      await control.service.query(`select ended_at from postern.run where state = 'succeeded' and schema = $1`, [
        schema.name,
      ])
    ).rows
    const loads = await runs.loads(alice, database(alice), schema.name)
    expect(loads).toMatchObject([{ name: 'orders', pipeline: 'shop', at: first.ended_at }])
    for (const other of [bob, mallory]) expect(await runs.loads(other, database(alice), schema.name)).toEqual([])
    await schemas.teardown(alice, schema.id)
  })

  it('cannot be started where nothing loads', async () => {
    const { control, schemas, alice } = acme
    const bare = new Runs({ control: control.service, schemas, registry, materializer: undefined })
    const request = { pipeline: 'shop', database: acme.database(alice), schema: 'crm' }
    await expect(bare.start(alice, request)).rejects.toMatchObject({ code: '57P03' })
  })
})
