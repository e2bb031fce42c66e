import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import { type Door, type DoorOptions, openDoor } from './door.ts'

const psqlIsHere = isHere()
if (!psqlIsHere) console.log('psql is not installed: the door is not tried with it')

let door: Door

async function open(options: DoorOptions = {}): Promise<void> {
  door = await openDoor(options)
}

afterEach(() => door.gateway.close(0))

describe.skipIf(!psqlIsHere)('psql', () => {
  it.each([
    ['sslmode=disable'],
    ['sslmode=prefer'],
    ['sslmode=require channel_binding=require'],
    ['sslmode=require channel_binding=disable'],
  ])('logs in and asks with %s', async settings => {
    await open()
    expect(await psql(settings, 'select 1')).toEqual({ code: 0, out: '1\n', err: '' })
    expect(door.sessions[0]?.request.client.applicationName).toBe('psql')
  })

  it('is let in without TLS where there is none', async () => {
    await open({ tls: null })
    expect(await psql('sslmode=prefer', 'select 1')).toMatchObject({ code: 0, out: '1\n' })
    expect(await psql('sslmode=require', 'select 1')).toMatchObject({
      code: 2,
      err: expect.stringContaining('does not support SSL'),
    })
  })

  it('understands every refusal', async () => {
    await open({ requireTls: true })
    expect((await psql('sslmode=require', 'select 1', { PGPASSWORD: 'wrong' })).err).toContain(
      'FATAL:  password authentication failed for user "alice@acme"',
    )
    expect((await psql('sslmode=require dbname=nowhere', 'select 1')).err).toContain(
      'FATAL:  database "nowhere" does not exist',
    )
    expect((await psql('sslmode=disable', 'select 1')).err).toContain('HINT:  Connect with sslmode=require')
    expect((await psql('sslmode=require', 'select 1', { PGOPTIONS: '-c role=postgres' })).err).toContain(
      'parameter "role" cannot be set here',
    )
    expect((await psql('sslmode=require', 'select 1', { PGCLIENTENCODING: 'LATIN1' })).err).toContain(
      'PGCLIENTENCODING=UTF8',
    )
  })

  it('brings its environment along', async () => {
    await open()
    const environment = {
      LC_ALL: 'C',
      PGOPTIONS: '-c statement_timeout=5s -c search_path=a\\ b',
      PGAPPNAME: 'mine',
      PGCLIENTENCODING: 'SQL_ASCII',
    }
    expect(await psql('sslmode=require', 'select 1', environment)).toMatchObject({ code: 0 })
    expect(door.sessions[0]?.request.startupSettings).toEqual([
      ['statement_timeout', '5s'],
      ['search_path', 'a b'],
      ['application_name', 'mine'],
    ])
  })

  it('is told when the door is crowded', async () => {
    await open({ limits: { unauthenticatedMax: 0 } })
    expect((await psql('sslmode=disable', 'select 1')).err).toMatch(
      /too many connections|server closed the connection|reset by peer/,
    )
  })

  it.each(['sslmode=disable', 'sslmode=require'])('cancels with Ctrl-C: %s', async settings => {
    await open()
    const child = start(settings, 'sleep', {})
    await expect.poll(() => door.sessions[0]?.received).toContain('Q')
    child.kill('SIGINT')
    expect(await ending(child)).toMatchObject({
      err: expect.stringContaining('canceling statement due to user request'),
    })
    expect(door.sessions[0]?.cancels).toBe(1)
  })
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function psql(settings: string, sql: string, environment: Record<string, string> = {}): Promise<Ended> {
  return ending(start(settings, sql, environment))
}

function start(settings: string, sql: string, environment: Record<string, string>): ChildProcess {
  const target = `host=127.0.0.1 port=${door.port} user=alice@acme ${settings}`
  const env = { PATH: process.env.PATH, HOME: '/nonexistent', PGPASSWORD: 'secret', ...environment }
  return spawn('psql', ['-X', '-A', '-t', '-d', target, '-c', sql], { env, stdio: ['ignore', 'pipe', 'pipe'] })
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
