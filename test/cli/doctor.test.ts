/** What the doctor finds where something is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { emptyControl } from '../control/fixture.ts'
import { runPostern } from './postern.ts'

let cwd = ''
let env: Record<string, string> = {}
const key = (byte: number) => Buffer.alloc(32, byte).toString('base64')

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'postern-doctor-'))
  const { url } = await emptyControl()
  env = { HOME: cwd, POSTERN_CONTROL_URL: url, POSTERN_MASTER_KEY: key(1) }
  for (const args of [
    ['migrate'],
    ['tenant', 'add', 'acme'],
    ['user', 'add', 'alice@acme'],
    ['token', 'issue', 'alice@acme'],
  ])
    expect(await runPostern(args, { cwd, env })).toMatchObject({ code: 0 })
})

afterAll(() => rmSync(cwd, { recursive: true }))

async function doctor(more: Record<string, string> = {}) {
  const { code, out } = await runPostern(['doctor', '--json'], { cwd, env: { ...env, ...more } })
  const findings: { what: string; state: string; found: string }[] = JSON.parse(out)
  return { code, of: (what: string) => findings.find(finding => finding.what === what) }
}

it('tells a master key that opens nothing from the one that does', async () => {
  expect((await doctor()).of('stored secrets')).toMatchObject({
    state: 'good',
    found: expect.stringContaining('all opened by the master key'),
  })
  const { code, of } = await doctor({ POSTERN_MASTER_KEY: key(2) })
  expect(of('stored secrets')).toMatchObject({ state: 'fault', found: expect.stringContaining('that is not here') })
  expect(code).toBe(1)
  const listed = await runPostern(['keys', 'list'], { cwd, env: { ...env, POSTERN_MASTER_KEY: key(2) } })
  expect(listed.out).toContain('not here')
})

it('asks issuers and Redis whether they are there', async () => {
  const issuer = createServer((request, response) =>
    response.writeHead(request.url === '/jwks' ? 200 : 401).end('{"keys":[]}'),
  )
  await new Promise<void>(resolve => issuer.listen(0, '127.0.0.1', resolve))
  const address = issuer.address()
  const port = typeof address === 'object' ? address?.port : undefined
  writeFileSync(
    join(cwd, 'postern.yml'),
    `identity:
  issuers:
    - { issuer: keys, jwksUri: 'http://127.0.0.1:${port}/jwks' }
    - { issuer: opaque, introspection: { endpoint: 'http://127.0.0.1:${port}/introspect', clientId: postern }, tokenPrefix: oat_ }
    - { issuer: nobody, jwksUri: 'http://127.0.0.1:1024/jwks' }
redis: { url: 'redis://127.0.0.1:1' }
`,
  )
  try {
    const { code, of } = await doctor()
    expect(of('issuer keys')).toMatchObject({ state: 'good', found: 'its keys can be read' })
    expect(of('issuer opaque')).toMatchObject({ state: 'good' })
    expect(of('issuer nobody')).toMatchObject({ state: 'fault', found: expect.stringContaining('ECONNREFUSED') })
    expect(of('Redis')).toMatchObject({ state: 'doubt', found: expect.stringContaining('ECONNREFUSED') })
    expect(code).toBe(1)
  } finally {
    await new Promise(resolve => issuer.close(resolve))
    rmSync(join(cwd, 'postern.yml'))
  }
})

it('does not let MCP be reached from outside without its address', async () => {
  expect((await doctor({ POSTERN_MCP_HOST: '0.0.0.0' })).of('mcp.publicUrl')).toMatchObject({ state: 'fault' })
})
