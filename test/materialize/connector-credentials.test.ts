/** What connectors show to their providers: sealed, made anew once, and every failure said apart. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest'
import {
  addConnector,
  findConnector,
  listConnectors,
  removeConnector,
  setConnector,
} from '../../src/control/connectors.ts'
import { resealAll } from '../../src/control/sealed.ts'
import { findTenant } from '../../src/control/tenants.ts'
import { createSealer } from '../../src/identity/sealing.ts'
import { ConnectorAuth, encodeStored, type StoredCredentials } from '../../src/materialize/connector-auth.ts'
import { ConnectorCredentials } from '../../src/materialize/connector-credentials.ts'
import { parseConnectorType } from '../../src/materialize/connector-types.ts'
import { auditRows, type ControlFixture, controlPool } from '../control/fixture.ts'
import { peopledControl } from '../identity/fixture.ts'

const secretText = 'swordfish-7f3a'
let control: ControlFixture
let endpoint: Server
let tokenUrl: string
const asked: { authorization: string | undefined; body: URLSearchParams }[] = []
/** What the token endpoint says next. */
let answer: () => { status: number; body: unknown } = () => ({ status: 500, body: {} })

beforeAll(async () => {
  control = await peopledControl()
  endpoint = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    asked.push({ authorization: request.headers.authorization, body: new URLSearchParams(text) })
    const { status, body } = answer()
    // Long enough for whoever else wants to ask.
    setTimeout(() => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }, 50)
  })
  await new Promise<void>(resolve => endpoint.listen(0, '127.0.0.1', resolve))
  tokenUrl = `http://127.0.0.1:${(endpoint.address() as AddressInfo).port}/token`
})
afterAll(() => void endpoint.close())
afterEach(() => void asked.splice(0))

const typeText = `name: crm
auth:
  none: {}
  bearer: {}
  basic: {}
  client-credentials: { token_url: "{{ knobs.token_url }}", scopes: [read, list] }
  oauth: { authorization_url: "https://x.example", token_url: "{{ knobs.token_url }}" }
base_url: https://crm.example
fixed: [token_url]
knobs: { properties: { token_url: { type: string } } }`

function crm() {
  const read = parseConnectorType(typeText, 'crm.yml', '/crm')
  if ('faults' in read) throw new Error(read.faults.join())
  return read.value
}

/** A process of its own, as far as a pool makes one. */
function credentials(o: { sealer?: ControlFixture['administration']['sealer']; nowMs?: number } = {}) {
  const registry = { refresh: async () => {}, connectorType: () => crm() }
  const pool = controlPool(control.database, 'service')
  const sealer = o.sealer ?? control.administration.sealer
  return new ConnectorCredentials({ control: pool, sealer, registry, now: () => o.nowMs ?? Date.now() })
}

let count = 0
async function add(stored: StoredCredentials | undefined, tenant = 'acme') {
  const name = `c${++count}`
  const credential = stored === undefined ? undefined : encodeStored(stored)
  return await addConnector(control.administration, {
    tenant,
    name,
    type: 'crm',
    knobs: { token_url: tokenUrl },
    credential,
  })
}

const oauth = (o: Partial<Extract<StoredCredentials, { kind: 'oauth' }>> = {}): StoredCredentials => ({
  kind: 'oauth',
  clientId: 'postern',
  clientSecret: secretText,
  accessToken: 'old',
  refreshToken: 'refresh-1',
  expiresAtMs: Date.now() - 1000,
  ...o,
})

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
    return 'none'
  } catch (error) {
    return error instanceof ConnectorAuth
      ? error.failure
      : error instanceof Error && 'code' in error
        ? error.code
        : error
  }
}
const stateOf = async (name: string) => (await findConnector(control.service, 'acme', name)).state

describe('credentials', () => {
  it('are what was given, and nobody sees them on the way', async () => {
    const bearer = await add({ kind: 'bearer', token: secretText })
    const basic = await add({ kind: 'basic', user: 'alice', password: secretText })
    const none = await add({ kind: 'none' })
    expect(bearer).toMatchObject({ state: 'connected', auth: 'bearer' })
    expect(await credentials().read(bearer.id)).toEqual({ kind: 'bearer', token: secretText })
    expect(await credentials().read(basic.id)).toEqual({ kind: 'basic', user: 'alice', password: secretText })
    expect(await credentials().read(none.id)).toEqual({ kind: 'none' })
    const rows = await control.owner.query(`select row_to_json(x)::text as row from postern.connectors x
      union all select row_to_json(x)::text from postern.connector_credential x`)
    const kept = JSON.stringify([rows.rows, await auditRows(control.owner, 'detail'), bearer, basic])
    expect(kept).toContain('connector add')
    expect(kept).not.toContain(secretText)
  })

  it('are of one tenant: another has none of that name', async () => {
    const mine = await add({ kind: 'none' })
    const theirs = await addConnector(control.administration, { tenant: 'globex', name: mine.name, type: 'crm' })
    expect(theirs.id).not.toBe(mine.id)
    const globex = await findTenant(control.service, 'globex')
    expect((await listConnectors(control.service, globex.id)).map(({ name }) => name)).toEqual([mine.name])
    await removeConnector(control.administration, 'globex', mine.name)
    expect(await stateOf(mine.name)).toBe('connected')
    await expect(findConnector(control.service, 'globex', mine.name)).rejects.toMatchObject({ code: '42704' })
  })

  it('that are missing, undecipherable, refused or expired are told apart', async () => {
    const missing = await add(undefined)
    expect(missing.state).toBe('not_connected')
    expect(await failureOf(credentials().read(missing.id))).toBe('missing')
    const bearer = await add({ kind: 'bearer', token: secretText })
    const other = createSealer(new Uint8Array(32).fill(9))
    const error = await credentials({ sealer: other })
      .read(bearer.id)
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ failure: 'undecipherable', code: 'XX001', connector: bearer.name })
    expect(await failureOf(credentials().refreshed(bearer.id, { kind: 'bearer', token: secretText }))).toBe('refused')
    expect(await stateOf(bearer.name)).toBe('refused')
    const expired = await add(oauth({ refreshToken: null }))
    expect(await failureOf(credentials().read(expired.id))).toBe('expired')
    expect(await stateOf(expired.name)).toBe('expired')
    await setConnector(control.administration, {
      tenant: 'acme',
      name: bearer.name,
      credential: encodeStored({ kind: 'bearer', token: 'new' }),
    })
    expect(await findConnector(control.service, 'acme', bearer.name)).toMatchObject({ state: 'connected', fault: null })
    expect(await credentials().refreshed(bearer.id, { kind: 'bearer', token: secretText })).toEqual({
      kind: 'bearer',
      token: 'new',
    })
  })
})

describe('a token that has expired', () => {
  it('is made anew once, however many ask, in however many processes', async () => {
    const { id } = await add(oauth())
    let issued = 0
    answer = () => ({
      status: 200,
      body: { access_token: `new-${++issued}`, refresh_token: 'refresh-2', expires_in: 3600 },
    })
    const processes = [credentials(), credentials(), credentials()]
    const tokens = await Promise.all(processes.flatMap(one => [one.read(id), one.read(id), one.read(id)]))
    expect(new Set(tokens.map(token => token.kind === 'oauth' && token.accessToken))).toEqual(new Set(['new-1']))
    expect(asked).toHaveLength(1)
    expect(asked[0]?.authorization).toBe(`Basic ${Buffer.from(`postern:${secretText}`).toString('base64')}`)
    expect(Object.fromEntries(asked[0]!.body)).toEqual({ grant_type: 'refresh_token', refresh_token: 'refresh-1' })
    await credentials().refreshed(id, { kind: 'oauth', accessToken: 'new-1', expiresAt: null })
    expect(asked[1]?.body.get('refresh_token')).toBe('refresh-2')
    // Somebody who was refused with the one before gets the one that there is.
    expect(await credentials().refreshed(id, { kind: 'oauth', accessToken: 'new-1', expiresAt: null })).toMatchObject({
      accessToken: 'new-2',
    })
    expect(asked).toHaveLength(2)
  })

  it.each([
    ['the refresh token is not taken', 400, { error: 'invalid_grant' }, 'expired', 'expired'],
    ['the client is not taken', 401, { error: 'invalid_client' }, 'refused', 'refused'],
    ['the provider is away', 503, {}, '08006', 'connected'],
    ['the provider talks nonsense', 200, { token: 'x' }, '08006', 'connected'],
  ])('stays so where %s', async (_, status, body, failure, state) => {
    const { id, name } = await add(oauth())
    answer = () => ({ status, body })
    expect(await failureOf(credentials().read(id))).toBe(failure)
    expect(await stateOf(name)).toBe(state)
  })

  it('is used while it lasts where another cannot be had', async () => {
    const { id } = await add(oauth({ expiresAtMs: Date.now() + 30_000 }))
    answer = () => ({ status: 503, body: {} })
    expect(await credentials().read(id)).toMatchObject({ accessToken: 'old' })
  })

  it('says nothing of what the provider said about it', async () => {
    const { id, name } = await add(oauth())
    answer = () => ({ status: 400, body: { error: 'invalid_grant', error_description: `refresh-1 of ${secretText}` } })
    const error = await credentials()
      .read(id)
      .catch((thrown: unknown) => thrown)
    const row = await findConnector(control.service, 'acme', name)
    expect(
      `${error instanceof ConnectorAuth ? [error.message, error.hint, error.cause, error.stack] : ''} ${JSON.stringify(row)}`,
    ).not.toMatch(/refresh-1|swordfish/)
  })
})

test('client credentials get a token when they are first used', async () => {
  const { id } = await add({
    kind: 'client-credentials',
    clientId: 'a',
    clientSecret: 'b',
    accessToken: null,
    expiresAtMs: null,
  })
  answer = () => ({ status: 200, body: { access_token: 'machine', expires_in: 3600 } })
  expect(await credentials().read(id)).toMatchObject({ kind: 'oauth', accessToken: 'machine' })
  expect(await credentials().read(id)).toMatchObject({ accessToken: 'machine' })
  expect(asked.map(({ body }) => Object.fromEntries(body))).toEqual([
    { grant_type: 'client_credentials', scope: 'read list' },
  ])
})

test('a rotation of the master key seals them anew', async () => {
  const { id } = await add({ kind: 'bearer', token: secretText })
  const old = new Uint8Array(32).fill(7)
  const next = createSealer(new Uint8Array(32).fill(8), [old])
  expect(await resealAll({ ...control.administration, pool: control.owner, sealer: next }, next)).toBeGreaterThan(0)
  const onlyNew = createSealer(new Uint8Array(32).fill(8))
  expect(await credentials({ sealer: onlyNew }).read(id)).toEqual({ kind: 'bearer', token: secretText })
  expect(await failureOf(credentials().read(id))).toBe('undecipherable')
})
