/** `knowledge`, `tenant instructions` and `policy` over a control database alone. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { addDatabase } from '../../src/control/databases.ts'
import { setLimit } from '../../src/control/limits.ts'
import { addTenant } from '../../src/control/tenants.ts'
import { addUser } from '../../src/control/users.ts'
import { freshControl } from '../control/fixture.ts'
import { runPostern } from './postern.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-knowledge-'))
const env: Record<string, string> = {}
const run = (...args: string[]) => runPostern([...args], { cwd, env })
const json = async (...args: string[]) => {
  const { out, err } = await run(...args, '--json')
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}

beforeAll(async () => {
  const { administration, database } = await freshControl()
  env.POSTERN_CONTROL_URL = database.url
  env.POSTERN_MASTER_KEY = Buffer.alloc(32, 7).toString('base64') // the fixture's
  for (const name of ['acme', 'empty']) await addTenant(administration, { name })
  const server = { host: 'db.example.com', port: 5432, tlsMode: 'require' } as const
  const crm = {
    tenant: 'acme',
    alias: 'crm',
    kind: 'external',
    server,
    dbname: 'crm',
    schemas: ['sales', 'hr'],
  } as const
  await addDatabase(administration, { ...crm, excludedTables: ['hr.pay*'] })
  await addUser(administration, { tenant: 'acme', login: 'alice', role: 'analyst', verifier: null })
  await setLimit(administration, { scope: 'tenant', tenant: 'acme' }, 'rowsMax', 10)
  await setLimit(administration, { scope: 'principal', tenant: 'acme', login: 'alice' }, 'rowsMax', 20)
  await setLimit(administration, { scope: 'tenant', tenant: 'acme' }, 'queryPrincipalPerMinute', 3)
  await setLimit(administration, { scope: 'database', tenant: 'acme', alias: 'crm' }, 'bytesMax', 5000)
})
afterAll(() => rmSync(cwd, { recursive: true }))

it('adds, finds, shows, changes and removes knowledge of each kind', async () => {
  const tenant = ['--tenant', 'empty']
  writeFileSync(join(cwd, 'year.md'), '# Fiscal year\n\nStarts in *April*.\n')
  const entry = await json('knowledge', 'add', 'entry', '--title', 'Year', '--file', 'year.md', '--tag', 'a', ...tenant)
  expect(entry).toMatchObject({ kind: 'entry', markdown: readFileSync(join(cwd, 'year.md'), 'utf8'), tags: ['a'] })
  const table = await json(
    ...['knowledge', 'add', 'table', '--table', 'orders', '--owner', 'ops', '--column-note', 'total=gross = net'],
    ...['--use-case', 'revenue', ...tenant],
  )
  expect(table).toMatchObject({ table: 'orders', columnNotes: { total: 'gross = net' }, useCases: ['revenue'] })
  const learning = await json(
    ...['knowledge', 'add', 'learning', '--description', 'No April.', '--category', 'filter'],
    ...['--corrected-sql', 'select 1', '--table', 'orders', '--table', 'crm.items', ...tenant],
  )
  expect(learning).toMatchObject({ confidence: 0.5, tables: ['orders', 'crm.items'] })
  const found = await json('knowledge', 'search', 'april', ...tenant)
  expect(found.map((one: { kind: string }) => one.kind).sort()).toEqual(['entry', 'learning'])
  expect((await run('knowledge', 'show', entry.id, ...tenant)).out).toContain('Starts in *April*.\n')
  const sure = await run('knowledge', 'confirm', learning.id, ...tenant)
  expect(sure.out).toBe('No April. (active, confidence 0.6, applied 1 times)\n')
  expect(await json('knowledge', 'edit', table.id, '--owner', '', '--use-case', '', ...tenant)).toMatchObject({
    owner: null,
    useCases: [],
    columnNotes: { total: 'gross = net' },
  })
  const listed = (await run('knowledge', 'list', ...tenant)).out
  expect(listed).toMatch(
    /^kind +id +of +state\nentry .*\ntable .* orders .*\nlearning .*confidence 0.6, applied 1 times\n$/,
  )
  const { id } = learning
  expect(await run('knowledge', 'remove', id, '--tenant', 'acme')).toMatchObject({
    code: 1,
    err: `postern: knowledge "${id}" does not exist (42704)\n`,
  })
  expect(await run('knowledge', 'remove', id, ...tenant)).toMatchObject({ code: 0 })
  expect(await json('knowledge', 'list', '--kind', 'learning', ...tenant)).toEqual([])
})

it('refuses what a kind does not take, lacks, or cannot be parsed', async () => {
  const add = (...args: string[]) => run('knowledge', 'add', ...args, '--tenant', 'empty')
  expect(await add('entry', '--title', 'x')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--text is needed'),
  })
  expect(await add('entry', '--title', 'x', '--text', 'y', '--owner', 'z')).toMatchObject({
    code: 2,
    err: expect.stringContaining('--owner cannot be given here'),
  })
  expect(await add('learning', '--description', 'x', '--category', 'y', '--corrected-sql', 'selct 1')).toMatchObject({
    code: 1,
    err: expect.stringContaining('42601'),
  })
})

it("sets, shows and clears a tenant's instructions for agents", async () => {
  writeFileSync(join(cwd, 'instructions.md'), 'Amounts are gross.\n')
  expect(await run('tenant', 'instructions', 'empty', '--file', 'instructions.md')).toMatchObject({ code: 0 })
  expect(await json('tenant', 'instructions', 'empty')).toEqual({
    tenant: 'empty',
    instructions: 'Amounts are gross.\n',
  })
  expect((await run('tenant', 'instructions', 'empty', '--clear')).out).toContain('no instructions')
})

it("shows a user's policy on a database, and who set each limit", async () => {
  env.POSTERN_LIMITS_PORTALS_MAX = '7'
  const policy = await json('policy', 'show', '--tenant', 'acme')
  expect(policy).toMatchObject({
    ...{ user: 'alice@acme', role: 'analyst', database: 'acme/crm' },
    ...{ schemas: ['sales', 'hr'], allowedTables: null, excludedTables: ['hr.pay*'] },
  })
  expect(policy.limits).toContainEqual({ name: 'rowsMax', value: 20, from: 'user' })
  expect(policy.limits).toContainEqual({ name: 'bytesMax', value: 5000, from: 'database' })
  expect(policy.limits).toContainEqual({ name: 'portalsMax', value: 7, from: 'settings' })
  expect(policy.limits).toContainEqual({ name: 'atRowLimit', value: 'truncate', from: 'default' })
  expect(policy.limits).toContainEqual({ name: 'queryPrincipalPerMinute', value: 3, from: 'tenant' })
  expect(policy.limits).toContainEqual({ name: 'queryPrincipalPerHour', value: 1000, from: 'default' })
  expect(JSON.stringify(policy.limits)).not.toContain('statementTenantPerDay')
  const { out } = await run('policy', 'show', '--user', 'alice@acme')
  expect(out).toMatch(/^alice@acme \(analyst\) on acme\/crm\n/)
  expect(out).toMatch(/^but not +hr\.pay\*$/m)
  expect(out).toMatch(/^rowsMax +20 +user$/m)
})
