/** Tokens by people who know everything but the provider's private key. */
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { exportJWK, exportSPKI, importJWK, SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { linkIdentity } from '../../src/control/identities.ts'
import type { Authenticator } from '../../src/identity/authenticator.ts'
import { type OpenId, startOpenId } from '../support/openid.ts'
import { asked, audience, authenticatorOf, issuerOptions, peopledControl } from './fixture.ts'

let openid: OpenId
let authenticator: Authenticator

beforeAll(async () => {
  const control = await peopledControl()
  openid = await startOpenId()
  ;({ authenticator } = authenticatorOf(control, [issuerOptions({ issuer: openid.issuer, discovery: true })]))
  const alice = { tenant: 'acme', login: 'alice' }
  await linkIdentity(control.administration, alice, { issuer: openid.issuer, subject: 'alice-1' })
})

afterAll(() => openid.close())

const good = () => ({
  sub: 'alice-1',
  aud: audience,
  exp: Math.floor(Date.now() / 1000) + 3_600,
  scope: 'data:read',
})

test('a token that is not forged is good', async () => {
  expect((await authenticator.authenticate(await openid.sign(good()), asked)).login).toBe('alice@acme')
})

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

async function forgeries(): Promise<readonly (readonly [name: string, token: string])[]> {
  const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ownJwk = await exportJWK(own.publicKey)
  const { kid } = openid.publicKey()
  const claims = { iss: openid.issuer, ...good() }
  const byOwn = (header: Record<string, unknown>) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', ...header }).sign(own.privateKey)
  const publicKey = await importJWK(openid.publicKey(), 'RS256', { extractable: true })
  const pem = publicKey instanceof Uint8Array ? '' : await exportSPKI(publicKey)
  const hmac = (key: string, header: object) => {
    const signed = `${encode(header)}.${encode(claims)}`
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`
  }
  const real = await openid.sign(good())
  const [head, , signature] = real.split('.')
  return [
    ['no algorithm', `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`],
    ['no algorithm, in capitals', `${encode({ alg: 'NONE', kid })}.${encode(claims)}.`],
    ['none, with a signature', `${encode({ alg: 'none', kid })}.${encode(claims)}.${signature}`],
    ['HS256 by the public key in PEM', hmac(pem, { alg: 'HS256', kid })],
    ['HS256 by the modulus', hmac(openid.publicKey().n ?? '', { alg: 'HS256', kid })],
    ['HS256 by nothing', hmac('', { alg: 'HS256', kid })],
    ['another key under the right kid', await byOwn({ kid })],
    ['another key under another kid', await byOwn({ kid: 'mine' })],
    ['another key and no kid', await byOwn({})],
    ['a kid that is a path', await byOwn({ kid: '../../../../dev/null' })],
    ['a kid that is SQL', await byOwn({ kid: "' or '1'='1" })],
    ['a key brought along', await byOwn({ kid, jwk: ownJwk })],
    ['a JWKS of his own', await byOwn({ kid, jku: 'http://127.0.0.1:9/jwks' })],
    ['a certificate of his own', await byOwn({ kid, x5u: 'http://127.0.0.1:9/cert', x5c: ['MIIB'] })],
    ['something critical', await openid.sign(good(), { crit: ['postern'], postern: 1 })],
    ['other claims under a good signature', `${head}.${encode({ ...claims, sub: 'bob-1' })}.${signature}`],
    ['a logout token', await openid.sign(good(), { typ: 'logout+jwt' })],
    ['a token of ours by type', await openid.sign(good(), { typ: 'postern-user+jwt' })],
    ['ours by issuer, too', await openid.sign({ ...good(), iss: 'urn:postern' }, { typ: 'postern-user+jwt' })],
    ['no signature', `${head}.${encode(claims)}.`],
    ['no JSON', `${head}.bm90IGpzb24.${signature}`],
    ['nothing', ''],
    ['two dots', '..'],
    ['a line break', `${real}\n`],
    ['far too much', `${real}${'A'.repeat(20_000)}`],
  ]
}

test('forged tokens are invalid, every one', async () => {
  const fetches = vi.spyOn(globalThis, 'fetch')
  for (const [name, token] of await forgeries()) {
    const refusal = await authenticator
      .authenticate(token, { ...asked, address: `forger of ${name}` })
      .catch(error => error)
    expect(refusal, name).toMatchObject({ code: '28000', message: 'the token is not valid' })
  }
  const elsewhere = fetches.mock.calls.map(([url]) => String(url)).filter(url => !url.startsWith(openid.issuer))
  expect(elsewhere).toEqual([])
  fetches.mockRestore()
})

test('unknown keys are looked for once in a while, however often they are named', async () => {
  const before = openid.jwksFetches()
  for (let i = 0; i < 20; i++) {
    const token = await openid.sign(good(), { kid: `unknown-${i}` })
    await expect(authenticator.check(token, asked)).rejects.toThrow(/not valid/)
  }
  expect(openid.jwksFetches() - before).toBeLessThanOrEqual(1)
})
