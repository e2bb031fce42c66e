/** `semantic`, `knowledge` and `tenant instructions` beside a running `up`. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { demoSemantics } from '../../src/embedded/demo-semantics.ts'
import { runPostern } from './postern.ts'
import { freePort, type Running, startRunning } from './running.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-knowledge-'))
const env: Record<string, string> = {}
const run = (...args: string[]) => runPostern([...args], { cwd, env })
const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).out)
let up: Running

beforeAll(async () => {
  env.POSTERN_GATEWAY_PORT = String(await freePort())
  up = await startRunning(['up'], 'Stop: Ctrl-C', { cwd, env })
  await run('tenant', 'add', 'empty')
})
afterAll(async () => {
  await up.stop('SIGINT')
  rmSync(cwd, { recursive: true })
})

it('validates a file before it is in force, imports it, shows it, and exports what a file takes again', async () => {
  writeFileSync(join(cwd, 'acme.yml'), demoSemantics.acme)
  const good = await run('semantic', 'validate', 'acme.yml', '--tenant', 'acme')
  expect(good).toMatchObject({ code: 0, out: '6 entities, 9 relationships, 3 metrics: no fault found\n' })
  expect(await run('semantic', 'import', 'acme.yml', '--tenant', 'acme')).toMatchObject({ code: 0 })
  expect((await run('semantic', 'show', '--tenant', 'acme')).out).toContain('sum(total)')
  mkdirSync(join(cwd, 'semantic'))
  const { out } = await run('semantic', 'export', '--tenant', 'acme')
  writeFileSync(join(cwd, 'semantic/acme.yml'), out.replace('description: Lines of orders.', 'description: Lines.'))
  expect((await json('semantic', 'export', '--tenant', 'acme')).entities[3]).toMatchObject({ description: 'Lines.' })
  const again = await run('semantic', 'import', 'acme.yml', '--tenant', 'acme')
  expect(again.err).toBe('semantic/acme.yml wins over them where both say something\n')
  rmSync(join(cwd, 'semantic'), { recursive: true })
})

it('names drift with 1 and faults with their lines and 2', async () => {
  writeFileSync(join(cwd, 'bad.yml'), demoSemantics.acme.replaceAll('table: tickets', 'table: cases'))
  const drifted = await run('semantic', 'validate', 'bad.yml', '--tenant', 'acme')
  expect(drifted.code).toBe(1)
  expect(drifted.out).toContain('missing table: cases, crm.crm: Schema crm has no table cases that may be read.\n')
  writeFileSync(join(cwd, 'bad.yml'), 'entities:\n  - tabel: a\n')
  const refused = await run('semantic', 'import', 'bad.yml', '--tenant', 'acme')
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toContain('bad.yml:2: entities[1].tabel: unknown key; did you mean table?')
})

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
