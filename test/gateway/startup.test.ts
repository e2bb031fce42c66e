import { afterEach, describe, expect, it } from 'vitest'
import { encodeStartupMessage } from '../../src/wire/startup.ts'
import { type Door, type DoorOptions, openDoor } from './door.ts'
import { RawClient } from './raw-client.ts'

let door: Door

async function open(options: DoorOptions = {}): Promise<number> {
  door = await openDoor(options)
  return door.port
}

afterEach(() => door.gateway.close(0))

describe('startup parameters', () => {
  it.each([
    [
      { options: '-c statement_timeout=5s --search_path=a\\ b\\\\ -cjit=off' },
      [
        ['statement_timeout', '5s'],
        ['search_path', 'a b\\'],
        ['jit', 'off'],
      ],
    ],
    [
      { options: '--lock-timeout=1s', DateStyle: 'ISO, MDY' },
      [
        ['lock_timeout', '1s'],
        ['datestyle', 'ISO, MDY'],
      ],
    ],
    [{ client_encoding: "'utf-8'", standard_conforming_strings: 'on', replication: 'false' }, []],
    [{ client_encoding: 'SQL_ASCII', extra_float_digits: '2' }, [['extra_float_digits', '2']]],
    [{ options: '  ', geqo: 'off' }, []],
  ])('%j are settings', async (parameters, settings) => {
    const client = await RawClient.connect(await open({ ignoreStartupParameters: ['GEQO'] }))
    await client.logIn(parameters)
    await client.welcome()
    expect(door.sessions[0]?.request.startupSettings).toEqual(settings)
  })

  it.each([
    [{ role: 'postgres' }, '42501', /"role"/],
    [{ options: '-c role=postgres' }, '42501', /"role"/],
    [{ options: '-c Session-Authorization=x' }, '42501', /session_authorization/],
    [{ options: '-c standard_conforming_strings=off' }, '42501', /standard_conforming_strings/],
    [{ standard_conforming_strings: 'f' }, '42501', /standard_conforming_strings/],
    [{ replication: 'database' }, '0A000', /replication/],
    [{ client_encoding: 'LATIN1' }, '22023', /LATIN1/],
    [{ session_preload_libraries: 'x' }, '42704', /session_preload_libraries/],
    [{ options: '-d 5' }, '42601', /-d/],
    [{ options: '-c jit' }, '42601', /jit requires a value/],
    [{ options: '-c' }, '42601', /requires a value/],
    [{ options: '--' }, '42601', /--/],
    [{ options: 'jit=off' }, '42601', /jit=off/],
    [{ user: '' }, '28000', /no PostgreSQL user name/],
  ])('%j is refused by name', async (parameters, code, message) => {
    const client = await RawClient.connect(await open())
    await client.send(encodeStartupMessage(0, Object.entries({ user: 'alice@acme', ...parameters })))
    const error = await client.error()
    expect(error).toMatchObject({ severity: 'FATAL', code })
    expect(error.message).toMatch(message)
    expect(door.logins.attempts).toEqual([])
  })

  it('hints at PGCLIENTENCODING', async () => {
    const client = await RawClient.connect(await open())
    await client.send(
      encodeStartupMessage(0, [
        ['user', 'alice@acme'],
        ['client_encoding', 'WIN1252'],
      ]),
    )
    expect((await client.error()).hint).toContain('PGCLIENTENCODING=UTF8')
  })
})
