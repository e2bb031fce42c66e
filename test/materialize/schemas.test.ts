import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { watchChanges } from '../../src/control/config-version.ts'
import { setDatabaseProvision } from '../../src/control/tenant-schemas.ts'
import { soon } from '../cli/running.ts'
import { codeOf, type Stand, stand } from './stand.ts'

let acme: Stand
beforeAll(async () => {
  acme = await stand()
})
afterAll(() => acme.stop())

describe('a schema of one’s own', () => {
  it('is made at once, found again, and readable by this process without waiting', async () => {
    const { schemas, alice, bob, database, query, asOwner } = acme
    const first = await schemas.provision(alice, database(alice), { purpose: 'forecast 2026' })
    expect(first).toMatchObject({
      created: true,
      schema: { purpose: 'forecast 2026', owner: 'alice@acme', database: 'crm', private: false, state: 'active' },
    })
    const { name, id, expiresAt, lastAccessedAt } = first.schema
    expect(name).toMatch(/^acme_alice_forecast_2026_[0-9a-f]{8}$/)
    expect(expiresAt!.getTime() - lastAccessedAt.getTime()).toBe(24 * 3_600_000)
    const again = await schemas.provision(alice, database(alice), { purpose: 'forecast 2026' })
    expect(again).toMatchObject({ created: false, schema: { id, name } })
    await asOwner(alice, `create table ${name}.sums (n int)`, `insert into ${name}.sums values (7)`)
    await database(alice).ready()
    await database(alice).refreshCatalog()
    expect(await query(alice, `select n from ${name}.sums`)).toEqual([['7']])
    expect(await query(bob, `select n from ${name}.sums`)).toEqual([['7']])
    expect(await schemas.list(alice)).toMatchObject([{ name, bytes: expect.any(Number), lastRun: null }])
    expect(await schemas.list(bob)).toEqual([])
    expect(await schemas.list(bob, undefined, { all: true })).toMatchObject([{ name }])
    expect((await schemas.resolve(bob, database(bob), id))?.name).toBe(name)
    expect((await schemas.resolve(bob, database(bob), 'crm'))?.name).toBeUndefined()
  })

  it('that is private is read by its owner alone, admins included', async () => {
    const { schemas, alice, bob, root, database, query, asOwner } = acme
    const { schema } = await schemas.provision(alice, database(alice), { purpose: 'salaries', private: true })
    const { name, id } = schema
    await asOwner(
      alice,
      `create table ${name}.pay (n int)`,
      `insert into ${name}.pay values (9)`,
      `analyze ${name}.pay`,
      `create view crm.leak as select * from ${name}.pay`,
    )
    await database(alice).refreshCatalog()
    expect(await query(alice, `select n from ${name}.pay`)).toEqual([['9']])
    for (const other of [bob, root]) {
      expect(await codeOf(query(other, `select n from ${name}.pay`))).toBe('42501')
      expect(await codeOf(query(other, `select n from crm.leak`))).toBe('42501')
      expect(await codeOf(query(other, `select most_common_vals from pg_catalog.pg_stats`))).toBe('42501')
      expect(await codeOf(query(other, `select * from ${name}.nothing`))).toBe('42501')
      expect(await schemas.resolve(other, database(other), name)).toBeUndefined()
      expect(await codeOf(schemas.resolve(other, database(other), id))).toBe('3F000')
    }
    expect(await codeOf(schemas.preview(bob, name))).toBe('3F000')
    expect((await schemas.list(bob, undefined, { all: true })).map(row => row.name)).not.toContain(name)
    expect((await schemas.list(root, undefined, { all: true })).map(row => row.name)).toContain(name)
    // Opened up, it is read by the others with the next statement.
    await asOwner(alice, 'drop view crm.leak')
    await schemas.provision(alice, database(alice), { purpose: 'salaries', private: false })
    expect(await query(bob, `select n from ${name}.pay`)).toEqual([['9']])
    await schemas.provision(alice, database(alice), { purpose: 'salaries', private: true })
    expect(await codeOf(query(bob, `select n from ${name}.pay`))).toBe('42501')
    await schemas.teardown(alice, name)
  })

  it('that another process makes, opens or closes is served so within a second', async () => {
    const { other, alice, bob, database, control, databases, query, asOwner } = acme
    const watch = await watchChanges(control.service, () => databases.reload())
    const elsewhere = other()
    const request = { purpose: 'elsewhere' }
    const { schema } = await elsewhere.provision(alice, database(alice), request)
    await asOwner(alice, `create table ${schema.name}.t (n int)`)
    const read = () => codeOf(query(bob, `select n from ${schema.name}.t`))
    await soon(async () => expect(await read()).toBe('done'))
    await elsewhere.provision(alice, database(alice), { ...request, private: true })
    await soon(async () => expect(await read()).toBe('42501'))
    await elsewhere.provision(alice, database(alice), { ...request, private: false })
    await soon(async () => expect(await read()).toBe('done'))
    await elsewhere.teardown(alice, schema.id)
    await soon(async () => expect(await read()).not.toBe('done'))
    await watch.close()
  })

  it('keeps the database’s locks proved while it stands', async () => {
    const { schemas, alice, database, asOwner } = acme
    const { schema } = await schemas.provision(alice, database(alice), { purpose: 'proved' })
    await asOwner(alice, `create table ${schema.name}.t (n int)`)
    const report = await database(alice).prove()
    expect(report.outcomes.filter(({ kind, verdict }) => kind === 'must-fail' && verdict !== 'held')).toEqual([])
    expect(database(alice).about).toEqual({
      kind: 'managed',
      schemas: ['crm'],
      defaultSchema: 'crm',
      state: 'serving',
      trust: 'proven',
    })
    await schemas.teardown(alice, schema.id)
  })

  it('is nothing to another tenant', async () => {
    const { schemas, alice, mallory, database, query } = acme
    const { schema } = await schemas.provision(alice, database(alice), { purpose: 'ours' })
    expect(await schemas.resolve(mallory, database(mallory), schema.name)).toBeUndefined()
    for (const name of [schema.name, schema.id]) {
      expect(await codeOf(schemas.teardown(mallory, name))).toBe('3F000')
      expect(await codeOf(schemas.preview(mallory, name))).toBe('3F000')
      expect(await codeOf(schemas.pin(mallory, name, true))).toBe('3F000')
    }
    expect(await schemas.list(mallory, undefined, { all: true })).toEqual([])
    expect(await codeOf(query(mallory, `select * from ${schema.name}.t`))).toBe('42P01')
    const own = await schemas.provision(mallory, database(mallory), { purpose: 'ours' })
    expect(own.schema.name).not.toBe(schema.name)
    await schemas.teardown(alice, schema.name)
    expect((await schemas.list(mallory)).map(({ state }) => state)).toEqual(['active'])
    await schemas.teardown(mallory, own.schema.name)
  })
})

describe('teardown', () => {
  it('says what will go, takes it, and keeps what is known of it', async () => {
    const { schemas, alice, control, database, asOwner, query } = acme
    const { schema } = await schemas.provision(alice, database(alice), { purpose: 'doomed' })
    await asOwner(
      alice,
      `create table ${schema.name}.a (n int primary key)`,
      `create table ${schema.name}.b (n int references ${schema.name}.a)`,
      `create view ${schema.name}.v as select * from ${schema.name}.b`,
      `create type ${schema.name}.mood as enum ('ok')`,
    )
    await database(alice).refreshCatalog()
    const preview = await schemas.preview(alice, schema.id)
    expect(preview.tables.map(({ name, kind }) => `${kind} ${name}`)).toEqual(['table a', 'table b', 'view v'])
    expect(preview).toMatchObject({ dependents: [], schema: { name: schema.name } })
    const gone = await schemas.teardown(alice, schema.id)
    expect(gone).toMatchObject({ state: 'expired', endedBy: 'teardown' })
    expect(await codeOf(query(alice, `select * from ${schema.name}.a`))).toMatch(/^42(501|P01)$/)
    expect(await codeOf(schemas.resolve(alice, database(alice), schema.id))).toBe('3F000')
    expect(await codeOf(schemas.teardown(alice, schema.id))).toBe('3F000')
    expect((await schemas.list(alice)).map(({ id }) => id)).not.toContain(schema.id)
    const again = await schemas.provision(alice, database(alice), { purpose: 'doomed' })
    expect(again).toMatchObject({ created: true, schema: { id: schema.id, name: schema.name, endedBy: null } })
    await schemas.teardown(alice, schema.id)
    const acts = await control.owner.query(
      `select detail ->> 'act' as act from postern.audit_log where detail ->> 'schema' = $1 order by sequence`,
      [schema.name],
    )
    const once = ['schema provision', 'schema teardown', 'schema dropped']
    expect(acts.rows.map(({ act }) => act)).toEqual([...once, ...once])
  })

  it('refuses what others have built on it, and leaves all as it was', async () => {
    const { schemas, alice, bob, database, asOwner, query } = acme
    const mine = (await schemas.provision(alice, database(alice), { purpose: 'base' })).schema.name
    const theirs = (await schemas.provision(bob, database(bob), { purpose: 'above' })).schema.name
    await asOwner(
      alice,
      `create table ${mine}.t (n int primary key)`,
      `create view ${theirs}.v as select * from ${mine}.t`,
      `create table ${theirs}.f (n int references ${mine}.t)`,
    )
    await database(alice).refreshCatalog()
    const { dependents } = await schemas.preview(alice, mine)
    expect(dependents).toEqual([`table ${theirs}.f`, `view ${theirs}.v`])
    expect(await codeOf(schemas.teardown(alice, mine))).toBe('2BP01')
    expect(await query(alice, `select * from ${theirs}.v`)).toEqual([])
    expect(await schemas.list(alice)).toContainEqual(expect.objectContaining({ name: mine, state: 'active' }))
    await schemas.teardown(bob, theirs)
    expect((await schemas.teardown(alice, mine)).state).toBe('expired')
  })

  it('is for the owner and for admins, and never for what the database came with', async () => {
    const { schemas, alice, bob, root, database } = acme
    const { schema } = await schemas.provision(alice, database(alice), { purpose: 'kept' })
    expect(await codeOf(schemas.teardown(bob, schema.name))).toBe('42501')
    expect(await codeOf(schemas.pin(bob, schema.name, true))).toBe('42501')
    expect(await codeOf(schemas.pin(alice, schema.name, true))).toBe('42501')
    for (const everybody of [alice, root]) expect(await codeOf(schemas.teardown(everybody, 'crm'))).toBe('42501')
    expect(await codeOf(schemas.teardown(root, 'postern_catalog'))).toBe('3F000')
    expect((await schemas.pin(root, schema.name, true)).expiresAt).toBeNull()
    expect((await schemas.teardown(root, schema.name)).state).toBe('expired')
  })

  it('that is cancelled, or meets a run, leaves the schema as it was', async () => {
    const { schemas, alice, database, control } = acme
    const { schema } = await schemas.provision(alice, database(alice), { purpose: 'spared' })
    expect(await codeOf(schemas.teardown(alice, schema.id, AbortSignal.abort()))).toBe('57014')
    expect((await schemas.list(alice)).find(({ id }) => id === schema.id)?.state).toBe('active')
    await control.service.query(
      `insert into postern.run (id, tenant_id, database_id, schema, tenant_schema_id, pipeline, requested_by)
       select gen_random_uuid(), tenant_id, database_id, name, id, 'p', 'x' from postern.tenant_schema where id = $1`,
      [schema.id],
    )
    expect(await codeOf(schemas.teardown(alice, schema.id))).toBe('55006')
    await control.service.query(
      `update postern.run set state = 'failed', ended_at = now() where tenant_schema_id = $1`,
      [schema.id],
    )
    expect((await schemas.teardown(alice, schema.id)).state).toBe('expired')
  })
})

describe('names and requests', () => {
  it('keep purposes apart however they are spelt or cut', async () => {
    const { schemas, mallory, database, control } = acme
    const long = 'x'.repeat(62)
    const purposes = ['A-b', 'a_b', 'a b', 'é', 'e', '数据', '数', `${long}1`, `${long}2`, '2026', 'pg']
    const names: string[] = []
    for (const purpose of purposes) {
      const { schema } = await schemas.provision(mallory, database(mallory), { purpose })
      names.push(schema.name)
      expect(Buffer.byteLength(schema.name), purpose).toBeLessThanOrEqual(40)
      await schemas.teardown(mallory, schema.id)
    }
    expect(new Set(names).size).toBe(purposes.length)
    const composed = await schemas.provision(mallory, database(mallory), { purpose: 'e\u0301' })
    expect(composed.schema.name).toBe(names[3])
    await schemas.teardown(mallory, composed.schema.id)
    const rows = await control.owner.query(`select from postern.tenant_schema where owner = 'mallory@globex'`)
    expect(rows.rowCount).toBe(purposes.length + 1)
  })

  it('that make no sense are refused', async () => {
    const { schemas, alice, database } = acme
    const target = database(alice)
    for (const purpose of ['', ' ', 'a"b', 'a/b', 'a\nb', 'x'.repeat(64), "x'; drop schema crm"])
      expect(await codeOf(schemas.provision(alice, target, { purpose })), purpose).toBe('22023')
    for (const ttlHours of [0, -1, 721, Number.NaN])
      expect(await codeOf(schemas.provision(alice, target, { purpose: 'x', ttlHours }))).toBe('22023')
  })
})

describe('uses', () => {
  it('through any door are written down for the schema that was used, and no other', async () => {
    const { schemas, alice, bob, database, control, asOwner, query } = acme
    const used = (await schemas.provision(alice, database(alice), { purpose: 'used' })).schema
    const idle = (await schemas.provision(alice, database(alice), { purpose: 'idle' })).schema
    await asOwner(alice, `create table ${used.name}.t (n int)`, `create view crm.seen as select * from ${used.name}.t`)
    await database(alice).refreshCatalog()
    const long = "update postern.tenant_schema set last_accessed_at = now() - interval '1 day' where name = any ($1)"
    await control.service.query(long, [[used.name, idle.name]])
    await query(bob, 'select * from crm.seen')
    await schemas.close()
    const now = new Map((await schemas.list(alice)).map(row => [row.name, row.lastAccessedAt.getTime()]))
    expect(now.get(used.name)).toBeGreaterThan(Date.now() - 60_000)
    expect(now.get(idle.name)).toBeLessThan(Date.now() - 3_600_000)
    await asOwner(alice, 'drop view crm.seen')
    await schemas.teardown(alice, used.id)
    await schemas.teardown(alice, idle.id)
  })
})

describe('an external database', () => {
  it('takes no schemas without somebody’s word', async () => {
    const { schemas, mallory, database, control } = acme
    const { id } = database(mallory)
    const target = database(mallory)
    await control.owner.query(`update postern.database set kind = 'external' where id = $1`, [id])
    expect(await codeOf(schemas.provision(mallory, target, { purpose: 'outside' }))).toBe('55000')
    await setDatabaseProvision(control.service, id, true)
    const made = await schemas.provision(mallory, target, { purpose: 'outside' })
    expect(made.created).toBe(true)
    await schemas.teardown(mallory, made.schema.id)
    await control.owner.query(`update postern.database set kind = 'managed' where id = $1`, [id])
  })
})
