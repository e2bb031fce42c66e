import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { linkIdentity } from '../../src/control/identities.ts'
import { checkIssuers } from '../../src/identity/issuers.ts'
import type { ControlFixture } from '../control/fixture.ts'
import { type OpenId, startOpenId } from '../support/openid.ts'
import { asked, audience, authenticatorOf, issuerOptions, noClaims, peopledControl } from './fixture.ts'

let control: ControlFixture
let openid: OpenId
let now = Date.now()

interface Scripted {
  readonly url: string
  readonly asked: { readonly path: string; readonly authorization: string; readonly body: string }[]
  answer: (token: string) => { readonly status?: number; readonly body: unknown }
  close(): Promise<void>
}

let server: Scripted

async function startScripted(): Promise<Scripted> {
  const asked: Scripted['asked'] = []
  const http = createServer(async (request, response) => {
    const body = await readBody(request)
    const authorization = request.headers.authorization ?? ''
    asked.push({ path: request.url ?? '', authorization, body })
    const token = new URLSearchParams(body).get('token') ?? authorization.replace('Bearer ', '')
    const answer = scripted.answer(token)
    const location = answer.status === 302 ? { location: 'http://127.0.0.1:9/' } : {}
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...location })
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body))
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const scripted: Scripted = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    asked,
    answer: () => ({ body: {} }),
    close: () =>
      new Promise(resolve => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
  return scripted
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const issuer = 'https://oauth.test'
const byIntrospection = () =>
  issuerOptions({
    issuer,
    introspection: { endpoint: `${server.url}/introspect`, clientId: 'postern:gate', clientSecretFile: null },
  })
const open = (more: Parameters<typeof authenticatorOf>[2] = {}) =>
  authenticatorOf(control, [byIntrospection()], {
    clock: () => now,
    clientSecrets: new Map([[issuer, 'a secret/with%odd+letters']]),
    ...more,
  }).authenticator

beforeAll(async () => {
  control = await peopledControl()
  server = await startScripted()
  openid = await startOpenId()
  const alice = { tenant: 'acme', login: 'alice' }
  for (const named of [issuer, openid.issuer])
    await linkIdentity(control.administration, alice, { issuer: named, subject: 'alice-1' })
  await linkIdentity(control.administration, alice, { issuer: 'https://github.com', subject: '583231' })
})

beforeEach(() => {
  server.asked.length = 0
})

afterAll(() => Promise.all([server.close(), openid.close()]))

const active = () => ({
  active: true,
  sub: 'alice-1',
  aud: audience,
  scope: 'data:read',
  exp: Math.floor(now / 1000) + 60,
})

test('an opaque token is introspected, by our own name, and remembered shortly', async () => {
  const authenticator = open()
  server.answer = () => ({ body: { ...active(), roles: ['admin'], username: 'root' } })
  const principal = await authenticator.authenticate('opaque-1', asked)
  expect(principal).toMatchObject({ login: 'alice@acme', via: 'introspection' })
  expect([...principal.scopes]).toEqual(['data:read'])
  expect(principal.expiresAt).toBe((Math.floor(now / 1000) + 60) * 1000)
  const basic = Buffer.from('postern%3Agate:a+secret%2Fwith%25odd%2Bletters').toString('base64')
  expect(server.asked).toEqual([
    { path: '/introspect', authorization: `Basic ${basic}`, body: 'token=opaque-1&token_type_hint=access_token' },
  ])
  await authenticator.authenticate('opaque-1', asked)
  authenticator.forget()
  await authenticator.authenticate('opaque-1', asked)
  expect(server.asked).toHaveLength(1)
  now += 10_001
  server.answer = () => ({ body: { active: false } })
  await expect(authenticator.authenticate('opaque-1', asked)).rejects.toMatchObject({ code: '28000' })
})

test.each([
  ['inactive', { active: false }, '28000'],
  ['nearly active', { ...active(), active: 'true' }, '28000'],
  ['active without more', { active: true }, '28000'],
  ['for another audience', { ...active(), aud: ['https://other.test'] }, '28000'],
  ['for no audience', { ...active(), aud: undefined }, '28000'],
  ['of another issuer', { ...active(), iss: 'https://evil.test' }, '28000'],
  ['expired', { ...active(), exp: 1 }, '28000'],
  ['not valid yet', { ...active(), nbf: Math.floor(Date.now() / 1000) + 3_600 }, '28000'],
  ['a list', [active()], '57P03'],
  ['no JSON', 'active', '57P03'],
])('refused where introspection says: %s', async (name, body, code) => {
  server.answer = () => ({ body })
  const refusal: Error = await open()
    .authenticate(`token ${name}`.replaceAll(' ', '-'), asked)
    .catch(error => error)
  expect(refusal).toMatchObject({ code })
  expect(refusal.message).not.toContain('token-')
})

test.each([401, 302, 403, 429, 500])(
  'an introspection that answers %s tells nothing of the token: 57P03',
  async status => {
    server.answer = () => ({ status, body: active() })
    await expect(open().authenticate('opaque-2', asked)).rejects.toMatchObject({ code: '57P03' })
  },
)

test('tokens of a real provider, and its revocation, which ends what is open at the next look', async () => {
  const { client } = openid
  const real = issuerOptions({
    issuer: openid.issuer,
    introspection: { endpoint: client.introspection, clientId: client.id, clientSecretFile: null },
    cacheMs: 0,
  })
  const { authenticator } = authenticatorOf(control, [real], {
    clientSecrets: new Map([[openid.issuer, client.secret]]),
  })
  const token = await openid.token({ sub: 'alice-1', audience, scope: 'data:read', opaque: true })
  expect(token).not.toContain('.')
  const principal = await authenticator.authenticate(token, asked)
  const alice = { principalId: principal.id, tenantId: principal.tenant, credential: principal.credential }
  const bob = { ...alice, credential: null }
  expect(await authenticator.findCalledBack(() => [alice, bob])).toEqual([])
  await openid.revoke(token)
  expect(await authenticator.findCalledBack(() => [alice, bob])).toEqual([alice])
  await expect(authenticator.authenticate(token, asked)).rejects.toMatchObject({ code: '28000' })
})

test('what is open outlives an issuer that is away for a while, and not for long', async () => {
  const authenticator = open()
  server.answer = () => ({ body: { ...active(), exp: undefined } })
  const principal = await authenticator.authenticate('opaque-3', asked)
  const alice = { principalId: principal.id, tenantId: principal.tenant, credential: principal.credential }
  server.answer = () => ({ status: 503, body: {} })
  now += 30_000
  expect(await authenticator.findCalledBack(() => [alice])).toEqual([])
  now += 31_000
  expect(await authenticator.findCalledBack(() => [alice])).toEqual([alice])
})

const github = (anyAudience: boolean) =>
  issuerOptions({
    issuer: 'https://github.com',
    profile: { endpoint: `${server.url}/user`, fields: { ...noClaims, subject: 'id', scopes: null } },
    tokenPrefix: 'gho_',
    anyAudience,
  })

test("a plain OAuth provider's token is its user's by his profile (GitHub, Google, CommCare)", async () => {
  const { authenticator } = authenticatorOf(control, [github(true), byIntrospection()])
  server.answer = token =>
    token === 'gho_good' ? { body: { id: 583231, login: 'octocat', email: 'x@y.z' } } : { status: 401, body: {} }
  const principal = await authenticator.authenticate('gho_good', asked)
  expect(principal).toMatchObject({ login: 'alice@acme', via: 'profile', role: 'admin', expiresAt: null })
  expect(principal.scopes.size).toBe(6)
  expect(server.asked).toMatchObject([{ path: '/user', authorization: 'Bearer gho_good' }])
  await expect(authenticator.authenticate('gho_bad', asked)).rejects.toMatchObject({ code: '28000' })
  const careful = authenticatorOf(control, [github(false)]).authenticator
  await expect(careful.authenticate('gho_good', asked)).rejects.toThrow(/another audience/)
})

test('an opaque token is shown to one issuer alone', async () => {
  const { authenticator } = authenticatorOf(control, [github(true), byIntrospection()])
  server.answer = () => ({ status: 401, body: {} })
  await authenticator.authenticate('gho_x', asked).catch(() => {})
  await authenticator.authenticate('other', asked).catch(() => {})
  expect(server.asked.map(({ path }) => path)).toEqual(['/user', '/introspect'])
  const none = authenticatorOf(control, []).authenticator
  await expect(none.authenticate('other', asked)).rejects.toMatchObject({ code: '28000' })
})

test('settings that do not fit together are refused', () => {
  const two = [byIntrospection(), { ...byIntrospection(), issuer: 'https://second.test' }]
  expect(() => checkIssuers(two, [])).toThrow(/all but one need a tokenPrefix/)
  expect(() => checkIssuers([byIntrospection(), byIntrospection()], [])).toThrow(/twice/)
  expect(() => checkIssuers([issuerOptions({ issuer: 'urn:postern' })], [])).toThrow(/Postern itself/)
  const host = { host: 'agent@acme', issuers: ['https://unknown.test'], audiences: ['x'] }
  expect(() => checkIssuers([], [host])).toThrow(/none of identity.issuers/)
})

test('who sends bad tokens is slowed down and then refused, and nobody else', async () => {
  const authenticator = open()
  server.answer = () => ({ body: { active: false } })
  const mallory = { ...asked, address: '203.0.113.9' }
  const codes = []
  for (let i = 0; i < 110; i++)
    codes.push(await authenticator.authenticate(`guess-${i}`, mallory).catch(error => error.code))
  expect(codes.slice(0, 99).every(code => code === '28000')).toBe(true)
  expect(codes.at(-1)).toBe('53400')
  const before = server.asked.length
  await expect(authenticator.authenticate('guess-next', mallory)).rejects.toMatchObject({ code: '53400' })
  expect(server.asked.length).toBe(before)
  server.answer = () => ({ body: active() })
  expect((await authenticator.authenticate('good', asked)).login).toBe('alice@acme')
})
