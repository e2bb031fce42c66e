/** Tokens and API keys in place of passwords, by real clients, with all that stands behind the door but the database. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { addApiKey, revokeApiKey } from '../../src/control/api-keys.ts'
import { type ChangeWatch, watchChanges } from '../../src/control/config-version.ts'
import { linkIdentity, unlinkIdentity } from '../../src/control/identities.ts'
import { setUserDisabled } from '../../src/control/users.ts'
import { makeApiKey } from '../../src/identity/api-keys.ts'
import type { Authenticator } from '../../src/identity/authenticator.ts'
import { LoginThrottle } from '../../src/identity/login-throttle.ts'
import { Logins } from '../../src/identity/logins.ts'
import type { Scope } from '../../src/identity/principal.ts'
import { Revocations } from '../../src/serve/revocations.ts'
import type { ControlFixture } from '../control/fixture.ts'
import { authenticatorOf, issuerOptions, peopledControl } from '../identity/fixture.ts'
import { type OpenId, startOpenId } from '../support/openid.ts'
import { type Door, type DoorOptions, openDoor } from './door.ts'
import { RawClient } from './raw-client.ts'

const psqlIsHere = isHere()
const audience = 'https://postern.test/wire'
const alice = { tenant: 'acme', login: 'alice' }
const folder = mkdtempSync(join(tmpdir(), 'postern-tokens-'))

let control: ControlFixture
let openid: OpenId
let authenticator: Authenticator
let door: Door
let watch: ChangeWatch
let revocations: Revocations
let withoutTls: 'never' | 'socket' | 'local' = 'never'

beforeAll(async () => {
  control = await peopledControl()
  openid = await startOpenId()
  await linkIdentity(control.administration, alice, { issuer: openid.issuer, subject: 'alice-1' })
})

afterAll(async () => {
  await openid.close()
  rmSync(folder, { recursive: true })
})

beforeEach(() => {
  withoutTls = 'never'
})

afterEach(async () => {
  revocations.close()
  await watch.close()
  await door.gateway.close(0)
})

async function open(options: DoorOptions = {}): Promise<void> {
  const throttle = new LoginThrottle({ clock: () => performance.now() })
  const { issuer, client } = openid
  const introspection = { endpoint: client.introspection, clientId: client.id, clientSecretFile: null }
  ;({ authenticator } = authenticatorOf(
    control,
    [issuerOptions({ issuer, discovery: true, introspection, cacheMs: 100 })],
    {
      throttle,
      clientSecrets: new Map([[issuer, client.secret]]),
    },
  ))
  const logins = new Logins({ pool: control.service, mockSecret: new Uint8Array(32), clock: Date.now })
  revocations = new Revocations(control.service, authenticator)
  door = await openDoor({
    logins: {
      begin: (address, login) => throttle.begin(address, login),
      find: login => logins.find(login),
      tokens: { withoutTls, check: (token, tenant) => authenticator.check(token, { tenant, audience }) },
    },
    ...options,
  })
  revocations.gateway = door.gateway
  watch = await watchChanges(control.service, async () => {
    logins.forget()
    authenticator.forget()
    await revocations.review()
  })
}

async function keyOf(user: { tenant: string; login: string }, scopes: readonly Scope[] | null = null) {
  const key = makeApiKey()
  await addApiKey(control.administration, { ...user, ...key, scopes, expiresAt: null })
  return key
}

const jwt = (more: Record<string, unknown> = {}) =>
  openid.sign({ sub: 'alice-1', aud: audience, scope: 'data:read', exp: Math.floor(Date.now() / 1000) + 600, ...more })

async function connect(user: string, password: string, o: { ssl?: boolean } = {}): Promise<pg.Client> {
  const ssl = o.ssl === false ? false : { rejectUnauthorized: false }
  const client = new pg.Client({ host: '127.0.0.1', port: door.port, user, password, database: 'crm', ssl })
  client.on('error', () => {})
  await client.connect()
  return client
}

const refusalOf = (user: string, password: string, o: { ssl?: boolean } = {}) =>
  connect(user, password, o).then(
    () => undefined,
    (error: pg.DatabaseError) => ({ code: error.code, message: error.message, severity: error.severity }),
  )

describe.skipIf(!psqlIsHere)('psql', () => {
  it('logs in over TLS with a JWT or an API key for a password', async () => {
    await open()
    const tokens = [
      await jwt(),
      (await keyOf(alice)).text,
      await openid.token({ sub: 'alice-1', audience, scope: 'data:read' }),
    ]
    for (const token of tokens)
      for (const user of ['alice+token@acme', 'token@acme'])
        expect(await psql(`user=${user} sslmode=require`, token)).toEqual({ code: 0, out: '1\n', err: '' })
    expect(door.records[0]).toMatchObject({
      kind: 'login',
      verdict: 'accepted',
      principal: 'alice@acme',
      credential: expect.stringMatching(/^identity:/),
    })
    expect(JSON.stringify([door.records, door.logged])).not.toContain(tokens[1])
  })

  it('is not asked for a token where anybody could listen', async () => {
    await open()
    const key = await keyOf(alice)
    const { code, err } = await psql('user=alice+token@acme sslmode=disable', key.text)
    expect(code).toBe(2)
    expect(err).toContain('FATAL:  a token is taken over TLS only')
    expect(err).toContain('HINT:  Connect with sslmode=require')
  })
})

describe('a token login', () => {
  it('is refused in the same words whatever is wrong, and the log knows what', async () => {
    await open()
    const revoked = await keyOf(alice)
    await revokeApiKey(control.administration, revoked.id)
    const bobs = await keyOf({ tenant: 'acme', login: 'bob' })
    const carols = await keyOf({ tenant: 'globex', login: 'carol' })
    const wrong: readonly (readonly [user: string, token: string, why: RegExp])[] = [
      ['token@acme', 'nonsense', /not valid/],
      ['token@acme', await jwt({ exp: 1 }), /expired/],
      ['token@acme', await jwt({ aud: 'https://other.test' }), /another audience/],
      ['token@acme', revoked.text, /revoked/],
      ['token@acme', carols.text, /not good for tenant "acme"/],
      ['token@nowhere', carols.text, /not good for tenant "nowhere"/],
      ['alice+token@acme', bobs.text, /the token is bob@acme's/],
      ['nobody+token@acme', bobs.text, /the token is bob@acme's/],
    ]
    for (const [user, token, why] of wrong) {
      const message = `password authentication failed for user "${user}"`
      expect(await refusalOf(user, token)).toEqual({ code: '28P01', severity: 'FATAL', message })
      expect(door.records.at(-1)).toMatchObject({
        verdict: 'refused',
        sqlstate: '28P01',
        reason: expect.stringMatching(why),
      })
    }
    expect(JSON.stringify([door.records, door.logged])).not.toMatch(/pk_|nonsense|eyJ/)
  })

  it('needs data:read', async () => {
    await open()
    const refusal = { code: '42501', message: 'the token does not grant data:read' }
    expect(await refusalOf('token@acme', await jwt({ scope: 'knowledge:write' }))).toMatchObject(refusal)
    expect(await refusalOf('token@acme', (await keyOf(alice, ['admin'])).text)).toMatchObject(refusal)
  })

  it('works without TLS only where the settings say so', async () => {
    const key = await keyOf(alice)
    const refused = { code: '28000', message: 'a token is taken over TLS only' }
    withoutTls = 'socket'
    await open({ socketPath: join(folder, '.s.PGSQL.7432') })
    expect(await refusalOf('token@acme', key.text, { ssl: false })).toMatchObject(refused)
    const local = new pg.Client({ host: folder, port: 7432, user: 'token@acme', password: key.text, database: 'crm' })
    await local.connect()
    await local.end()
    await door.gateway.close(0)
    revocations.close()
    await watch.close()
    withoutTls = 'local'
    await open()
    await (await connect('token@acme', key.text, { ssl: false })).end()
  })

  it('is asked for in clear once, and answered once', async () => {
    await open()
    const client = await RawClient.connect(door.port)
    await client.send(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]))
    expect(await client.answer()).toBe('S')
    await client.startTls()
    const body = Buffer.from('user\0token@acme\0database\0crm\0\0')
    const head = Buffer.alloc(8)
    head.writeInt32BE(8 + body.length)
    head.writeInt32BE(196_608, 4)
    await client.send(head, body)
    expect(await client.next()).toEqual({ letter: 'R', body: Buffer.from([0, 0, 0, 3]) })
    const key = await keyOf(alice)
    const word = Buffer.from(`${key.text}\0`)
    const letter = Buffer.alloc(5)
    letter.write('p')
    letter.writeInt32BE(4 + word.length, 1)
    await client.send(letter, word)
    expect((await client.letters()).startsWith('R')).toBe(true)
    client.destroy()
  })

  it('that guesses is slowed down and then refused', async () => {
    await open()
    const codes = await Promise.all(Array.from({ length: 12 }, (_, at) => refusalOf('token@acme', `guess-${at}`)))
    expect(codes.map(refusal => refusal?.code)).toContain('53400')
  })

  it('finds the tenant by its server name', async () => {
    await open({ tenantOf: name => name.split('.')[0] })
    const key = await keyOf(alice)
    const ssl = { rejectUnauthorized: false, servername: 'acme.pg.test' }
    const client = new pg.Client({ host: '127.0.0.1', port: door.port, user: 'token', password: key.text, ssl })
    await client.connect()
    await client.end()
    expect(door.records.at(-1)).toMatchObject({ verdict: 'accepted', principal: 'alice@acme' })
  })
})

describe('what is open', () => {
  /** @returns when it ended, in milliseconds from now */
  async function endOf(client: pg.Client, act: () => Promise<unknown>): Promise<number> {
    const ended = new Promise<void>(resolve => client.on('end', () => resolve()))
    await act()
    const actedAt = performance.now()
    await ended
    return performance.now() - actedAt
  }

  it('ends within a second of the revocation of its key, and nothing else does', async () => {
    await open()
    const [one, other] = [await keyOf(alice), await keyOf(alice)]
    const [first, second] = [await connect('alice+token@acme', one.text), await connect('token@acme', other.text)]
    expect(await endOf(first, () => revokeApiKey(control.administration, one.id))).toBeLessThan(1_000)
    expect((await second.query('select 1')).rows).toHaveLength(1)
    await second.end()
  })

  it('ends within a second of its expiry, of its link, of its user', async () => {
    await open()
    const user = { tenant: 'acme', login: 'alice' }
    const subject = { issuer: openid.issuer, subject: 'alice-1' }
    const linked = await connect('token@acme', await jwt())
    expect(await endOf(linked, () => unlinkIdentity(control.administration, user, subject))).toBeLessThan(1_000)
    await linkIdentity(control.administration, user, subject)
    const enabled = await vi.waitFor(async () => connect('token@acme', await jwt()))
    expect(await endOf(enabled, () => setUserDisabled(control.administration, user, true))).toBeLessThan(1_000)
    await setUserDisabled(control.administration, user, false)
  })

  it('ends soon after its issuer has called its token back', async () => {
    await open()
    const token = await openid.token({ sub: 'alice-1', audience, scope: 'data:read', opaque: true })
    const client = await connect('token@acme', token)
    expect(await endOf(client, () => openid.revoke(token))).toBeLessThan(1_500)
  })
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function psql(settings: string, password: string): Promise<Ended> {
  const target = `host=127.0.0.1 port=${door.port} dbname=crm ${settings}`
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', PGPASSWORD: password }
  const args = ['-X', '-A', '-t', '-d', target, '-c', 'select 1']
  return ending(spawn('psql', args, { env, stdio: ['ignore', 'pipe', 'pipe'] }))
}

function ending(child: ChildProcess): Promise<Ended> {
  let out = ''
  let err = ''
  child.stdout?.on('data', chunk => (out += chunk))
  child.stderr?.on('data', chunk => (err += chunk))
  return new Promise(resolve => child.on('close', code => resolve({ code, out, err })))
}

function isHere(): boolean {
  try {
    execFileSync('psql', ['--version'])
    return true
  } catch {
    return false
  }
}
