import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { plainSettings, printSettings, settingsTable } from '../../src/config/print.ts'
import { loadConfig, settings } from '../../src/config.ts'
import { SqlError } from '../../src/errors.ts'
import { defaultLimits } from '../../src/guard/policy.ts'

const folder = mkdtempSync(join(tmpdir(), 'postern-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(text: string): string {
  const path = join(folder, 'postern.yml')
  writeFileSync(path, text)
  return path
}

function faultsOf(text: string, environment: Record<string, string> = {}): string[] {
  try {
    loadConfig(file(text), environment)
  } catch (error) {
    if (!(error instanceof SqlError)) throw error
    expect(error.code).toBe('F0000')
    return error.message.split('\n  ').slice(1)
  }
  return []
}

describe('settings', () => {
  it('have defaults for everything, the limits those of the guard', () => {
    const { config } = loadConfig(file(''), {})
    expect(config.gateway).toMatchObject({ host: '127.0.0.1', port: 6432, tls: { cert: null, key: null } })
    expect(config.limits).toEqual(defaultLimits)
    expect(config.control.url).toBeNull()
  })

  it('come from the file, and the environment wins', () => {
    const { config, said } = loadConfig(
      file('gateway:\n  port: 7000\n  ignoreStartupParameters: [a, b]\nlimits: { rowsMax: 5 }'),
      {
        POSTERN_GATEWAY_PORT: '7001',
        POSTERN_LIMITS_ROWS_MAX: '6',
        POSTERN_GATEWAY_REQUIRE_TLS: 'false',
        PATH: '/bin',
      },
    )
    expect(config.gateway.port).toBe(7001)
    expect(config.gateway.ignoreStartupParameters).toEqual(['a', 'b'])
    expect(config.limits.rowsMax).toBe(6)
    expect(said('gateway.port')).toBe('POSTERN_GATEWAY_PORT')
    expect(said('gateway.ignoreStartupParameters')).toBe('postern.yml:3')
    expect(said('gateway.host')).toBeUndefined()
  })

  it('take lists from the environment by commas', () => {
    expect(
      loadConfig(file(''), { POSTERN_GATEWAY_IGNORE_STARTUP_PARAMETERS: 'a, b' }).config.gateway
        .ignoreStartupParameters,
    ).toEqual(['a', 'b'])
  })

  it('live with what demo.env put into the shell', () => {
    expect(() => loadConfig(file(''), { POSTERN_BOB_PASSWORD: 'x', POSTERN_DIRECT_URL: 'y' })).not.toThrow()
  })

  it('may be in a file that POSTERN_CONFIG names, which then must exist', () => {
    expect(loadConfig(undefined, { POSTERN_CONFIG: file('gateway: { port: 7002 }') }).config.gateway.port).toBe(7002)
    expect(() => loadConfig(undefined, { POSTERN_CONFIG: join(folder, 'absent.yml') })).toThrow(/absent\.yml: ENOENT/)
  })
})

describe('faults', () => {
  it('are all told at once, each with its place and the nearest known name', () => {
    const text = [
      'gateway:',
      '  prot: 3',
      '  tls: { cert: a.pem }',
      '  requireTls: yes',
      'pord: 1',
      'zebra: 1',
      'masterKey: hello',
      'limits: { rowMax: 5, bytesMax: abc, pushdown: on }',
      'control: { url: "postgres://a:b@c/d" }',
      'pool: 7',
      'log: { level: loud }',
    ].join('\n')
    const environment = {
      POSTERN_GATEWAY_PRT: '4',
      POSTERN_POOL_SIZE_MAX: 'x',
      POSTERN_POOL_TOTAL_MAX: '0',
      POSTERN_QUUX: '1',
    }
    expect(faultsOf(text, environment).join('\n')).toMatchInlineSnapshot(`
      "postern.yml:7: masterKey: a secret may not stand in this file; write file:<path> or env:<NAME>, or set POSTERN_MASTER_KEY
      postern.yml:9: control.url: an address with a password may not stand in this file; write file:<path> or env:<NAME>, or set POSTERN_CONTROL_URL
      POSTERN_GATEWAY_PRT: unknown; did you mean POSTERN_GATEWAY_PORT?
      POSTERN_POOL_SIZE_MAX: must be a whole number
      POSTERN_QUUX: unknown; postern config print lists all
      postern.yml:3: gateway.tls: needs both cert and key
      postern.yml:4: gateway.requireTls: must be true or false
      postern.yml:2: gateway.prot: unknown key; did you mean gateway.port?
      postern.yml:10: pool: must be a group of settings
      postern.yml:8: limits.bytesMax: must be a whole number
      postern.yml:8: limits.pushdown: must be one of auto, off
      postern.yml:8: limits.rowMax: unknown key; did you mean limits.rowsMax?
      postern.yml:11: log.level: must be one of debug, info, warn, error
      postern.yml:5: pord: unknown key; did you mean gateway.port?
      postern.yml:6: zebra: unknown key; known here: dataDir, masterKey, masterKeyPrevious, control, gateway, pool, limits, rates, redis, schemas, materialize, catalog, semantic, audit, log, identity, mcp"
    `)
  })

  it('of YAML itself are told by line', () => {
    expect(faultsOf('gateway: { port: 1\nlog: [')).toMatchInlineSnapshot(`
      [
        "postern.yml:2: Flow map in block collection must be sufficiently indented and end with a }",
        "postern.yml:2: Flow sequence in block collection must be sufficiently indented and end with a ]",
      ]
    `)
    expect(faultsOf('- a\n- b')).toMatchInlineSnapshot(`
      [
        "postern.yml: must be a mapping of settings, such as "gateway: { port: 6432 }"",
      ]
    `)
    expect(faultsOf('log: {}\nlog: {}')).toMatchInlineSnapshot(`
      [
        "postern.yml:2: Map keys must be unique",
      ]
    `)
  })

  it('never repeat a secret', () => {
    const said = faultsOf('masterKey: hunter2\ncontrol: { url: "postgres://a:hunter2@c/d" }', {
      POSTERN_LOG_LEVEL: 'x',
    })
    expect(said.join()).not.toContain('hunter2')
  })
})

describe('secrets', () => {
  it('are read from a file beside postern.yml, from another variable, or from the environment as they are', () => {
    writeFileSync(join(folder, 'key'), 'from a file\n')
    chmodSync(join(folder, 'key'), 0o600)
    expect(loadConfig(file('masterKey: file:key'), {}).config.masterKey?.reveal()).toBe('from a file')
    expect(loadConfig(file('masterKey: env:OTHER'), { OTHER: 'from there' }).config.masterKey?.reveal()).toBe(
      'from there',
    )
    expect(loadConfig(file(''), { POSTERN_MASTER_KEY: 'as it is' }).config.masterKey?.reveal()).toBe('as it is')
  })

  it('must be there where a reference says so', () => {
    expect(faultsOf('masterKey: env:NOPE')).toEqual([
      'postern.yml:1: masterKey: env:NOPE: no such environment variable',
    ])
    expect(faultsOf('masterKey: file:nope')[0]).toMatch(/postern\.yml:1: masterKey: ENOENT/)
  })

  it('may stay out of an address', () => {
    expect(loadConfig(file('control: { url: postgres://a@c/d }'), {}).config.control.url?.reveal()).toBe(
      'postgres://a@c/d',
    )
  })

  it('do not show when printed, logged or inspected', () => {
    const { config, said } = loadConfig(file(''), {
      POSTERN_MASTER_KEY: 'hunter2',
      POSTERN_CONTROL_URL: 'postgres://a:hunter2@c/d?sslpassword=hunter2',
    })
    const shown = [
      printSettings(config, settings, said),
      JSON.stringify(plainSettings(config, settings)),
      JSON.stringify(config),
      inspect(config, { depth: 9 }),
      `${config.masterKey}`,
    ]
    for (const text of shown) expect(text).not.toContain('hunter2')
    expect(shown[0]).toContain('url: postgres://a:***@c/d?sslpassword=***')
  })
})

it('prints what can be read again, with the source of each value', () => {
  const { config, said } = loadConfig(file('gateway: { port: 7000 }'), { POSTERN_LOG_LEVEL: 'debug' })
  const printed = printSettings(config, settings, said)
  expect(printed).toMatch(/^ {2}port: 7000 +# postern\.yml:1$/m)
  expect(printed).toMatch(/^ {2}level: debug +# POSTERN_LOG_LEVEL$/m)
  expect(loadConfig(file(printed), {}).config).toEqual(config)
})

it('lists every setting in the table with a description', () => {
  const table = settingsTable(loadConfig(file(''), {}).config, settings)
  expect(table).toContain('| `gateway.port` | `POSTERN_GATEWAY_PORT` | `6432` | Port to listen on. |')
  for (const leaf of settings) expect(leaf.description, leaf.key).not.toBe('')
})
