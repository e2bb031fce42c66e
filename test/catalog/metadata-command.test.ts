/** `database refresh` beside an instance that serves. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runPostern } from '../cli/postern.ts'
import { freePort, type Running, startRunning } from '../cli/running.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-refresh-'))
const env: Record<string, string> = {}
let up: Running

beforeAll(async () => {
  env.POSTERN_GATEWAY_PORT = String(await freePort())
  env.POSTERN_MCP_PORT = String(await freePort())
  up = await startRunning(['up'], 'Stop: Ctrl-C', { cwd, env })
}, 120_000)
afterAll(async () => {
  await up.stop('SIGINT')
  rmSync(cwd, { recursive: true })
})

test('says what it found, and a database that is not there is an error', async () => {
  const run = (...args: string[]) => runPostern(['database', 'refresh', ...args, '--tenant', 'acme'], { cwd, env })
  expect(await run('crm')).toEqual({
    code: 0,
    out: 'schema  tables  relationships\ncrm     8       9\n',
    err: '',
  })
  const { out } = await run('crm', '--json')
  expect(JSON.parse(out)).toEqual([
    {
      ...{ schema: 'crm', tables: 8, relationships: 9 },
      ...{ generatedAt: expect.stringMatching(/Z$/), version: expect.stringMatching(/^[\da-f]{16}$/) },
    },
  ])
  expect(await run('nothing')).toMatchObject({ code: 1, err: expect.stringContaining('"acme/nothing" does not exist') })
})
