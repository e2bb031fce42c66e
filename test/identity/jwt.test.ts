import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { linkIdentity, unlinkIdentity } from '../../src/control/identities.ts'
import { addMembership, removeUser, setUserDisabled, setUserRole } from '../../src/control/users.ts'
import type { Authenticator } from '../../src/identity/authenticator.ts'
import { auditRows, type ControlFixture } from '../control/fixture.ts'
import { type OpenId, startOpenId } from '../support/openid.ts'
import { asked, audience, authenticatorOf, issuerOptions, noClaims, peopledControl } from './fixture.ts'

let control: ControlFixture
let openid: OpenId
let authenticator: Authenticator

const alice = { tenant: 'acme', login: 'alice' }
const inAnHour = () => Math.floor(Date.now() / 1000) + 3_600

beforeAll(async () => {
  control = await peopledControl()
  openid = await startOpenId()
  ;({ authenticator } = authenticatorOf(control, [issuerOptions({ issuer: openid.issuer, discovery: true })]))
  await linkIdentity(control.administration, alice, { issuer: openid.issuer, subject: 'alice-1' })
})

afterAll(() => openid.close())

const good = () => ({ sub: 'alice-1', aud: audience, exp: inAnHour(), scope: 'data:read' })

test("a token that an agent got by authorization code with PKCE is its user's, narrowed to its scopes", async () => {
  const token = await openid.token({ sub: 'alice-1', audience, scope: 'data:read knowledge:write' })
  const principal = await authenticator.authenticate(token, asked)
  expect(principal).toMatchObject({ login: 'alice@acme', role: 'admin', via: 'jwt' })
  expect([...principal.scopes]).toEqual(['data:read', 'knowledge:write'])
  expect(principal.credential).toMatch(/^identity:[0-9a-f-]{36}:[0-9a-f]{16}$/)
  expect(principal.expiresAt).toBeGreaterThan(Date.now() + 500_000)
})

test('scopes of a token never widen the role, and those that nobody knows grant nothing', async () => {
  const wide = await openid.sign({ ...good(), sub: 'bob-1', scope: 'data:read admin root * materialize:configure' })
  await linkIdentity(
    control.administration,
    { tenant: 'acme', login: 'bob' },
    { issuer: openid.issuer, subject: 'bob-1' },
  )
  expect([...(await authenticator.authenticate(wide, asked)).scopes]).toEqual(['data:read'])
  const none = await openid.sign({ ...good(), scope: 'openid profile email' })
  expect([...(await authenticator.authenticate(none, asked)).scopes]).toEqual([])
  const { scope, ...silent } = good()
  expect(scope).toBe('data:read')
  expect([...(await authenticator.authenticate(await openid.sign(silent), asked)).scopes]).toEqual([])
})

test('claims that are not mapped are ignored, whatever they are called', async () => {
  const token = await openid.sign({
    ...good(),
    tenant: 'globex',
    tenant_id: 'globex',
    role: 'admin',
    roles: ['admin', 'operator'],
    groups: ['root'],
    scopes: ['admin'],
    principal: randomUUID(),
    constructor: 'x',
  })
  const principal = await authenticator.authenticate(token, asked)
  expect(principal.login).toBe('alice@acme')
  expect([...principal.scopes]).toEqual(['data:read'])
})

test.each([
  ['another audience', { aud: 'https://other.test/mcp' }, /another audience/],
  ['no audience', { aud: undefined }, /another audience/],
  ['an hour ago', { exp: inAnHour() - 7_200 }, /expired/],
  ['no expiry', { exp: undefined }, /does not say when it expires/],
  ['not before tomorrow', { nbf: inAnHour() + 80_000 }, /not valid yet/],
  ['another issuer', { iss: 'https://evil.test' }, /not valid/],
  ['no issuer', { iss: undefined }, /not valid/],
  ['no subject', { sub: undefined }, /does not say whose/],
  ['a subject that nobody is', { sub: 'mallory' }, /not known here/],
])('refused: %s', async (_, change, message) => {
  const claims: Record<string, unknown> = { iss: openid.issuer, ...good(), ...change }
  const token = await openid.sign(claims)
  const refusal = authenticator.authenticate(token, asked)
  await expect(refusal).rejects.toMatchObject({ code: '28000', message: expect.stringMatching(message) })
  await expect(authenticator.authenticate(token, asked)).rejects.toThrow(expect.not.stringContaining(token) as never)
})

test('a clock may be off by half a minute, and no more', async () => {
  const justNow = await openid.sign({ ...good(), exp: Math.floor(Date.now() / 1000) - 20 })
  expect((await authenticator.authenticate(justNow, asked)).login).toBe('alice@acme')
  const before = await openid.sign({ ...good(), exp: Math.floor(Date.now() / 1000) - 31 })
  await expect(authenticator.authenticate(before, asked)).rejects.toThrow(/expired/)
})

test('after a rotation the new key is found, and tokens of the old one end with its place in the JWKS', async () => {
  let now = Date.now()
  const provider = await startOpenId()
  await linkIdentity(control.administration, alice, { issuer: provider.issuer, subject: 'alice-1' })
  const issuer = issuerOptions({ issuer: provider.issuer, jwksUri: `${provider.issuer}/jwks`, cacheMs: 1_000 })
  const times = { jwksCooldownMs: 1, jwksMaxAgeMs: 600_000 }
  const rotated = authenticatorOf(control, [issuer], { clock: () => now, times }).authenticator
  try {
    const old = await provider.token({ sub: 'alice-1', audience, scope: 'data:read' })
    expect((await rotated.authenticate(old, asked)).login).toBe('alice@acme')
    await provider.rotateKeys()
    const next = await provider.token({ sub: 'alice-1', audience, scope: 'data:read' })
    expect((await rotated.authenticate(next, asked)).login).toBe('alice@acme')
    now += 1_001
    await expect(rotated.authenticate(old, asked)).rejects.toMatchObject({ code: '28000' })
  } finally {
    await provider.close()
  }
})

test('a provider that is away is another thing than a bad token, and its name is told', async () => {
  const issuer = issuerOptions({ issuer: 'http://127.0.0.1:9', discovery: true })
  const away = authenticatorOf(control, [issuer]).authenticator
  const token = await openid.sign({ ...good(), iss: issuer.issuer })
  const refusal = { code: '57P03', message: expect.stringContaining(issuer.issuer) }
  await expect(away.authenticate(token, asked)).rejects.toMatchObject(refusal)
})

test('metadata of another issuer is not believed', async () => {
  const issuer = issuerOptions({ issuer: `${openid.issuer}/`, discovery: true })
  const other = authenticatorOf(control, [issuer]).authenticator
  const token = await openid.sign({ ...good(), iss: issuer.issuer })
  await expect(other.authenticate(token, asked)).rejects.toMatchObject({ code: '57P03' })
})

test('whoever is in several tenants says which; the claim that is mapped may say it, and nobody gets beyond it', async () => {
  await addMembership(control.administration, alice, { tenant: 'globex', login: 'alice', role: 'viewer' })
  const token = await openid.sign(good())
  authenticator.forget()
  await expect(authenticator.authenticate(token, asked)).rejects.toMatchObject({
    code: '22023',
    hint: 'Name one of: acme, globex.',
  })
  expect((await authenticator.authenticate(token, { ...asked, tenant: 'globex' })).login).toBe('alice@globex')
  expect((await authenticator.authenticate(token, { ...asked, tenant: 'acme' })).role).toBe('admin')
  for (const tenant of ['initech', '', 'ACME', "acme' or true"])
    await expect(authenticator.authenticate(token, { ...asked, tenant })).rejects.toMatchObject({ code: '28000' })

  const claims = { ...noClaims, tenant: 'https://postern.test/tenant', roles: ['realm', 'roles'] }
  const mapped = authenticatorOf(control, [
    issuerOptions({ issuer: openid.issuer, discovery: true, claims }),
  ]).authenticator
  const of = (tenant: unknown, roles: unknown = ['analyst', 'other']) =>
    openid.sign({
      ...good(),
      scope: 'data:read materialize:run admin',
      'https://postern.test/tenant': tenant,
      realm: { roles },
    })
  const inGlobex = await of('globex')
  expect((await mapped.authenticate(inGlobex, asked)).login).toBe('alice@globex')
  await expect(mapped.authenticate(inGlobex, { ...asked, tenant: 'acme' })).rejects.toMatchObject({ code: '28000' })
  const inAcme = await mapped.authenticate(await of(['acme', 'initech']), asked)
  expect([inAcme.role, ...inAcme.scopes]).toEqual(['analyst', 'data:read', 'materialize:run'])
  expect((await mapped.authenticate(await of('globex', ['admin']), asked)).role).toBe('viewer')
  for (const token of [await of('initech'), await of(undefined), await of('acme', []), await of('acme', 'operator')])
    await expect(mapped.authenticate(token, asked)).rejects.toMatchObject({ code: '28000' })
})

test('a change here is in force at the next request: role, membership, user, link', async () => {
  const { administration } = control
  const token = await openid.sign({ ...good(), scope: 'data:read admin' })
  const now = () => {
    authenticator.forget() // as the watch does
    return authenticator.authenticate(token, { ...asked, tenant: 'acme' })
  }
  expect([...(await now()).scopes]).toEqual(['data:read', 'admin'])
  await setUserRole(administration, { ...alice, role: 'viewer' })
  expect([...(await now()).scopes]).toEqual(['data:read'])
  await setUserRole(administration, { ...alice, role: 'admin' })
  await setUserDisabled(administration, alice, true)
  await expect(now()).rejects.toMatchObject({ code: '28000' })
  await setUserDisabled(administration, alice, false)
  await unlinkIdentity(administration, alice, { issuer: openid.issuer, subject: 'alice-1' })
  await expect(now()).rejects.toMatchObject({ code: '28000' })
  await linkIdentity(administration, alice, { issuer: openid.issuer, subject: 'alice-1' })
  await removeUser(administration, { tenant: 'globex', login: 'alice' })
  expect((await now()).login).toBe('alice@acme')
})

test('a verified mail address links; one that is not verified, or is merely said, does not', async () => {
  const { owner } = control
  const bob = (sub: string, more: object) => openid.sign({ ...good(), sub, ...more })
  const email = 'Bob@Example.com'
  for (const more of [
    { email },
    { email, email_verified: false },
    { email, email_verified: 'yes' },
    { email: [email], email_verified: true },
  ])
    await expect(authenticator.authenticate(await bob('bob-2', more), asked)).rejects.toMatchObject({ code: '28000' })
  const linked = await authenticator.authenticate(await bob('bob-2', { email, email_verified: true }), asked)
  expect(linked.login).toBe('bob@acme')
  expect((await authenticator.authenticate(await bob('bob-2', {}), asked)).login).toBe('bob@acme')
  const records = await auditRows(owner, 'detail')
  expect(records.at(-1)?.detail).toMatchObject({ act: 'identity link', subject: 'bob-2', email: 'bob@example.com' })
  const strict = authenticatorOf(control, [
    issuerOptions({ issuer: openid.issuer, discovery: true, linkByEmail: false }),
  ])
  const other = await bob('bob-3', { email, email_verified: true })
  await expect(strict.authenticator.authenticate(other, asked)).rejects.toThrow(/not known here/)
})

test('those of a domain that may sign up become users of its tenant at their first login, and only they', async () => {
  const signup = { domains: { 'globex.test': 'globex' }, role: 'viewer' } as const
  const open = authenticatorOf(control, [
    issuerOptions({ issuer: openid.issuer, discovery: true, signup }),
  ]).authenticator
  const of = (sub: string, email: string) => openid.sign({ ...good(), sub, email, email_verified: true })
  const dave = await of('dave-1', 'dave@globex.test')
  const several = await Promise.all(
    [1, 2, 3].map(address => open.authenticate(dave, { ...asked, address: String(address) })),
  )
  expect(new Set(several.map(one => one.id)).size).toBe(1)
  expect(several[0]).toMatchObject({ login: 'dave@globex.test@globex', role: 'viewer' })
  for (const email of [
    'eve@evil.test',
    'eve@globex.test.evil',
    'eve@evil@globex.test',
    'eve@constructor',
    'eve@sub.globex.test',
  ])
    await expect(open.authenticate(await of('eve-1', email), asked)).rejects.toMatchObject({ code: '28000' })
})

test('nobody signs up as somebody who is here already', async () => {
  const signup = { domains: { 'example.com': 'globex', 'gone.test': 'nowhere' }, role: 'admin' } as const
  const options = issuerOptions({ issuer: openid.issuer, discovery: true, signup, linkByEmail: false })
  const { authenticator: strict } = authenticatorOf(control, [options])
  for (const email of ['bob@example.com', 'eve@gone.test']) {
    const token = await openid.sign({ ...good(), sub: email, email, email_verified: true })
    await expect(strict.authenticate(token, asked)).rejects.toMatchObject({ code: '28000' })
  }
})

test('a trusted host hands on tokens of the issuers and audiences that are listed for it', async () => {
  const trustedHosts = [{ host: 'agent@acme', issuers: [openid.issuer], audiences: ['https://agent.test'] }]
  const issuers = [issuerOptions({ issuer: openid.issuer, discovery: true })]
  const { authenticator: handed } = authenticatorOf(control, issuers, { trustedHosts })
  const forAgent = await openid.sign({ ...good(), aud: 'https://agent.test' })
  const forUs = await openid.sign(good())
  const byHost = { ...asked, tenant: 'acme', host: 'agent@acme' }
  expect((await handed.authenticate(forAgent, byHost)).login).toBe('alice@acme')
  await expect(handed.authenticate(forUs, byHost)).rejects.toThrow(/another audience/)
  await expect(handed.authenticate(forAgent, asked)).rejects.toThrow(/another audience/)
  await expect(handed.authenticate(forAgent, { ...byHost, host: 'other@acme' })).rejects.toThrow(/may not hand on/)
})

test('a token that is known costs microseconds', async () => {
  const token = await openid.sign(good())
  const o = { ...asked, tenant: 'acme' }
  const first = await authenticator.authenticate(token, o)
  const rounds = 20_000
  const startMs = performance.now()
  for (let i = 0; i < rounds; i++)
    if ((await authenticator.authenticate(token, o)) !== first) throw new Error('another')
  expect(((performance.now() - startMs) / rounds) * 1_000).toBeLessThan(50)
})
