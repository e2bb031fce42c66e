/** `semantic` beside a running `up`, against its live databases. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { demoSemantics } from '../../src/embedded/demo-semantics.ts'
import { runPostern } from './postern.ts'
import { freePort, type Running, startRunning } from './running.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-semantic-'))
const env: Record<string, string> = {}
const run = (...args: string[]) => runPostern([...args], { cwd, env })
const json = async (...args: string[]) => {
  const { out, err } = await run(...args, '--json')
  if (out === '') throw new Error(err)
  return JSON.parse(out)
}
let up: Running

beforeAll(async () => {
  env.POSTERN_GATEWAY_PORT = String(await freePort())
  env.POSTERN_MCP_PORT = String(await freePort())
  up = await startRunning(['up'], 'Stop: Ctrl-C', { cwd, env })
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
  expect(drifted).toMatchObject({ code: 1, err: '' })
  expect(drifted.out).toContain('missing table: cases, crm.crm: Schema crm has no table cases that may be read.\n')
  writeFileSync(join(cwd, 'bad.yml'), 'entities:\n  - tabel: a\n')
  const refused = await run('semantic', 'import', 'bad.yml', '--tenant', 'acme')
  expect(refused).toMatchObject({ code: 2, out: '' })
  expect(refused.err).toContain('bad.yml:2: entities[1].tabel: unknown key; did you mean table?')
})
