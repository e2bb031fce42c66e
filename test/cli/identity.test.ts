/** API keys, tokens, links and the master key from the command line, as an operator uses them, against a gateway that runs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testCertificate, testKey } from '../gateway/certificate.ts'
import { type FreshDatabase, freshDatabase, testCluster } from '../support/cluster.ts'
import { type OpenId, startOpenId } from '../support/openid.ts'
import { runPostern } from './postern.ts'
import { freePort, type Running, soon, startRunning } from './running.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-identity-'))
const env: Record<string, string> = {}
let server: URL
let control: FreshDatabase
let openid: OpenId
let gateway: Running | undefined
let port = 0

const run = (args: string[], input?: string) =>
  runPostern(args, { cwd, env, ...(input === undefined ? {} : { input }) })

async function json(...args: string[]): Promise<Record<string, string>> {
  const ran = await run([...args, '--json'])
  if (ran.code !== 0) throw new Error(ran.err)
  return JSON.parse(ran.out)
}

beforeAll(async () => {
  server = new URL((await testCluster()).url)
  control = await freshDatabase()
  openid = await startOpenId()
  port = await freePort()
  Object.assign(env, {
    POSTERN_CONTROL_URL: control.url,
    POSTERN_GATEWAY_PORT: String(port),
    POSTERN_MCP_PORT: String(await freePort()),
    POSTERN_DATA_DIR: join(cwd, 'data'),
  })
  writeFileSync(join(cwd, 'key.pem'), testKey)
  writeFileSync(join(cwd, 'cert.pem'), testCertificate)
  writeFileSync(join(cwd, 'client-secret'), `${openid.client.secret}\n`)
  writeFileSync(
    join(cwd, 'postern.yml'),
    `gateway: { tls: { cert: cert.pem, key: key.pem } }
identity:
  issuers:
    - issuer: ${openid.issuer}
      discovery: true
      audiences: [https://postern.test]
      introspection: { endpoint: "${openid.client.introspection}", clientId: ${openid.client.id}, clientSecretFile: client-secret }
`,
  )
  expect((await run(['migrate'])).code).toBe(0)
  const where = ['--host', server.hostname, '--port', server.port, '--user', server.username]
  expect(await run(['server', 'add', 'main', ...where], `${decodeURIComponent(server.password)}\n`)).toMatchObject({
    code: 0,
  })
  await json('tenant', 'add', 'acme')
  expect(await run(['database', 'add', 'crm', '--tenant', 'acme', '--server', 'main'])).toMatchObject({ code: 0 })
  await superuser(`revoke connect on database ${control.name} from public`)
  await json('user', 'add', 'alice@acme', '--role', 'analyst')
  gateway = await startRunning(['gateway'], 'listening', { cwd, env })
})

afterAll(async () => {
  await gateway?.stop('SIGTERM')
  await openid.close()
  await run(['database', 'remove', 'crm', '--tenant', 'acme', '--drop', 'crm'])
  const client = await control.connect()
  await client.query('drop owned by postern_service')
  await client.end()
  await superuser(`drop database ${control.name}`)
  await superuser('drop role postern_service')
  rmSync(cwd, { recursive: true })
})

async function superuser(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.href })
  await client.connect()
  await client.query(sql).finally(() => client.end())
}

async function connect(password: string, user = 'token@acme'): Promise<pg.Client> {
  const ssl = { rejectUnauthorized: false }
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'crm', ssl })
  client.on('error', () => {})
  await client.connect()
  return client
}

test('a key is added, used, listed and revoked; what is open with it ends', async () => {
  const added = await json('key', 'add', 'alice@acme', '--name', 'report', '--scopes', 'data:read', '--expires', '90d')
  const client = await soon(() => connect(added.key!, 'alice+token@acme'))
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  const listed = await run(['key', 'list', '--tenant', 'acme'])
  expect(listed.out).toMatch(new RegExp(`${added.id}  alice@acme  report  data:read  until \\d{4}`))
  expect(listed.out).not.toContain(added.key!.slice(-43))
  const ended = new Promise<void>(resolve => client.on('end', () => resolve()))
  expect((await run(['key', 'revoke', added.id!])).out).toBe(`API key ${added.id} of alice@acme revoked\n`)
  await ended
  await expect(connect(added.key!)).rejects.toMatchObject({ code: '28P01' })
  expect((await run(['key', 'list'])).out).toContain('revoked')
})

test('a token is issued for a while, and revoked', async () => {
  const issued = await json('token', 'issue', 'alice@acme', '--expires', '15m')
  const client = await soon(() => connect(issued.token!))
  await client.query('select 1')
  const ended = new Promise<void>(resolve => client.on('end', () => resolve()))
  await json('token', 'revoke', issued.id!)
  await ended
  expect((await run(['token', 'list'])).out).toContain('revoked')
})

test("another issuer's user is linked and unlinked", async () => {
  const request = { sub: 'alice-1', audience: 'https://postern.test', scope: 'data:read' }
  await expect(connect(await openid.token(request))).rejects.toMatchObject({ code: '28P01' })
  const subject = ['--issuer', openid.issuer, '--subject', 'alice-1']
  await json('user', 'link', 'alice@acme', ...subject)
  const byJwt = await soon(async () => connect(await openid.token(request)))
  const byOpaque = await connect(await openid.token({ ...request, opaque: true }))
  const shown = (await run(['user', 'show', 'alice@acme'])).out
  expect(shown).toContain(`at ${openid.issuer}`)
  expect(shown).toContain('data:read schema:provision materialize:run knowledge:write\n')
  const ended = Promise.all(
    [byJwt, byOpaque].map(client => new Promise<void>(resolve => client.on('end', () => resolve()))),
  )
  await json('user', 'unlink', 'alice@acme', ...subject)
  await ended
})

test('somebody joins another tenant, and gets an address', async () => {
  await json('tenant', 'add', 'globex')
  expect((await run(['user', 'join', 'alice@acme', 'al@globex', '--role', 'viewer'])).out).toBe(
    'user alice@acme is al@globex too (viewer)\n',
  )
  await json('user', 'email', 'alice@acme', 'alice@example.com')
  expect(await run(['user', 'email', 'al@globex', 'nonsense'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('no mail address'),
  })
  expect(await run(['user', 'add', 'x+token@acme'])).toMatchObject({ code: 1, err: expect.stringContaining('42602') })
})

test('the master key is rotated under a gateway that runs, and goes on after its restart', async () => {
  const key = await json('key', 'add', 'alice@acme')
  const client = await soon(() => connect(key.key!))
  const old = readFileSync(join(cwd, 'data/master.key'), 'utf8')
  const rotated = await run(['keys', 'rotate'])
  expect(rotated.out).toMatch(/^\d+ secrets are sealed by the master key [0-9a-f]{16} now\nnext: restart/)
  expect(readFileSync(join(cwd, 'data/master.key'), 'utf8')).not.toBe(old)
  expect((await run(['keys', 'list'])).out).toMatch(/current/)
  // Nobody's session ends by it, and new ones begin.
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await client.end()
  await (await connect(key.key!)).end()
  await gateway?.stop('SIGTERM')
  gateway = await startRunning(['gateway'], 'listening', { cwd, env })
  expect((await run(['keys', 'forget'])).out).toBe('the previous master key is gone\n')
  expect((await run(['keys', 'forget'])).out).toBe('there is no previous master key\n')
  const again = await connect(key.key!)
  expect((await again.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await again.end()
})

test.each([
  [['key', 'add', 'alice@acme', '--scopes', 'data:write'], /"data:write" is none of data:read/],
  [['key', 'add', 'alice@acme', '--expires', 'soon'], /90s, 30m, 12h, 90d/],
  [['key', 'add', 'alice'], /names no tenant/],
  [['token', 'issue', 'alice@acme', '--expires', '0s'], /90s, 30m/],
])('%j is not understood', async (args, words) => {
  expect(await run(args)).toMatchObject({ code: 2, err: expect.stringMatching(words) })
})

test('settings of an issuer that say nothing are refused, with their place', async () => {
  const told = async (text: string) => {
    writeFileSync(join(cwd, 'other.yml'), `identity:\n  issuers:\n    - { issuer: "https://a.test", ${text} }\n`)
    return (await run(['config', 'print', '--config', 'other.yml'])).err
  }
  expect(await told('discovery: true, claims: { tenent: org }')).toMatch(/claims\.tenent: unknown key/)
  expect(await told('discovery: true, algorithms: [HS256]')).toMatch(/must be one of RS256/)
  expect(await told('discovery: true, algorithms: [none]')).toMatch(/must be one of RS256/)
  expect(await told('jwksUri: "http://a.test/jwks"')).toMatch(/must be an https:\/\/ address/)
  expect(await told('audiences: [x]')).toMatch(/needs one of jwksUri, discovery/)
})
