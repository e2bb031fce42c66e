import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installFilteredViews } from '../../src/provision/filtered-views.ts'
import type { ManagedOptions } from '../../src/provision/managed.ts'
import { testCluster } from '../support/cluster.ts'
import { administratorOf, asGate, asSuperuser, connectGate, gatePassword, provisionTenant, seed } from './tenants.ts'

let acme: ManagedOptions
let globex: ManagedOptions
let neighbour: pg.Client

beforeAll(async () => {
  const administrator = await administratorOf('plain')
  acme = await provisionTenant(administrator, 'acme')
  globex = await provisionTenant(administrator, 'globex')
  await seed(acme, 'create table app.orders (id int)')
  await seed(globex, 'create table app.orders (id int)')
  await asSuperuser(globex.database, async query => {
    await query(`comment on database ${globex.database} is 'globex comment'`)
    await query(`comment on role ${globex.roles.gate} is 'globex role'`)
    await query(`alter database ${globex.database} set app.secret = 'globex secret'`)
    await query(
      `create subscription globex_subscription connection 'host=globex' publication p with (connect = false, slot_name = none)`,
    )
  })
  const { host, port } = await testCluster()
  const login = { user: globex.roles.gate, password: gatePassword, database: globex.database }
  neighbour = new pg.Client({ host, port, ...login, application_name: 'globex dashboard' })
  await neighbour.connect()
  await neighbour.query('begin; select * from app.orders; select pg_advisory_xact_lock_shared(1)')
})

afterAll(async () => {
  await neighbour?.end()
  await asSuperuser(globex.database, query => query('drop subscription if exists globex_subscription'))
})

async function twins(): Promise<string[]> {
  const rows = await asSuperuser(acme.database, query =>
    query(
      `select relname from pg_class where relnamespace = 'postern_catalog'::regnamespace and relkind = 'v' order by 1`,
    ),
  )
  return rows.map(([name]) => name ?? '')
}

describe('the filtered catalogs', () => {
  it('have the originals’ columns, in their order and with their types', async () => {
    const different = await asSuperuser(acme.database, query =>
      query(
        `select t.relname, ta.attname, oa.attname from pg_class t
           join pg_class o on o.relname = t.relname and o.relnamespace = 'pg_catalog'::regnamespace
           join pg_attribute ta on ta.attrelid = t.oid and ta.attnum > 0
           full join pg_attribute oa on oa.attrelid = o.oid and oa.attnum = ta.attnum
          where t.relnamespace = 'postern_catalog'::regnamespace
            and (ta.attname, ta.atttypid, ta.attcollation) is distinct from (oa.attname, oa.atttypid, oa.attcollation)`,
      ),
    )
    expect(different).toEqual([])
    expect(await twins()).toEqual(
      expect.arrayContaining(['pg_database', 'pg_roles', 'pg_stat_activity', 'pg_settings']),
    )
    expect((await twins()).includes('pg_parameter_acl')).toBe((await testCluster()).major >= 15)
  })

  it('show the reader nothing of a neighbour', async () => {
    const oids = await asSuperuser(null, query =>
      query(
        'select oid::text from pg_roles where rolname = any ($1) union all select oid::text from pg_database where datname = $2',
        [Object.values(globex.roles), globex.database],
      ),
    )
    const needles = ['globex', ...Object.values(globex.roles)]
    const { query, close } = await connectGate(acme)
    try {
      for (const view of await twins()) {
        const text = JSON.stringify(await query(`select v::text from postern_catalog.${view} v`))
        for (const needle of needles) expect(text.includes(needle), `${view} shows ${needle}`).toBe(false)
        const numbers = new Set(view.startsWith('pg_stat') ? [] : text.match(/\d+/g))
        for (const [oid] of oids) expect(numbers.has(oid ?? ''), `${view} shows oid ${oid}`).toBe(false)
      }
    } finally {
      await close()
    }
  })

  it('name a neighbour in no error message', async () => {
    const { query, close } = await connectGate(acme)
    const probes = [
      'select * from postern_catalog.pg_database where datname::text::int = 1',
      'select * from postern_catalog.pg_roles where rolname::text::int = 1',
      'select * from postern_catalog.pg_stat_activity where application_name::int = 1',
      `select * from postern_catalog.pg_shdescription where description::int = 1`,
    ]
    for (const probe of probes) {
      const answer = await query(probe).catch(String)
      expect(String(answer)).not.toMatch(/globex/)
    }
    await close()
  })

  it('show what is the tenant’s own', async () => {
    await asSuperuser(acme.database, query => query(`comment on database ${acme.database} is 'our orders'`))
    const { gate, owner, reader, live } = acme.roles
    expect(await asGate(acme, 'select datname from postern_catalog.pg_database')).toEqual([[acme.database]])
    expect(
      await asGate(
        acme,
        `select postern_catalog.shobj_description(oid, 'pg_database'), pg_get_userbyid(datdba) in (select rolname from postern_catalog.pg_roles)
           from postern_catalog.pg_database`,
      ),
    ).toEqual([['our orders', 't']])
    const roles = await asGate(acme, 'select rolname from postern_catalog.pg_roles')
    expect(roles).toEqual(
      expect.arrayContaining([gate, owner, reader, live, acme.administrator.user].map(role => [role])),
    )
    expect(
      await asGate(
        acme,
        `select postern_catalog.pg_tablespace_size('pg_default') > 0, postern_catalog.pg_tablespace_size(0)`,
      ),
    ).toEqual([['t', null]])
    const relations = `select count(*) from pg_class c left join postern_catalog.pg_roles r on r.oid = c.relowner where r.oid is null`
    expect(await asGate(acme, relations)).toEqual([['0']])
    expect(
      await asGate(
        acme,
        `select m.rolname, r.rolname from postern_catalog.pg_auth_members a join postern_catalog.pg_roles r on r.oid = a.roleid
           join postern_catalog.pg_roles m on m.oid = a.member where m.rolname = '${gate}'`,
      ),
    ).toEqual([[gate, reader]])
    expect(
      await asGate(acme, 'select usename from postern_catalog.pg_stat_activity where pid = pg_backend_pid()'),
    ).toEqual([[gate]])
    expect(await asGate(acme, `select setting from postern_catalog.pg_settings where name = 'max_index_keys'`)).toEqual(
      [['32']],
    )
    expect(
      await asGate(acme, `select name from postern_catalog.pg_settings where name in ('data_directory', 'port')`),
    ).toEqual([])
  })

  it('hide what other roles are set to', async () => {
    await asSuperuser(acme.database, query => query(`alter role ${acme.roles.owner} set app.jwt = 'very secret'`))
    for (const view of await twins()) {
      const text = JSON.stringify(await asGate(acme, `select v::text from postern_catalog.${view} v`))
      expect(text, view).not.toMatch(/very secret/)
    }
  })

  it('cannot be written to', async () => {
    for (const view of await twins()) {
      const answer = await asGate(acme, 'begin', 'set transaction read write', `delete from postern_catalog.${view}`)
      // No privilege, or a view that nobody can write to.
      expect(['42501', '55000']).toContain(answer)
    }
  })

  it('are renewed when a server has other columns, and keep their oids when it has not', async () => {
    const oid = `select 'postern_catalog.pg_roles'::regclass::oid, 'postern_catalog.pg_user'::regclass::oid`
    const before = await asGate(acme, oid)
    await asSuperuser(acme.database, async query => {
      await installFilteredViews(query, acme.roles)
      expect(await asGate(acme, oid)).toEqual(before)
      await query('create view postern_catalog.pg_gone as select 1 as x')
      await query(`alter view postern_catalog.pg_gone owner to ${acme.roles.owner}`)
      await query('drop view postern_catalog.pg_user')
      await query('create view postern_catalog.pg_user as select 1 as other')
      await query(`alter view postern_catalog.pg_user owner to ${acme.roles.owner}`)
      await installFilteredViews(query, acme.roles)
    })
    expect(await twins()).not.toContain('pg_gone')
    expect(await asGate(acme, 'select usename from postern_catalog.pg_user where usename = session_user')).toEqual([
      [acme.roles.gate],
    ])
  })

  it('are not put into a schema that somebody else owns', async () => {
    await asSuperuser(acme.database, async query => {
      await query('create view postern_catalog.pg_trap as select 1')
      await expect(installFilteredViews(query, acme.roles)).rejects.toMatchObject({ code: '42501' })
      await query('drop view postern_catalog.pg_trap')
    })
  })
})
