import { beforeAll, describe, expect, it } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { checkDatabase } from '../../src/provision/check.ts'
import { type ManagedOptions, provisionManaged } from '../../src/provision/managed.ts'
import { type AttackConnection, type AttackReport, attackDatabase } from '../../src/provision/self-attack.ts'
import { testCluster } from '../support/cluster.ts'
import { administratorOf, asSuperuser, connectGate, contextOf, provisionTenant, seed } from './tenants.ts'

let acme: ManagedOptions
let globex: ManagedOptions

beforeAll(async () => {
  const administrator = await administratorOf('superuser')
  acme = await provisionTenant(administrator, 'acme')
  globex = await provisionTenant(administrator, 'globex')
  await seed(
    acme,
    'create table app.orders (id int, amount numeric)',
    'create sequence app.numbers',
    'create view app.totals as select sum(amount) from app.orders',
  )
  await asSuperuser(acme.database, async query => {
    await query('create schema other')
    await query('create table other.secrets (x int)')
  })
})

describe('a database as it was provisioned', () => {
  it.each(['superuser', 'plain'] as const)('withstands the attack when a %s administrator made it', async kind => {
    const tenant = kind === 'superuser' ? acme : await provisionTenant(await administratorOf('plain'), 'initech')
    const report = await attackDatabase(() => connectGate(tenant), contextOf(tenant))
    expect(brokenLocks(report)).toEqual([])
    expect(report.passed).toBe(true)
    expect(report.outcomes.filter(({ verdict }) => verdict === 'unknown')).toEqual([])
  })

  it('leaves to the guard what no privilege governs, and says so', async () => {
    const report = await attackDatabase(() => connectGate(acme), contextOf(acme))
    const names = report.outcomes.filter(({ verdict }) => verdict === 'broken').map(({ name }) => name)
    expect(names).toEqual(
      expect.arrayContaining(['leave the read-only mode', 'leave the reader role', 'change its own settings']),
    )
    // A superuser's provisioning revokes these.
    expect(names).not.toContain('notify')
    expect(names).not.toContain('hold an advisory lock')
  })

  it('has dblink for nobody but its owner', async () => {
    const names = async () => {
      const report = await attackDatabase(() => connectGate(acme), contextOf(acme))
      expect(report.passed, brokenLocks(report).join(', ')).toBe(true)
      return report.outcomes.filter(({ verdict }) => verdict === 'broken').map(({ name }) => name)
    }
    await asSuperuser(acme.database, async query => {
      await query('create extension dblink schema app')
    })
    expect(await names()).toContain('connections outwards')
    await provisionManaged(acme)
    expect(await names()).not.toContain('connections outwards')
    await asSuperuser(acme.database, query => query('drop extension dblink'))
  })

  it('is as it was before', async () => {
    const state = () =>
      asSuperuser(acme.database, query =>
        query(`select relname from pg_class where relname ~ 'self_attack' union all
               select rolname from pg_roles where rolname ~ 'self_attack' union all
               select rolconfig::text from pg_roles where rolname = '${acme.roles.gate}' union all
               select count(*)::text from pg_largeobject_metadata`),
      )
    const before = await state()
    await attackDatabase(() => connectGate(acme), contextOf(acme))
    expect(await state()).toEqual(before)
  })
})

/** Lock broken, as a superuser does by mistake; what the report must name. */
const sabotages: [what: string, sql: (roles: ManagedOptions['roles']) => string, outcome: string][] = [
  ['a superuser', ({ gate }) => `alter role ${gate} superuser`, 'attributes'],
  ['a gate past row security', ({ gate }) => `alter role ${gate} bypassrls`, 'attributes'],
  ['a reader that makes roles', ({ reader }) => `alter role ${reader} createrole`, 'attributes'],
  ['membership in the owner', ({ owner, gate }) => `grant ${owner} to ${gate}`, `set role "`],
  ['membership in live', ({ live, reader }) => `grant ${live} to ${reader}`, 'memberships'],
  ['membership in a neighbour’s reader', ({ gate }) => `grant ${globex.roles.reader} to ${gate}`, 'memberships'],
  ['reading files', ({ reader }) => `grant pg_read_server_files to ${reader}`, 'memberships'],
  ['running programs', ({ reader }) => `grant pg_execute_server_program to ${reader}`, 'copy to a program'],
  ['ending sessions', ({ gate }) => `grant pg_signal_backend to ${gate}`, 'memberships'],
  ['no pin to the reader', ({ gate }) => `alter role ${gate} reset role`, 'pins after RESET ALL'],
  [
    'no pin to read only',
    ({ gate }) => `alter role ${gate} reset default_transaction_read_only`,
    'pins after RESET ALL',
  ],
  ['insert', ({ reader }) => `grant insert on app.orders to ${reader}`, 'writing tables'],
  ['update of a column', () => 'grant update (amount) on app.orders to public', 'writing tables'],
  ['a sequence', ({ reader }) => `grant usage on sequence app.numbers to ${reader}`, 'writing tables'],
  ['a table of its own', ({ reader }) => `alter table app.orders owner to ${reader}`, 'ownership'],
  [
    'a table of another schema',
    ({ reader }) => `grant usage on schema other to ${reader}; grant select on other.secrets to public`,
    'reading other schemas',
  ],
  ['create in a schema', ({ reader }) => `grant create on schema app to ${reader}`, 'create a table in schema "app"'],
  ['create in the database', ({ gate }) => `grant create on database ${acme.database} to ${gate}`, 'create a schema'],
  ['temporary tables', () => `grant temporary on database ${acme.database} to public`, 'create a temporary table'],
  ['reading a file by function', () => 'grant execute on function pg_read_file(text) to public', 'read a file'],
  ['importing a file', () => 'grant execute on function lo_import(text) to public', 'import a file'],
  ['reading password hashes', ({ reader }) => `grant select on pg_authid to ${reader}`, 'read pg_authid'],
  [
    'another database',
    ({ gate }) => `grant connect on database ${globex.database} to ${gate}`,
    'entering other databases',
  ],
]

describe('a database with a broken lock', () => {
  it.each(sabotages)('is refused and mended: %s', async (_, sql, outcome) => {
    await asSuperuser(acme.database, async query => {
      for (const statement of sql(acme.roles).split('; ')) await query(statement)
    })
    const connect = () => connectGate(acme)
    const context = contextOf(acme)
    const apply = {
      administrator: acme.administrator,
      provision: async () => (await provisionManaged(acme)).superuserTasks,
    }
    try {
      const looked = await checkDatabase({ connect, context })
      expect(looked.before?.passed).toBe(false)
      expect(looked.applied).toEqual([])
      expect(
        brokenLocks(looked.before).some(name => name.startsWith(outcome)),
        brokenLocks(looked.before).join(', '),
      ).toBe(true)
    } finally {
      const mended = await checkDatabase({ connect, context, apply })
      expect(brokenLocks(mended.after)).toEqual([])
      expect(mended.applied.filter(({ error }) => error !== null)).toEqual([])
    }
  })

  it('is mended where the gate cannot even log in', async () => {
    await asSuperuser(null, query => query(`alter role ${acme.roles.gate} password 'forgotten'`))
    const connect = () => connectGate(acme)
    const report = await checkDatabase({ connect, context: contextOf(acme) })
    expect(report).toMatchObject({ before: null, after: null, facts: null, unreachable: { code: '28P01' } })
    const apply = {
      administrator: acme.administrator,
      provision: async () => (await provisionManaged(acme)).superuserTasks,
    }
    const mended = await checkDatabase({ connect, context: contextOf(acme), apply })
    const { major } = await testCluster()
    expect(mended).toMatchObject({
      after: { passed: true },
      facts: { major, encoding: 'UTF8', filteredCatalogs: true },
    })
  })
})

describe('a pooler in between', () => {
  it('is found by its changing backends', async () => {
    let backend = 100
    const report = await attackDatabase(
      () => pooled(sql => (/pg_backend_pid/.test(sql) ? [[String(backend++)]] : [])),
      contextOf(acme),
    )
    expect(report.passed).toBe(false)
    expect(report.outcomes[0]).toMatchObject({
      class: 'pooler',
      verdict: 'broken',
      evidence: expect.stringContaining('100 and 102'),
    })
  })

  it('is found by the process id that it makes up, and by its console', async () => {
    const stable = (sql: string) => (/pg_backend_pid|show pools/.test(sql) ? [['7']] : [])
    const byId = await attackDatabase(() => pooled(stable, 8), contextOf(acme))
    expect(byId.outcomes[0]).toMatchObject({ verdict: 'broken', evidence: expect.stringContaining('process id 8') })
    const byConsole = await attackDatabase(() => pooled(stable, 7), contextOf(acme))
    expect(byConsole.outcomes[0]).toMatchObject({ verdict: 'broken', evidence: 'SHOW POOLS is answered' })
  })

  it('is not asked where there is no connection', async () => {
    const lost = async () => {
      throw new SqlError({ code: '08006', message: 'gone' })
    }
    const report = attackDatabase(lost, contextOf(acme))
    await expect(report).rejects.toMatchObject({ code: '08006' })
  })
})

async function pooled(answer: (sql: string) => string[][], processId: number | null = null): Promise<AttackConnection> {
  return { query: async sql => answer(sql), processId, close: () => undefined }
}

function brokenLocks(report: AttackReport | null): string[] {
  const outcomes = report?.outcomes ?? []
  return outcomes.filter(({ kind, verdict }) => kind === 'must-fail' && verdict !== 'held').map(({ name }) => name)
}
