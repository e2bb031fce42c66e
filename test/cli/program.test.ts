import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { runPostern } from './postern.ts'

const cwd = mkdtempSync(join(tmpdir(), 'postern-cli-'))
afterAll(() => rmSync(cwd, { recursive: true }))

const run = (args: string[], env: Record<string, string> = {}) => runPostern(args, { cwd, env })

describe('the command line', () => {
  it('without a command shows its help and exits with 2', async () => {
    const { code, out, err } = await run([])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain('Usage: postern')
  })

  it('shows help with examples for every command and exits with 0', async () => {
    const { code, out } = await run(['config', 'print', '--help'])
    expect(code).toBe(0)
    expect(out).toContain('$ postern config print --json')
    expect(out).toContain('--config <file>')
  })

  it('says what was meant by an unknown command or option, and exits with 2', async () => {
    expect(await run(['confg'])).toMatchObject({
      code: 2,
      err: expect.stringContaining("unknown command 'confg'\n(Did you mean config?)"),
    })
    expect(await run(['config', 'print', '--jsn'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('(Did you mean --json?)'),
    })
  })

  it('says its version', async () => {
    expect(await run(['--version'])).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) })
  })
})

describe('config print', () => {
  it('prints the effective settings with their sources, without colour and without secrets', async () => {
    writeFileSync(join(cwd, 'postern.yml'), 'gateway: { port: 7000 }\nmasterKey: env:KEY\n')
    const { code, out, err } = await run(['config', 'print'], { KEY: 'hunter2', POSTERN_LOG_LEVEL: 'warn' })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/^ {2}port: 7000 +# postern\.yml:1$/m)
    expect(out).toMatch(/^masterKey: "\*\*\*" +# postern\.yml:2$/m)
    expect(out).not.toMatch(/hunter2|\x1b/)
  })

  it('answers in JSON', async () => {
    const { out } = await run(['config', 'print', '--json', '--config', '/dev/null'])
    expect(JSON.parse(out)).toMatchObject({ 'gateway.port': 6432, masterKey: null })
  })

  it('refuses what it does not know, all at once, and exits with 2', async () => {
    writeFileSync(join(cwd, 'bad.yml'), 'gateway: { prot: 7000 }\nlog: { level: loud }\n')
    expect(await run(['config', 'print', '--config', 'bad.yml'], { POSTERN_POOL_SIZE: '1' })).toEqual({
      code: 2,
      out: '',
      err: [
        'postern: The configuration is refused:',
        '  POSTERN_POOL_SIZE: unknown; did you mean POSTERN_POOL_SIZE_MAX?',
        '  bad.yml:1: gateway.prot: unknown key; did you mean gateway.port?',
        '  bad.yml:2: log.level: must be one of debug, info, warn, error',
        '',
      ].join('\n'),
    })
  })
})
