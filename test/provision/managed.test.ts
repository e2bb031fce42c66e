import pg from 'pg'
import { beforeAll, describe, expect, it } from 'vitest'
import { assertGate, defaultGatePins } from '../../src/provision/gate.ts'
import { grantAll } from '../../src/provision/grants.ts'
import { dropManaged, grantManagedTables, type ManagedOptions, provisionManaged } from '../../src/provision/managed.ts'
import { makeVerifier } from '../../src/wire/scram.ts'
import { testCluster } from '../support/cluster.ts'
import { administratorOf, asGate, asSuperuser, connectGate, gatePassword, provisionTenant, seed } from './tenants.ts'

describe.each(['plain', 'superuser'] as const)('a managed database made by a %s administrator', kind => {
  let acme: ManagedOptions
  let globex: ManagedOptions

  beforeAll(async () => {
    const administrator = await administratorOf(kind)
    acme = await provisionTenant(administrator, 'acme')
    globex = await provisionTenant(administrator, 'globex')
    await seed(acme, 'create table app.orders (id int, amount numeric)', 'insert into app.orders values (1, 9.5)')
    await seed(globex, 'create table app.orders (id int, secret text)', `insert into app.orders values (1, 'globex')`)
  })

  it('is read through its gate, as the reader', async () => {
    expect(await asGate(acme, 'select amount from app.orders')).toEqual([['9.5']])
    expect(await asGate(acme, 'select session_user, current_user')).toEqual([[acme.roles.gate, acme.roles.reader]])
  })

  it('is the same after being provisioned again, and changes nothing that the guard must read again', async () => {
    const before = await asSuperuser(acme.database, grantsOf)
    expect(await provisionManaged(acme)).toMatchObject({ created: false })
    expect(await grantManagedTables(acme, grantAll)).toEqual({ changes: 0, refused: [] })
    expect(await asSuperuser(acme.database, grantsOf)).toEqual(before)
    expect(await asGate(acme, 'select amount from app.orders')).toEqual([['9.5']])
  })

  it('may be provisioned by two at once', async () => {
    const both = await Promise.all([provisionManaged(globex), provisionManaged(globex)])
    expect(both.map(({ created }) => created)).toEqual([false, false])
  })

  it('gives a gate no way into the other', async () => {
    const stranger = { ...globex, roles: { ...globex.roles, gate: acme.roles.gate } }
    await expect(connectGate(stranger)).rejects.toMatchObject({ code: '42501' })
    for (const role of [
      globex.roles.reader,
      globex.roles.live,
      globex.roles.owner,
      globex.roles.gate,
      acme.roles.owner,
      acme.roles.live,
    ]) {
      expect(await asGate(acme, `set role ${role}`)).toBe('42501')
      expect(await asGate(acme, 'set role none', `select set_config('role', '${role}', false)`)).toBe('42501')
    }
  })

  it('pins every session to the reader, read only, whatever resets it', async () => {
    const resets = ['reset all', 'reset role', 'discard all', 'set session authorization default']
    const pins = `select current_user, current_setting('default_transaction_read_only'), current_setting('statement_timeout'),
      current_setting('lock_timeout'), current_setting('idle_in_transaction_session_timeout'), current_setting('client_connection_check_interval')`
    for (const reset of ['select 1', ...resets]) {
      expect(await asGate(acme, reset, pins), reset).toEqual([[acme.roles.reader, 'on', '30s', '2s', '1min', '2s']])
    }
  })

  it('lets nobody write, even read-write', async () => {
    const attempts = [
      'insert into app.orders values (2, 1)',
      'create table app.mine (x int)',
      'create temp table mine (x int)',
      'create schema mine',
      'truncate app.orders',
    ]
    for (const attempt of attempts) {
      expect(await asGate(acme, 'begin', 'set transaction read write', attempt), attempt).toBe('42501')
    }
  })

  it('asserts its gate, and mends one that unpinned itself', async () => {
    const expected = { login: acme.roles.gate, reader: acme.roles.reader, exact: true }
    const assertion = async () => {
      const { query, close } = await connectGate(acme)
      await assertGate(query, expected).finally(close)
    }
    await assertion()
    await asGate(
      acme,
      'set role none',
      'set default_transaction_read_only = off',
      `alter role ${acme.roles.gate} reset role`,
      `alter role ${acme.roles.gate} in database ${acme.database} set default_transaction_read_only = off`,
    )
    await expect(assertion()).rejects.toMatchObject({
      code: '28000',
      message: 'this database cannot be served at present',
    })
    await asGate(acme, 'set transaction read write', `alter role ${acme.roles.gate} password 'stolen'`)
    await expect(connectGate(acme)).rejects.toMatchObject({ code: '28P01' })
    await provisionManaged(acme)
    await assertion()
  })

  it('takes from its roles what they were given too much, or refuses them', async () => {
    const { major } = await testCluster()
    // Before 16 CREATEROLE revokes any membership; from 16 on it takes ADMIN on the role. Attributes are a superuser's.
    const surplus: [give: string, take: string, mends: boolean][] = [
      [`alter role ${acme.roles.gate} bypassrls`, `alter role ${acme.roles.gate} nobypassrls`, kind === 'superuser'],
      [
        `grant pg_monitor to ${acme.roles.reader}`,
        `revoke pg_monitor from ${acme.roles.reader}`,
        kind === 'superuser' || major < 16,
      ],
    ]
    for (const [give, take, mends] of surplus) {
      await asSuperuser(null, query => query(give))
      const again = provisionManaged(acme)
      if (mends) expect(await again, give).toMatchObject({ created: false })
      else await expect(again, give).rejects.toMatchObject({ code: '42501' })
      await asSuperuser(null, query => query(take))
      await provisionManaged(acme)
    }
  })

  it('is dropped with its roles while sessions are open, and dropping it again is nothing', async () => {
    const administrator = await administratorOf(kind)
    const initech = await provisionTenant(administrator, 'initech')
    const { host, port } = await testCluster()
    const client = new pg.Client({
      host,
      port,
      user: initech.roles.gate,
      password: gatePassword,
      database: initech.database,
    })
    client.on('error', () => undefined)
    await client.connect()
    await dropManaged(initech)
    const left = await asSuperuser(null, query =>
      query('select rolname from pg_roles where rolname = any ($1)', [Object.values(initech.roles)]),
    )
    expect(left).toEqual([])
    await dropManaged(initech)
  })
})

describe('what the administrator lacks', () => {
  it('is told as a superuser’s task', async () => {
    const administrator = await administratorOf('plain')
    const tenant = await provisionTenant(administrator, 'hooli')
    const { superuserTasks } = await provisionManaged(tenant)
    const { major } = await testCluster()
    const sql = superuserTasks.map(task => task.sql)
    expect(sql).toContain('revoke connect on database "postgres" from public')
    expect(sql.indexOf(`grant connect on database "postgres" to "${administrator.user}"`)).toBe(
      sql.indexOf('revoke connect on database "postgres" from public') - 1,
    )
    expect(sql.some(text => text.includes('temp_file_limit'))).toBe(true)
    expect(sql.includes('revoke all on schema public from public')).toBe(major === 14)
  })

  it('is refused before anything is made where names will not do', async () => {
    const administrator = await administratorOf('plain')
    const options = { ...(await provisionTenant(administrator, 'umbrella')), gateVerifier: await makeVerifier('x') }
    for (const schema of ['public', 'pg_x', 'postern_catalog', 'a__b', '', 'x'.repeat(41)]) {
      await expect(provisionManaged({ ...options, schemas: [schema] })).rejects.toMatchObject({ code: '42602' })
    }
    await expect(provisionManaged({ ...options, gateVerifier: 'plain text' })).rejects.toMatchObject({ code: '22023' })
    const pins = { ...defaultGatePins, lockTimeoutMs: -1 }
    await expect(provisionManaged({ ...options, pins })).rejects.toMatchObject({ code: '22023' })
  })
})

async function grantsOf(query: Parameters<Parameters<typeof asSuperuser>[1]>[0]): Promise<unknown> {
  return await query(
    `select c.oid::regclass::text, c.relacl::text, c.xmin::text from pg_class c
      where c.relnamespace = 'app'::regnamespace
     union all select nspname, nspacl::text, null from pg_namespace where nspname !~ '^pg_'
     union all select datname, datacl::text, null from pg_database where datname = current_database()
     order by 1`,
  )
}
