import { randomUUID } from 'node:crypto'
import { beforeAll, expect, test, vi } from 'vitest'
import { addApiKey, listApiKeys, revokeApiKey } from '../../src/control/api-keys.ts'
import { readCredentialsInForce } from '../../src/control/credentials.ts'
import { renewSigningKey } from '../../src/control/signing-keys.ts'
import { addUserToken, listUserTokens, revokeUserToken } from '../../src/control/user-tokens.ts'
import { addMembership, removeUser, setUserDisabled, setUserRole } from '../../src/control/users.ts'
import { makeApiKey } from '../../src/identity/api-keys.ts'
import type { Authenticator } from '../../src/identity/authenticator.ts'
import { makeSigningPair, signJobToken, signUserToken } from '../../src/identity/own-tokens.ts'
import { findWithdrawn, type Principal, type Scope } from '../../src/identity/principal.ts'
import { auditRows, type ControlFixture } from '../control/fixture.ts'
import { asked, authenticatorOf, peopledControl, type TestedAuthenticator } from './fixture.ts'

let control: ControlFixture
let tested: TestedAuthenticator
let authenticator: Authenticator
let now = Date.now()
let held = new Set<string>()

const alice = { tenant: 'acme', login: 'alice' }
const bob = { tenant: 'acme', login: 'bob' }

beforeAll(async () => {
  control = await peopledControl()
  const leaseHeld = async (run: string) => held.has(run)
  tested = authenticatorOf(control, [], { clock: () => now, leaseHeld })
  authenticator = tested.authenticator
})

async function keyFor(
  user: typeof alice,
  o: { scopes?: readonly Scope[]; expiresAt?: Date } = {},
): Promise<{ id: string; text: string }> {
  const key = makeApiKey()
  await addApiKey(control.administration, { ...user, ...key, scopes: o.scopes ?? null, expiresAt: o.expiresAt ?? null })
  return key
}

const presenceOf = ({ id, tenant, credential }: Principal) => ({ principalId: id, tenantId: tenant, credential })

test('an API key is its owner, with the scopes of his role or fewer', async () => {
  const key = await keyFor(alice)
  expect(key.text).toMatch(/^pk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/)
  const principal = await authenticator.authenticate(key.text, asked)
  expect(principal).toMatchObject({ login: 'alice@acme', role: 'admin', via: 'api-key', credential: `key:${key.id}` })
  expect(principal.scopes.size).toBe(6)
  const narrow = await authenticator.authenticate((await keyFor(alice, { scopes: ['data:read'] })).text, asked)
  expect([...narrow.scopes]).toEqual(['data:read'])
  const wide = await authenticator.authenticate((await keyFor(bob, { scopes: ['data:read', 'admin'] })).text, asked)
  expect([...wide.scopes]).toEqual(['data:read'])
})

test('it is of one tenant, whatever else its owner is in', async () => {
  const key = await keyFor(alice)
  await addMembership(control.administration, alice, { tenant: 'globex', login: 'alice', role: 'analyst' })
  expect((await authenticator.authenticate(key.text, asked)).tenantName).toBe('acme')
  expect((await authenticator.authenticate(key.text, { ...asked, tenant: 'acme' })).tenantName).toBe('acme')
  for (const tenant of ['globex', 'nowhere'])
    await expect(authenticator.authenticate(key.text, { ...asked, tenant })).rejects.toMatchObject({
      code: '28000',
      message: `the credential is not good for tenant "${tenant}"`,
    })
})

test('of its secret nothing but a hash is kept anywhere', async () => {
  const key = await keyFor(alice)
  const secret = key.text.slice(-43)
  const stored = await control.owner.query('select k::text as row from postern.api_key k')
  expect(JSON.stringify(stored.rows)).not.toContain(secret)
  const records = await auditRows(control.owner, 'detail')
  expect(JSON.stringify(records)).not.toContain(secret)
  expect(records.at(-1)?.detail).toMatchObject({ act: 'key add', user: 'alice', key: key.id })
})

test('wrong keys are not valid, and no more is said', async () => {
  const { text } = await keyFor(alice)
  const last = text.endsWith('A') ? 'Q' : 'A'
  const wrong = [
    `${text.slice(0, -1)}${last}`,
    `pk_${randomUUID().replaceAll('-', '')}${text.slice(-44)}`,
    'pk_',
    'pk_x_y',
    `${text}A`,
    text.toUpperCase(),
    ` ${text}`,
    `${text}\n`,
    `pk_${"'".repeat(32)}${text.slice(-44)}`,
  ]
  for (const token of wrong) {
    const refusal = await authenticator.authenticate(token, { ...asked, address: token }).catch(error => error)
    expect(refusal).toMatchObject({
      code: '28000',
      message: expect.stringMatching(/^the (API key|token) is not valid$/),
    })
  }
})

test('revoked or expired, it says so to who holds it, and what is open with it, alone, must go', async () => {
  const [key, other] = [await keyFor(alice), await keyFor(alice, { expiresAt: new Date(now + 60_000) })]
  const [mine, others] = [
    await authenticator.authenticate(key.text, asked),
    await authenticator.authenticate(other.text, asked),
  ]
  const open = [presenceOf(mine), presenceOf(others), { ...presenceOf(mine), credential: null }]
  expect(await findWithdrawn(control.service, open)).toEqual([])
  await revokeApiKey(control.administration, key.id)
  authenticator.forget()
  expect(await findWithdrawn(control.service, open)).toEqual([open[0]])
  await expect(authenticator.authenticate(key.text, asked)).rejects.toMatchObject({
    code: '28000',
    message: 'the API key was revoked',
  })
  expect((await authenticator.authenticate(other.text, asked)).expiresAt).toBe(now + 60_000)
  now += 60_000
  await expect(authenticator.authenticate(other.text, asked)).rejects.toMatchObject({
    code: '28000',
    message: 'the API key has expired',
  })
  await expect(revokeApiKey(control.administration, randomUUID())).rejects.toMatchObject({ code: '42704' })
  await expect(revokeApiKey(control.administration, "' or true")).rejects.toMatchObject({ code: '42704' })
})

test('it goes with its owner: his role, his being disabled, his membership', async () => {
  const user = { tenant: 'globex', login: 'carol' }
  const key = await keyFor(user)
  const ask = () => {
    authenticator.forget()
    return authenticator.authenticate(key.text, asked)
  }
  expect((await ask()).role).toBe('analyst')
  await setUserRole(control.administration, { ...user, role: 'viewer' })
  expect([...(await ask()).scopes]).toEqual(['data:read'])
  await setUserDisabled(control.administration, user, true)
  await expect(ask()).rejects.toMatchObject({ code: '28000' })
  await setUserDisabled(control.administration, user, false)
  await removeUser(control.administration, user)
  await expect(ask()).rejects.toMatchObject({ code: '28000' })
  expect(await listApiKeys(control.service, 'globex')).toEqual([])
})

test('a key that is revoked while it is being looked up is not let through', async () => {
  const key = await keyFor(bob)
  const { service } = control
  const { query: ask } = service
  let answers = 0
  const query = vi.spyOn(service, 'query').mockImplementation(async function (this: typeof service, ...args: never[]) {
    const answer = await Reflect.apply(ask, service, args)
    if (answers++ > 0) return answer
    await revokeApiKey({ ...control.administration, pool: control.owner }, key.id)
    authenticator.forget()
    return answer
  } as never)
  await expect(authenticator.authenticate(key.text, asked)).rejects.toThrow(/revoked/)
  query.mockRestore()
})

test('its last use is written now and then, and wakes nobody', async () => {
  const key = await keyFor(bob)
  const version = async () => (await control.owner.query('select version from postern.config_version')).rows[0].version
  const before = await version()
  await authenticator.authenticate(key.text, asked)
  now += 5_000
  await authenticator.authenticate(key.text, asked)
  await tested.lastUses.write()
  const row = (await listApiKeys(control.service)).find(one => one.id === key.id)
  expect(row?.lastUsedAt?.getTime()).toBe(now)
  expect(await version()).toBe(before)
})

test('the control database away: what is fresh still counts, all else is 57P03', async () => {
  const [known, unknown] = [await keyFor(bob), await keyFor(bob)]
  await authenticator.authenticate(known.text, asked)
  const query = vi
    .spyOn(control.service, 'query')
    .mockImplementation(() => Promise.reject(new Error('connect ECONNREFUSED 10.1.2.3')))
  try {
    expect((await authenticator.authenticate(known.text, asked)).login).toBe('bob@acme')
    const refused = { code: '57P03', message: expect.not.stringContaining('10.1.2.3') }
    await expect(authenticator.authenticate(unknown.text, asked)).rejects.toMatchObject(refused)
    now += 60_001
    await expect(authenticator.authenticate(known.text, asked)).rejects.toMatchObject(refused)
  } finally {
    query.mockRestore()
  }
})

async function userToken(user: typeof alice, o: { scopes?: readonly Scope[]; seconds?: number } = {}) {
  const { administration } = control
  const id = randomUUID()
  const expiresAt = new Date(now + (o.seconds ?? 600) * 1000)
  const { text } = await addUserToken(
    administration,
    { ...user, id, scopes: o.scopes ?? null, expiresAt },
    (row, client) => signUserToken(client, administration.sealer, { ...row, id, expiresAt }),
  )
  return { id, text }
}

test('Postern signs tokens for users: short-lived, narrow, revocable', async () => {
  const token = await userToken(alice, { scopes: ['data:read', 'materialize:run'] })
  const principal = await authenticator.authenticate(token.text, asked)
  expect(principal).toMatchObject({ login: 'alice@acme', via: 'jwt', credential: `token:${token.id}` })
  expect([...principal.scopes]).toEqual(['data:read', 'materialize:run'])
  expect(await listUserTokens(control.service, 'acme')).toMatchObject([
    { id: token.id, login: 'alice', revokedAt: null },
  ])
  await expect(authenticator.authenticate(token.text, { ...asked, tenant: 'globex' })).rejects.toMatchObject({
    code: '28000',
  })
  await revokeUserToken(control.administration, token.id)
  authenticator.forget()
  await expect(authenticator.authenticate(token.text, asked)).rejects.toThrow(/revoked/)
  expect(await findWithdrawn(control.service, [presenceOf(principal)])).toHaveLength(1)
  const short = await userToken(bob, { seconds: 30 })
  expect((await authenticator.authenticate(short.text, asked)).login).toBe('bob@acme')
  now += 30_000
  await expect(authenticator.authenticate(short.text, asked)).rejects.toThrow(/expired/)
})

test('by a new key, tokens of the old one stay good until it is retired', async () => {
  const { administration } = control
  const old = await userToken(bob)
  await renewSigningKey(administration, await makeSigningPair(), false)
  authenticator.forget()
  const between = await userToken(bob)
  for (const { text } of [old, between]) expect((await authenticator.authenticate(text, asked)).login).toBe('bob@acme')
  expect(await renewSigningKey(administration, await makeSigningPair(), true)).toMatchObject({ retired: 2 })
  authenticator.forget()
  for (const { text } of [old, between])
    await expect(authenticator.authenticate(text, asked)).rejects.toMatchObject({ code: '28000' })
  expect((await authenticator.authenticate((await userToken(bob)).text, asked)).login).toBe('bob@acme')
})

test('a token altered, or without its row, is not valid', async () => {
  const { id, text } = await userToken(alice)
  const [header, payload, signature] = text.split('.')
  const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString())
  const other = Buffer.from(JSON.stringify({ ...claims, sub: randomUUID() })).toString('base64url')
  const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'postern-user+jwt' })).toString('base64url')
  for (const forged of [`${header}.${other}.${signature}`, `${none}.${payload}.`, `${header}.${payload}.AAAA`])
    await expect(authenticator.authenticate(forged, asked)).rejects.toThrow('the token is not valid')
  await control.owner.query('delete from postern.user_token where id = $1', [id])
  await expect(authenticator.authenticate(text, asked)).rejects.toThrow('the token is not valid')
})

test("a run's token is good while its lease is held, for reading, and is called back with it", async () => {
  const run = randomUUID()
  const principal = await authenticator.authenticate((await keyFor(alice)).text, asked)
  const client = await control.service.connect()
  const expiresAt = new Date(now + 3_600_000)
  const token = await signJobToken(client, control.administration.sealer, {
    id: run,
    principalId: principal.id,
    tenantId: principal.tenant,
    expiresAt,
  })
  client.release()
  const refusing = authenticatorOf(control, []).authenticator
  await expect(refusing.authenticate(token, asked)).rejects.toMatchObject({ code: '28000' })
  await expect(authenticator.authenticate(token, asked)).rejects.toThrow(/run that the token was signed for is over/)
  held = new Set([run])
  const job = await authenticator.authenticate(token, asked)
  expect(job).toMatchObject({ login: 'alice@acme', via: 'job-token', credential: `run:${run}` })
  expect([...job.scopes]).toEqual(['data:read'])
  expect(await authenticator.findCalledBack(() => [presenceOf(job)])).toEqual([])
  held = new Set()
  expect(await authenticator.findCalledBack(() => [presenceOf(job)])).toEqual([presenceOf(job)])
})

test('only what has the form of a credential, and stands, is in force', async () => {
  const key = await keyFor(bob)
  const names = [`key:${key.id}`, `token:${key.id}`, `identity:${key.id}:0123`, key.id, '', 'key:', `key:${key.id}'`]
  expect([...(await readCredentialsInForce(control.service, names))]).toEqual([`key:${key.id}`])
})

test('an API key that is known costs microseconds', async () => {
  const { text } = await keyFor(bob)
  await authenticator.authenticate(text, asked)
  const rounds = 20_000
  const startMs = performance.now()
  for (let i = 0; i < rounds; i++) await authenticator.authenticate(text, asked)
  expect(((performance.now() - startMs) / rounds) * 1_000).toBeLessThan(50)
})
