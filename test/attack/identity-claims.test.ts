/** What claims can be made to say: each token here is signed by the issuer's own key, and says something odd. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { linkIdentity } from '../../src/control/identities.ts'
import type { Authenticator } from '../../src/identity/authenticator.ts'
import type { ControlFixture } from '../control/fixture.ts'
import { asked, audience, authenticatorOf, issuerOptions, noClaims, peopledControl } from '../identity/fixture.ts'
import { type OpenId, startOpenId } from '../support/openid.ts'

let control: ControlFixture
let openid: OpenId
let authenticator: Authenticator
let addresses = 0

beforeAll(async () => {
  control = await peopledControl()
  openid = await startOpenId()
  const { issuer } = openid
  const claims = { ...noClaims, tenant: 'tenant', roles: 'roles' }
  authenticator = authenticatorOf(control, [
    issuerOptions({ issuer, discovery: true, claims }),
    // The same keys under another name: what one says of a subject is not what the other says.
    issuerOptions({ issuer: `${issuer}/`, jwksUri: `${issuer}/jwks`, claims }),
    issuerOptions({ issuer: 'https://second.test', jwksUri: `${issuer}/jwks`, claims }),
  ]).authenticator
  await linkIdentity(control.administration, { tenant: 'acme', login: 'bob' }, { issuer, subject: 'bob-1' })
  await linkIdentity(control.administration, { tenant: 'acme', login: 'alice' }, { issuer, subject: '5' })
}, 60_000)
afterAll(() => openid.close())

const soon = () => Math.floor(Date.now() / 1000) + 600
const good = () => ({
  sub: 'bob-1',
  aud: audience,
  exp: soon(),
  scope: 'data:read',
  tenant: 'acme',
  roles: 'viewer',
})

/** SignJWT takes only what is well-formed: the payload is signed as it stands. */
async function outcome(claims: object): Promise<string> {
  const token = await openid.sign(JSON.parse(JSON.stringify({ ...good(), ...claims })))
  const address = `198.51.100.${++addresses}`
  return await authenticator.authenticate(token, { ...asked, address }).then(
    ({ login, role, scopes }) => `${login} ${role} ${[...scopes].join(' ')}`,
    (error: { readonly code?: string }) => String(error.code),
  )
}

describe('a signed token', () => {
  it('that is as it should be is good', async () => {
    expect(await outcome({})).toBe('bob@acme viewer data:read')
  })

  it.each<[string, object]>([
    ['expires as a text', { exp: '9999999999' }],
    ['expired before the epoch', { exp: -1 }],
    ['does not say when it expires', { exp: undefined }],
    ['is null about when it expires', { exp: null }],
    ['is not valid yet', { nbf: soon() }],
    ['begins as a text', { nbf: '0' }],
    ['has an issuer in a list', { iss: ['https://second.test'] }],
    ['has an issuer in capitals', { iss: 'HTTPS://SECOND.TEST' }],
    ['has an issuer with a slash more', { iss: 'https://second.test/' }],
    ['is of another issuer by the same key', { iss: 'https://second.test' }],
    ['has no audience', { aud: undefined }],
    ['has an empty audience', { aud: [] }],
    ['has an audience that holds ours', { aud: `${audience} https://other.test` }],
    ['has an audience that begins as ours', { aud: `${audience}/` }],
    ['has an audience within a list within a list', { aud: [[audience]] }],
    ['has an audience as a name', { aud: { [audience]: true } }],
    ['has no subject', { sub: undefined }],
    ['has an empty subject', { sub: '' }],
    ['has a list of subjects', { sub: ['bob-1'] }],
    ['has a subject with a NUL', { sub: 'bob-1\u0000' }],
    ['has a subject with spaces', { sub: ' bob-1 ' }],
    ['has a subject in capitals', { sub: 'BOB-1' }],
    ['has a subject in full width', { sub: 'bob－1' }],
    ['has a subject that looks like null', { sub: null }],
    ['has a subject that is too long', { sub: 'b'.repeat(100_000) }],
    ['is for another tenant', { tenant: 'globex' }],
    ['is for several tenants in one text', { tenant: 'acme,globex' }],
    ['is for a tenant in capitals', { tenant: 'ACME' }],
    ['is for no tenant', { tenant: [] }],
    ['is for a tenant as a name', { tenant: { acme: true } }],
    ['has a role in capitals', { roles: 'ADMIN' }],
    ['has a role of the platform', { roles: 'operator' }],
    ['has a role as a name', { roles: { admin: true } }],
  ])('that %s is refused', async (_what, claims) => {
    expect(await outcome(claims)).toBe('28000')
  })

  it.each<[string, object, string]>([
    ['a role above the membership', { roles: ['admin', 'operator'] }, 'bob@acme viewer data:read'],
    ['all scopes', { scope: 'admin data:read materialize:run operator *' }, 'bob@acme viewer data:read'],
    ['scopes in a list', { scope: ['data:read admin', 'admin'] }, 'bob@acme viewer '],
    ['scopes as names', { scope: { 'data:read': true, admin: true } }, 'bob@acme viewer '],
    ['no scopes', { scope: undefined }, 'bob@acme viewer '],
    ['scopes by other white space', { scope: 'data:read\tadmin' }, 'bob@acme viewer '],
    ['claims of a prototype', { constructor: { admin: true }, __proto: 1 }, 'bob@acme viewer data:read'],
    ['a tenant beside his own', { tenant: ['globex', 'acme'] }, 'bob@acme viewer data:read'],
  ])('with %s gives no more than its user has', async (_what, claims, is) => {
    expect(await outcome(claims)).toBe(is)
  })

  it('with half a character in its subject is not taken for the one with another half', async () => {
    // Both would be the same text in the database.
    await linkIdentity(
      control.administration,
      { tenant: 'acme', login: 'alice' },
      { issuer: openid.issuer, subject: 'a\ufffd' },
    )
    expect(await outcome({ sub: 'a\ud800' })).toBe('28000')
  })
})
