/** Connectors and pipelines from the command line, as an operator uses it: processes of their own, a real provider. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { migrateQueue } from '../../src/worker/queue.ts'
import { runPostern, startPostern } from '../cli/postern.ts'
import { auditRows, type ControlFixture } from '../control/fixture.ts'
import { peopledControl } from '../identity/fixture.ts'
import { logIn, nativeClient, type OpenId, startOpenId } from '../support/openid.ts'

let control: ControlFixture
let provider: OpenId
let cwd: string
let env: Record<string, string>
beforeAll(async () => {
  control = await peopledControl()
  await migrateQueue(control.owner)
  provider = await startOpenId()
  cwd = mkdtempSync(join(tmpdir(), 'postern-connector-'))
  env = {
    POSTERN_CONTROL_URL: control.database.url,
    POSTERN_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
    CRM_TOKEN: 'swordfish-7f3a',
    CLIENT_SECRET: nativeClient.secret,
  }
  mkdirSync(join(cwd, 'connectors/hq'), { recursive: true })
  mkdirSync(join(cwd, 'pipelines'))
  writeFileSync(
    join(cwd, 'connectors/hq/connector.yml'),
    `name: hq
auth:
  oauth:
    authorization_url: ${provider.issuer}/auth
    token_url: ${provider.issuer}/token
    scopes: [openid]
    parameters: { login_hint: alice, resource: https://hq.example }
base_url: https://hq.example/api
`,
  )
  writeFileSync(
    join(cwd, 'pipelines/shop.yml'),
    'pipeline: shop\ndescription: Orders.\nconnector: rest\nsources:\n  - { name: orders, endpoint: /orders }\n',
  )
  writeFileSync(join(cwd, 'pipelines/broken.yml'), 'pipeline: broken\nconnector: rest\nsource: []\n')
})
afterAll(async () => {
  await provider.close()
  rmSync(cwd, { recursive: true })
})

const postern = (...args: string[]) => runPostern(args, { cwd, env })

test('a connector is added with its secret from a variable or standard input, shown without it, and removed', async () => {
  const base = ['connector', 'add', 'crm', '--tenant', 'acme', '--type', 'rest']
  const bare = await postern(...base)
  expect(bare.err).toContain('base_url')
  const leaky = await postern(
    ...base,
    '--set',
    'base_url=https://crm.example',
    '--auth',
    'bearer',
    '--secret',
    'swordfish',
  )
  expect([leaky.code, leaky.err.includes('env:NAME')]).toEqual([2, true])
  const plain = await postern(...base, '--set', 'base_url=http://crm.example', '--auth', 'none')
  expect(plain.err).toContain('is not https')
  const open = await postern(...base, '--set', 'base_url=https://a:swordfish@crm.example', '--auth', 'none')
  expect([open.code, open.err.includes('swordfish')]).toEqual([2, false])
  const added = await postern(
    ...base,
    '--set',
    'base_url=https://crm.example/v1',
    '--auth',
    'bearer',
    '--secret',
    'env:CRM_TOKEN',
  )
  expect(added.out).toContain('connector crm (rest): added\n  address https://crm.example/v1')
  const given = await runPostern(
    ['connector', 'set', 'crm', '--tenant', 'acme', '--auth', 'header', '--header', 'X-Key', '--secret', '-'],
    { cwd, env, input: 'swordfish-7f3b\n' },
  )
  expect(given.out).toContain('connector crm (rest): set')
  const checked = await postern('connector', 'show', 'crm', '--tenant', 'acme', '--check', '--json')
  expect(JSON.parse(checked.out)).toMatchObject({
    state: 'connected',
    auth: 'header',
    hosts: ['crm.example'],
    failure: null,
  })
  expect((await postern('connector', 'list', '--tenant', 'acme')).out).toMatch(/crm +rest +connected +header/)
  expect((await postern('connector', 'list', '--tenant', 'globex')).out).not.toContain('crm')
  const records = JSON.stringify(await auditRows(control.owner, 'detail'))
  expect(records).toContain('connector set')
  expect(records + checked.out + added.out).not.toContain('swordfish')

  expect((await postern('pipeline', 'list')).out).toContain(
    'pipelines/broken.yml:3: source: unknown key; did you mean sources?',
  )
  expect((await postern('pipeline', 'validate')).code).toBe(1)
  expect((await postern('pipeline', 'validate', 'pipelines/shop.yml')).out).toBe('shop: no fault found\n')
  expect((await postern('pipeline', 'show', 'shop')).out).toMatch(/orders +orders +rest +replace +- +inferred/)
  const set = ['pipeline', 'configure', 'shop', '--tenant', 'acme']
  const wrong = await postern(...set, '--set', 'base_url=https://evil.example')
  expect([wrong.code, wrong.err.includes('base_url')]).toEqual([2, true])
  expect((await postern(...set, '--set', 'entities=["orders"]', '--set', 'schedule=0 3 * * *')).code).toBe(0)
  const listed = await postern('pipeline', 'list', '--tenant', 'acme')
  expect(listed.out).toMatch(/shop +crm +connected +- +\{"entities":\["orders"\],"schedule":"0 3 \* \* \*"\}/)
  expect((await postern('pipeline', 'list', '--tenant', 'globex')).out).not.toContain('shop')

  expect((await postern('connector', 'remove', 'crm', '--tenant', 'acme')).code).toBe(0)
  expect((await postern('connector', 'show', 'crm', '--tenant', 'acme')).err).toContain('(42704)')
})

/** Follows the address that the command prints, as a person's browser does. */
async function connect(answer: (redirect: string, address: string) => Promise<unknown>) {
  const args = [
    'connector',
    'connect',
    'hq',
    '--tenant',
    'acme',
    '--client-id',
    nativeClient.id,
    '--client-secret',
    'env:CLIENT_SECRET',
  ]
  const child = startPostern(args, { cwd, env })
  let said = ''
  let out = ''
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString()
  })
  const ended = new Promise<number | null>(resolve => child.on('close', code => resolve(code)))
  const redirect = await new Promise<string>(resolve => {
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const found = /redirect address (\S+)/.exec(said)?.[1]
      if (found !== undefined) resolve(found)
    })
    void ended.then(() => resolve(''))
  })
  await answer(redirect, /^ {2}(http\S+)$/m.exec(said)?.[1] ?? '')
  return { code: await ended, out, said }
}

test('a person connects it in his browser; two processes that need another token get one between them', async () => {
  const added = await postern('connector', 'add', 'hq', '--tenant', 'acme', '--type', 'hq')
  expect(added.out).toContain('connector connect hq --tenant')
  const refused = await connect(async (redirect, address) => {
    const state = new URL(address).searchParams.get('state') ?? ''
    expect((await fetch(`${redirect}?code=stolen&state=guessed`)).status).toBe(404)
    expect((await fetch(`${redirect}?error=access_denied&state=${state}`)).status).toBe(200)
  })
  expect([refused.code, refused.said.includes('access_denied')]).toEqual([1, true])
  const done = await connect(async (redirect, address) => {
    expect(new URL(address).searchParams.get('code_challenge_method')).toBe('S256')
    const page = await fetch(`${redirect}?${await logIn(address)}`)
    expect(await page.text()).toContain('Connected.')
  })
  expect(done.said).not.toContain(nativeClient.secret)
  expect([done.code, done.out]).toEqual([0, expect.stringContaining('connector hq (hq): connected')])
  const before = await sealed()
  expect(before).not.toContain('oauth')

  await control.owner.query(`update postern.connector set state = 'connected'`)
  await expire()
  const check = ['connector', 'show', 'hq', '--tenant', 'acme', '--check', '--json']
  const both = await Promise.all([postern(...check), postern(...check)])
  // A refresh token that is shown twice takes the whole grant away: this provider would tell.
  for (const { out, err } of both) expect([JSON.parse(out).failure, err]).toEqual([null, ''])
  expect(await sealed()).not.toBe(before)
  await expire()
  expect(JSON.parse((await postern(...check)).out)).toMatchObject({ state: 'connected', failure: null })
})

async function sealed(): Promise<string> {
  const read = await control.owner.query('select secret_sealed from postern.connector_credential')
  return read.rows[0]?.secret_sealed
}

/** As if an hour had gone by. */
async function expire(): Promise<void> {
  const { sealer } = control.administration
  const read = await control.owner.query('select id, secret_sealed from postern.connector_credential')
  const { id, secret_sealed } = read.rows[0] ?? {}
  const context = `connector_credential/${id}/secret`
  const stored = { ...JSON.parse(sealer.open(secret_sealed, context)), expiresAtMs: Date.now() - 1000 }
  await control.owner.query('update postern.connector_credential set secret_sealed = $1', [
    sealer.seal(JSON.stringify(stored), context),
  ])
}
