import pg, { type Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { SchemaState } from '../../src/control/tenant-schemas.ts'
import type { SchemaRow } from '../../src/materialize/schemas.ts'
import { listProvisioned } from '../../src/provision/schemas.ts'
import { codeOf, type Stand, stand } from './stand.ts'

let acme: Stand
let barrier: Client
beforeAll(async () => {
  acme = await stand({ userMax: 3, tenantMax: 4 })
  barrier = await acme.control.database.connect()
})
afterAll(async () => {
  await barrier.end()
  await acme.stop()
})

const key = (row: SchemaRow) => `postern schema ${row.databaseId} ${row.name}`
/** Nobody gets at the schema until it is opened. */
const close = (row: SchemaRow) => barrier.query('select pg_advisory_lock(hashtextextended($1, 0))', [key(row)])
const open = (row: SchemaRow) => barrier.query('select pg_advisory_unlock(hashtextextended($1, 0))', [key(row)])

async function make(purpose: string): Promise<SchemaRow> {
  const { schemas, alice, database } = acme
  return (await schemas.provision(alice, database(alice), { purpose })).schema
}

async function truthOf(row: SchemaRow): Promise<{ state: SchemaState; endedBy: string | null; stands: boolean }> {
  const found = await acme.control.owner.query<{ state: SchemaState; endedBy: string | null }>(
    'select state, ended_by as "endedBy" from postern.tenant_schema where id = $1',
    [row.id],
  )
  const target = acme.parts.targetOf(acme.database(acme.alice).row)
  return { ...found.rows[0]!, stands: (await listProvisioned(target)).includes(row.name) }
}

const setState = (row: SchemaRow, sql: string) =>
  acme.control.owner.query(`update postern.tenant_schema set ${sql} where id = $1`, [row.id])
const unused = `last_accessed_at = now() - interval '2 days'`

describe('at once', () => {
  it('ten provisions of one name in two processes make one schema', async () => {
    const { schemas, alice, database, other } = acme
    const elsewhere = other()
    const asked = Array.from({ length: 10 }, (_, i) =>
      (i % 2 === 0 ? schemas : elsewhere).provision(alice, database(alice), { purpose: 'one' }),
    )
    const made = await Promise.all(asked)
    expect(new Set(made.map(({ schema }) => schema.id)).size).toBe(1)
    expect(made.filter(({ created }) => created)).toHaveLength(1)
    await schemas.teardown(alice, made[0]!.schema.id)
  })

  it('six provisions take the last places of a quota and no more', async () => {
    const { schemas, alice, bob, database } = acme
    const ask = async (who: typeof alice, purposes: string[]) =>
      Promise.all(purposes.map(purpose => codeOf(schemas.provision(who, database(who), { purpose }))))
    const outcomes = await ask(alice, ['a', 'b', 'c', 'd', 'e', 'f'])
    expect(outcomes.sort()).toEqual(['53400', '53400', '53400', 'done', 'done', 'done'])
    expect((await ask(bob, ['a', 'b', 'c'])).sort()).toEqual(['53400', '53400', 'done'])
    // What stands is given back all the same, and a teardown makes room.
    const [first] = await schemas.list(alice)
    expect(await schemas.provision(alice, database(alice), { purpose: first!.purpose })).toMatchObject({
      created: false,
    })
    for (const who of [alice, bob]) for (const { id } of await schemas.list(who)) await schemas.teardown(who, id)
    expect(await ask(bob, ['again'])).toEqual(['done'])
    for (const { id } of await schemas.list(bob)) await schemas.teardown(bob, id)
  })

  it('teardown, provision and expiry never leave a row that is not true', async () => {
    const { schemas, alice, database, other } = acme
    for (const order of [0, 1, 2, 3, 4, 5]) {
      const row = await make('contended')
      await setState(row, unused)
      await close(row)
      const acts = [
        () => codeOf(schemas.teardown(alice, row.id)),
        () => codeOf(other().provision(alice, database(alice), { purpose: 'contended' })),
        () => codeOf(other('job').expire(row.id)),
      ]
      const rotated = [...acts.slice(order % 3), ...acts.slice(0, order % 3)]
      const begun = (order < 3 ? rotated : rotated.reverse()).map(act => act())
      await open(row)
      const outcomes = await Promise.all(begun)
      for (const outcome of outcomes) expect(['done', '3F000', '55006']).toContain(outcome)
      const { state, stands } = await truthOf(row)
      expect(['active', 'expired']).toContain(state)
      expect(stands).toBe(state === 'active')
      if (stands) await schemas.teardown(alice, row.id)
    }
  })
})

describe('expiry', () => {
  it('drops what nobody uses, keeps what is known of it, and gives it back empty', async () => {
    const { schemas, alice, database, asOwner, query } = acme
    const row = await make('old')
    await asOwner(alice, `create table ${row.name}.t (n int)`)
    expect(await schemas.unused()).toEqual([])
    await setState(row, unused)
    expect(await schemas.unused()).toEqual([row.id])
    await schemas.expire(row.id)
    expect(await truthOf(row)).toEqual({ state: 'expired', endedBy: 'unused', stands: false })
    expect(await schemas.list(alice)).toMatchObject([{ id: row.id, purpose: 'old', state: 'expired', expiresAt: null }])
    const expired = schemas.resolve(alice, database(alice), row.name)
    await expect(expired).rejects.toMatchObject({ code: '3F000', hint: expect.stringContaining('provision_schema') })
    expect(await codeOf(query(alice, `select * from ${row.name}.t`))).toMatch(/^42(501|P01)$/)
    expect((await make('old')).id).toBe(row.id)
    expect((await schemas.preview(alice, row.id)).tables).toEqual([])
    await schemas.teardown(alice, row.id)
  })

  it('spares what was used, pinned or is held by a run since it was found unused', async () => {
    const { schemas, alice, root, database, control } = acme
    const row = await make('spared')
    await setState(row, unused)
    await schemas.provision(alice, database(alice), { purpose: 'spared' })
    expect(await codeOf(schemas.expire(row.id))).toBe('55006')
    await setState(row, unused)
    await schemas.pin(root, row.id, true)
    await setState(row, unused)
    expect(await codeOf(schemas.expire(row.id))).toBe('55006')
    await schemas.pin(root, row.id, false)
    await setState(row, unused)
    await control.service.query(
      `insert into postern.run (id, tenant_id, database_id, schema, tenant_schema_id, pipeline, requested_by)
       select gen_random_uuid(), tenant_id, database_id, name, id, 'p', 'x' from postern.tenant_schema where id = $1`,
      [row.id],
    )
    expect(await schemas.unused()).toEqual([])
    expect(await codeOf(schemas.expire(row.id))).toBe('55006')
    await control.service.query('delete from postern.run')
    expect((await truthOf(row)).state).toBe('active')
    await schemas.teardown(alice, row.id)
  })
})

describe('a process that dies', () => {
  it('while it drops is finished by the sweep, and its own drop comes to nothing', async () => {
    const { schemas, alice, asOwner, control, other } = acme
    const row = await make('cut')
    await asOwner(alice, `create table ${row.name}.t (n int)`)
    const reader = await connectTo(acme)
    await reader.query(`begin; select * from ${row.name}.t`)
    const dropping = codeOf(other().teardown(alice, row.id))
    await waiting(control.owner, 1)
    // Its lock of the control database is gone with the connection; its drop waits for the reader still.
    await control.owner.query(
      `select pg_terminate_backend(l.pid, 5000) from pg_locks l where l.locktype = 'advisory' and l.granted
         and l.database = (select oid from pg_database where datname = current_database())
         and l.objid::bigint = (hashtextextended($1, 0) & 4294967295)`,
      [key(row)],
    )
    await reader.query('commit')
    await reader.end()
    expect(await dropping).not.toBe('done')
    expect(await truthOf(row)).toEqual({ state: 'teardown', endedBy: 'teardown', stands: true })
    expect(await schemas.sweep({ fix: false })).toMatchObject([{ kind: 'interrupted', schema: row.name, mended: true }])
    expect(await truthOf(row)).toEqual({ state: 'expired', endedBy: 'teardown', stands: false })
  })

  it('in any other state is found by the sweep, unless somebody is at it', async () => {
    const { schemas, alice, control } = acme
    const row = await make('dead')
    await setState(row, `state = 'provisioning', claim = gen_random_uuid()`)
    await close(row)
    expect(await schemas.sweep({ fix: true })).toEqual([])
    await open(row)
    expect(await schemas.sweep({ fix: false })).toMatchObject([{ kind: 'interrupted', mended: true }])
    expect(await truthOf(row)).toEqual({ state: 'expired', endedBy: 'lost', stands: false })
    await make('dead')
    await setState(row, `state = 'materializing'`)
    await control.service.query(
      `insert into postern.run (id, tenant_id, database_id, schema, tenant_schema_id, pipeline, requested_by, state)
       select gen_random_uuid(), tenant_id, database_id, name, id, 'p', 'x', 'loading' from postern.tenant_schema where id = $1`,
      [row.id],
    )
    await control.service.query(
      `insert into postern.lease select id, 'w', now() + interval '1 minute' from postern.run`,
    )
    expect(await schemas.sweep({ fix: true })).toEqual([])
    await control.service.query(`update postern.lease set expires_at = now()`)
    expect(await schemas.sweep({ fix: true })).toMatchObject([{ kind: 'run' }, { kind: 'interrupted' }])
    expect(await truthOf(row)).toEqual({ state: 'active', endedBy: null, stands: true })
    expect((await control.service.query('select state, error from postern.run')).rows).toEqual([
      { state: 'failed', error: 'worker lost' },
    ])
    expect(await schemas.sweep({ fix: true })).toEqual([])
    await schemas.teardown(alice, row.id)
  })

  it('while it makes one is taken over by the next who asks', async () => {
    const { schemas, alice, database } = acme
    for (const state of ['provisioning', 'teardown', 'failed']) {
      const row = await make('taken over')
      await setState(row, `state = '${state}', claim = gen_random_uuid()`)
      const again = await schemas.provision(alice, database(alice), { purpose: 'taken over' })
      expect(again).toMatchObject({ created: true, schema: { id: row.id, state: 'active' } })
    }
    expect(await schemas.sweep({ fix: true })).toEqual([])
    for (const { id } of await schemas.list(alice)) await codeOf(schemas.teardown(alice, id))
  })
})

describe('a database that cannot be reached', () => {
  it('leaves a schema that could not be made as failed, and one that could not be dropped as it was', async () => {
    const { control, other, schemas, alice, database } = acme
    const row = await make('near')
    const [server] = (await control.owner.query<{ port: number }>('select port from postern.server')).rows
    await control.owner.query('update postern.server set port = 1')
    const away = other().provision(alice, database(alice), { purpose: 'far' })
    await expect(away).rejects.toMatchObject({ code: '08006', message: 'the database cannot be reached' })
    for (const act of [() => other().teardown(alice, row.id), () => other().preview(alice, row.id)])
      await expect(act()).rejects.toMatchObject({ code: '08006', message: 'the database cannot be reached' })
    const listed = await other().list(alice)
    expect(listed.map(({ purpose, state, bytes }) => [purpose, state, bytes])).toEqual([
      ['far', 'failed', undefined],
      ['near', 'active', undefined],
    ])
    await control.owner.query('update postern.server set port = $1', [server!.port])
    const made = await schemas.provision(alice, database(alice), { purpose: 'far' })
    expect(made).toMatchObject({ created: true, schema: { state: 'active', error: null } })
    for (const { id } of await schemas.list(alice)) await schemas.teardown(alice, id)
  })
})

describe('the sweep', () => {
  it('reports what has no row and what has no schema, and mends it when told to', async () => {
    const { schemas, alice, asOwner } = acme
    const [orphan, lost] = [await make('orphan'), await make('lost')]
    await setState(orphan, `state = 'expired', ended_by = 'teardown'`)
    await asOwner(alice, `drop schema ${lost.name}`)
    const kinds = [
      { kind: 'orphan', schema: orphan.name },
      { kind: 'lost', schema: lost.name },
    ]
    const report = await schemas.sweep({ fix: false })
    expect(report).toMatchObject(kinds.map(finding => ({ ...finding, mended: false })))
    expect((await truthOf(orphan)).stands).toBe(true)
    const mended = await schemas.sweep({ fix: true })
    expect(mended).toMatchObject(kinds.map(finding => ({ ...finding, mended: true })))
    expect(await truthOf(orphan)).toMatchObject({ state: 'expired', stands: false })
    expect(await truthOf(lost)).toEqual({ state: 'expired', endedBy: 'lost', stands: false })
    expect(await schemas.sweep({ fix: true })).toEqual([])
    expect((await acme.database(alice).prove()).passed).toBe(true)
  })

  it('takes a database that cannot be reached for just that', async () => {
    const { control, other, schemas, alice } = acme
    const row = await make('far')
    const [server] = (await control.owner.query<{ port: number }>('select port from postern.server')).rows
    await control.owner.query('update postern.server set port = 1')
    const report = await other().sweep({ fix: true })
    await control.owner.query('update postern.server set port = $1', [server!.port])
    expect(report.map(({ kind, mended }) => [kind, mended])).toEqual([
      ['unreachable', false],
      ['unreachable', false],
    ])
    expect((await truthOf(row)).state).toBe('active')
    await schemas.teardown(alice, row.id)
  })
})

/** A superuser's connection to acme's database. */
async function connectTo({ control, database, alice }: Stand): Promise<Client> {
  const url = new URL(control.database.url)
  url.pathname = `/${database(alice).name}`
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  return client
}

/** Until so many backends wait for a lock on a table. */
async function waiting(owner: Stand['control']['owner'], count: number): Promise<void> {
  for (;;) {
    const found = await owner.query(`select from pg_locks where locktype = 'relation' and not granted`)
    if ((found.rowCount ?? 0) >= count) return
  }
}
