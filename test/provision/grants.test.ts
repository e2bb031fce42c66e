import { beforeAll, describe, expect, it } from 'vitest'
import { grantAll, type ReaderGrant } from '../../src/provision/grants.ts'
import { grantManagedTables, type ManagedOptions } from '../../src/provision/managed.ts'
import { administratorOf, asGate, asSuperuser, provisionTenant, seed } from './tenants.ts'

let acme: ManagedOptions

beforeAll(async () => {
  acme = await provisionTenant(await administratorOf('plain'), 'acme')
  await seed(
    acme,
    'create table app.people (id int, name text, email text)',
    'create table app.secrets (x int)',
    'create view app.names as select name from app.people',
    'create materialized view app.counts as select count(*) from app.people',
    `create table app."odd ""name; drop" (x int)`,
  )
})

const grant = (rule: (name: string) => ReaderGrant) => grantManagedTables(acme, ({ name }) => rule(name))

describe('the reader’s grants', () => {
  it('are everything where nothing is held back', async () => {
    for (const name of ['people', 'secrets', 'names', 'counts', '"odd ""name; drop"']) {
      expect(await asGate(acme, `select count(*) from app.${name}`)).toHaveLength(1)
    }
    expect(await grantManagedTables(acme, grantAll)).toEqual({ changes: 0, refused: [] })
  })

  it('can leave out a table and a column, which no other way reads', async () => {
    await grant(name => (name === 'secrets' ? 'none' : name === 'people' ? ['id', 'name'] : 'all'))
    expect(await asGate(acme, 'select x from app.secrets')).toBe('42501')
    for (const text of [
      'select email from app.people',
      'select * from app.people',
      'select p from app.people p',
      'table app.people',
    ]) {
      expect(await asGate(acme, text), text).toBe('42501')
    }
    expect(await asGate(acme, 'select id, name from app.people')).toEqual([])
    const again = await grant(name => (name === 'secrets' ? 'none' : name === 'people' ? ['id', 'name'] : 'all'))
    expect(again.changes).toBe(0)
  })

  it('come back with the rule', async () => {
    await grant(() => 'all')
    expect(await asGate(acme, 'select email from app.people')).toEqual([])
    expect(await grantManagedTables(acme, grantAll)).toEqual({ changes: 0, refused: [] })
  })

  it('lose what somebody else granted, PUBLIC’s and columns’ too', async () => {
    const { reader, gate, live } = acme.roles
    await asSuperuser(acme.database, async query => {
      await query('grant select on app.secrets to public')
      await query('grant select (email) on app.people to public')
      await query(`grant insert, update (name) on app.people to ${reader}`)
      await query(`grant select on app.people to ${gate} with grant option`)
      await query(`grant delete on app.people to ${live}`)
    })
    await grant(name => (name === 'secrets' ? 'none' : name === 'people' ? ['id'] : 'all'))
    expect(await asGate(acme, 'select x from app.secrets')).toBe('42501')
    expect(await asGate(acme, 'select email from app.people')).toBe('42501')
    expect(await asGate(acme, 'set role none', 'select email from app.people')).toBe('42501')
    const left = await asSuperuser(acme.database, query =>
      query(
        `select privilege_type, grantee::regrole::text from pg_class, aclexplode(relacl)
          where oid = 'app.people'::regclass and grantee <> relowner`,
      ),
    )
    expect(left).toEqual([['SELECT', live]])
  })

  it('leave what the administrator may not grant as a task', async () => {
    await asSuperuser(acme.database, query => query('create table app.foreign_owned (x int)'))
    const { refused } = await grant(() => 'all')
    expect(refused).toContain(`grant select on table "app"."foreign_owned" to "${acme.roles.reader}"`)
    expect(await asGate(acme, 'select x from app.foreign_owned')).toBe('42501')
  })
})
