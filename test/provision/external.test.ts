import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkDatabase } from '../../src/provision/check.ts'
import { dropExternal, type ExternalOptions, provisionExternal } from '../../src/provision/external.ts'
import { assertGate, defaultGatePins } from '../../src/provision/gate.ts'
import { grantAll } from '../../src/provision/grants.ts'
import { databaseRoles } from '../../src/provision/names.ts'
import { attackDatabase } from '../../src/provision/self-attack.ts'
import { makeVerifier } from '../../src/wire/scram.ts'
import { freshDatabase, testCluster } from '../support/cluster.ts'
import { administratorOf, asSuperuser, connectAs, connectGate, contextOf, gatePassword } from './tenants.ts'

const application = `postern_test_app_${randomBytes(4).toString('hex')}`
let shop: ExternalOptions

beforeAll(async () => {
  const { name } = await freshDatabase()
  await asSuperuser(null, query => query(`create role ${application} login password 'app-password'`))
  await asSuperuser(name, async query => {
    await query(`create schema shop authorization ${application}`)
    await query(`set role ${application}`)
    await query('create table shop.orders (id int, email text)')
    await query('create table shop.hidden (x int)')
    await query('reset role')
    await query('create schema internal')
    await query('create table internal.secrets (x int)')
  })
  shop = {
    administrator: await administratorOf('superuser'),
    database: name,
    roles: databaseRoles(name),
    schemas: ['shop'],
    gateVerifier: await makeVerifier(gatePassword),
    pins: defaultGatePins,
    readerGrant: relation => (relation.name === 'hidden' ? 'none' : grantAll(relation)),
  }
})

afterAll(async () => {
  await dropExternal(shop)
  await asSuperuser(shop.database, query => query(`drop owned by ${application} cascade`))
  await asSuperuser(null, query => query(`drop role ${application}`))
})

const context = () => ({ ...contextOf(shop), kind: 'external' as const })

describe('an external database, with an administrator’s credentials', () => {
  it('gets its gate and serves, and nothing of its own is changed', async () => {
    const before = await asSuperuser(shop.database, publicGrants)
    expect(await provisionExternal(shop)).toMatchObject({ created: false })
    await provisionExternal(shop)
    expect(await asSuperuser(shop.database, publicGrants)).toEqual(before)
    const { query, close } = await connectGate(shop)
    await assertGate(query, { login: shop.roles.gate, reader: shop.roles.reader, exact: true })
    expect(await query('select id from shop.orders')).toEqual([])
    expect(await query('select datname from postern_catalog.pg_database')).toEqual([[shop.database]])
    await expect(query('select x from shop.hidden')).rejects.toMatchObject({ code: '42501' })
    await expect(query('select x from internal.secrets')).rejects.toMatchObject({ code: '42501' })
    await close()
  })

  it('passes the attack where PUBLIC may create nothing that stays', async () => {
    const report = await attackDatabase(() => connectGate(shop), context())
    const broken = report.outcomes.filter(({ verdict }) => verdict === 'broken')
    expect(broken.filter(({ kind }) => kind === 'must-fail')).toEqual([])
    expect(broken.map(({ name }) => name)).toContain('create a temporary table')
  })

  it('says what is missing', async () => {
    await expect(provisionExternal({ ...shop, schemas: ['shop', 'absent'] })).rejects.toMatchObject({ code: '3F000' })
    await expect(provisionExternal({ ...shop, database: 'postern_no_such' })).rejects.toMatchObject({ code: '3D000' })
  })

  it('is left to its owner where the administrator owns nothing', async () => {
    const administrator = await administratorOf('plain')
    const roles = databaseRoles(`${shop.database} plain`)
    const { superuserTasks } = await provisionExternal({ ...shop, administrator, roles })
    const sql = superuserTasks.map(task => task.sql)
    expect(sql).toEqual(
      expect.arrayContaining([
        `grant usage on schema "shop" to "${roles.live}", "${roles.reader}"`,
        `grant select on table "shop"."orders" to "${roles.reader}"`,
      ]),
    )
    await dropExternal({ ...shop, administrator, roles })
  })

  it('is as it was when Postern goes', async () => {
    const before = await asSuperuser(shop.database, publicGrants)
    await provisionExternal(shop)
    await dropExternal(shop)
    await dropExternal(shop)
    expect(await asSuperuser(shop.database, publicGrants)).toEqual(before)
    const left = await asSuperuser(shop.database, query =>
      query(
        `select rolname from pg_roles where rolname = any ($1) union all select nspname from pg_namespace where nspname = 'postern_catalog'`,
        [Object.values(shop.roles)],
      ),
    )
    expect(left).toEqual([])
  })
})

describe('an external database, with a login alone', () => {
  const login = () => ({
    kind: 'external' as const,
    login: application,
    reader: application,
    exact: false,
    otherRoles: [],
    schemas: ['shop'],
    database: shop.database,
  })
  const connect = () => connectAs(application, 'app-password', shop.database)

  it('is refused where the login owns what it reads', async () => {
    const { query, close } = await connect()
    await expect(assertGate(query, { login: application, reader: application, exact: false })).rejects.toMatchObject({
      code: '28000',
    })
    await close()
    const report = await checkDatabase({
      connect,
      context: login(),
      apply: { administrator: null, provision: async () => [] },
    })
    expect(report.before?.passed).toBe(false)
    expect(report.before?.outcomes.map(({ evidence }) => evidence)).toContain(
      `"${application}" may write to shop.orders`,
    )
    // Nobody to mend it: the SQL is told.
    expect(report.applied.length).toBeGreaterThan(0)
    expect(report.applied.every(({ error }) => error?.code === '42501')).toBe(true)
  })

  it('is served where it may only read', async () => {
    const reporter = `${application}_ro`
    await asSuperuser(shop.database, async query => {
      await query(`create role ${reporter} login password 'app-password'`)
      await query(`alter role ${reporter} set default_transaction_read_only = on`)
      await query(`grant usage on schema shop to ${reporter}`)
      await query(`grant select on shop.orders to ${reporter}`)
    })
    try {
      const asReporter = () => connectAs(reporter, 'app-password', shop.database)
      const { query, close } = await asReporter()
      await assertGate(query, { login: reporter, reader: reporter, exact: false })
      await close()
      const report = await checkDatabase({
        connect: asReporter,
        context: { ...login(), login: reporter, reader: reporter },
      })
      const stopped = report.before?.outcomes.filter(({ kind, verdict }) => kind === 'must-fail' && verdict !== 'held')
      expect(stopped).toEqual([])
      expect(report.facts).toMatchObject({ major: (await testCluster()).major, filteredCatalogs: false })
    } finally {
      await asSuperuser(shop.database, async query => {
        await query(`drop owned by ${reporter}`)
        await query(`drop role ${reporter}`)
      })
    }
  })
})

async function publicGrants(query: Parameters<Parameters<typeof asSuperuser>[1]>[0]): Promise<unknown> {
  return await query(
    `select c.oid::regclass::text, a.privilege_type, a.grantee::regrole::text
       from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a where c.relnamespace in ('shop'::regnamespace, 'internal'::regnamespace)
        and (a.grantee = 0 or a.grantee = c.relowner)
     union all select datname, a.privilege_type, a.grantee::regrole::text from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a
       where datname = current_database() and (a.grantee = 0 or a.grantee = datdba)
     union all select nspname, a.privilege_type, a.grantee::regrole::text from pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
       where nspname in ('public', 'shop', 'internal') and (a.grantee = 0 or a.grantee = nspowner)
     order by 1, 2, 3`,
  )
}
