import { afterEach, describe, expect, it } from 'vitest'
import { encodeSaslInitialResponse, encodeSaslResponse } from '../../src/wire/authentication.ts'
import { encodeQuery } from '../../src/wire/query.ts'
import { decodeReport } from '../../src/wire/reports.ts'
import { decodeNegotiateProtocolVersion } from '../../src/wire/session-start.ts'
import { encodeStartupMessage, gssencRequest, sslRequest } from '../../src/wire/startup.ts'
import { type Door, type DoorOptions, openDoor } from './door.ts'
import { connectOverTls, logIn, RawClient } from './raw-client.ts'

let door: Door

async function open(options: DoorOptions = {}): Promise<number> {
  door = await openDoor(options)
  return door.port
}

afterEach(() => door.gateway.close(0))

describe('a login', () => {
  it('goes from StartupMessage to ReadyForQuery, and on to a query', async () => {
    const client = await RawClient.connect(await open())
    await client.logIn({ database: 'shop', application_name: 'test' })
    const { pid, key, letters } = await client.welcome()
    expect(letters).toBe('SSSKZ')
    expect(pid).toBeGreaterThan(0)
    expect(key).toHaveLength(4)
    await client.send(encodeQuery('select 1'))
    expect(await client.letters()).toBe('TDCZ')
    expect(door.logins.attempts).toEqual(['alice@acme from 127.0.0.1'])
    expect(door.logins.outcomes).toEqual(['alice@acme succeeded'])
    expect(door.sessions[0]?.request).toMatchObject({
      database: 'shop',
      virtualPid: pid,
      client: { address: '127.0.0.1', applicationName: 'test' },
      startupSettings: [['application_name', 'test']],
    })
    expect(door.records).toMatchObject([
      { kind: 'login', verdict: 'accepted', principal: 'alice@acme', database: 'shop' },
    ])
    client.destroy()
  })

  it('works in fragments of one byte', async () => {
    const client = await RawClient.connect(await open())
    for (const byte of encodeStartupMessage(0, [['user', 'alice@acme']])) await client.send(Buffer.of(byte))
    await client.proveWith('secret')
    await client.welcome()
    for (const byte of encodeQuery('select 1')) await client.send(Buffer.of(byte))
    expect(await client.letters()).toBe('TDCZ')
  })

  it('takes what was sent ahead of its end', async () => {
    const client = await RawClient.connect(await open())
    const send = client.send.bind(client)
    let said = 0
    client.send = (...parts) =>
      send(...parts, ...(++said === 3 ? [encodeQuery('select 1'), encodeQuery('select 1')] : []))
    await client.logIn()
    await client.welcome()
    expect((await client.letters()) + (await client.letters())).toBe('TDCZTDCZ')
  })

  it('speaks 3.2 with a key of 32 bytes', async () => {
    const client = await RawClient.connect(await open())
    await client.logIn({}, 'secret', 2)
    expect((await client.welcome()).key).toHaveLength(32)
  })

  it.each([
    ['3.9999 and an option', 9999, { '_pq_.test_protocol_negotiation': '' }, 2, ['_pq_.test_protocol_negotiation'], 32],
    ['3.0 and an option', 0, { '_pq_.x': '1' }, 0, ['_pq_.x'], 4],
    ['3.3', 3, {}, 2, [], 32],
  ])('negotiates %s', async (_, minor, extra, answered, options, keyBytes) => {
    const client = await RawClient.connect(await open())
    await client.send(encodeStartupMessage(minor, Object.entries({ user: 'alice@acme', ...extra })))
    const frame = await client.next()
    expect(frame?.letter).toBe('v')
    expect(decodeNegotiateProtocolVersion(frame!.body)).toEqual({ major: 3, minor: answered, options })
    await client.proveWith('secret')
    expect((await client.welcome()).key).toHaveLength(keyBytes)
  })

  it.each([
    [4, 0],
    [2, 0],
    [1234, 9],
  ])('refuses protocol %i.%i', async (major, minor) => {
    const client = await RawClient.connect(await open())
    const packet = encodeStartupMessage(minor, [['user', 'alice@acme']])
    packet.writeUInt16BE(major, 4)
    await client.send(packet)
    expect(await client.error()).toMatchObject({
      severity: 'FATAL',
      code: '0A000',
      message: `unsupported frontend protocol ${major}.${minor}: server supports 3.0 to 3.2`,
    })
    await client.whenClosed()
  })

  it('says the same of a wrong password and of nobody, in the same number of messages', async () => {
    const port = await open()
    const said: unknown[] = []
    for (const user of ['alice@acme', 'nobody@acme']) {
      const client = await RawClient.connect(port)
      const refused = await client.logIn({ user }, 'wrong').catch((error: unknown) => error)
      said.push(refused)
      expect(refused).toMatchObject({
        code: '28P01',
        severity: 'FATAL',
        message: `password authentication failed for user "${user}"`,
      })
      await client.whenClosed()
    }
    const nobody = await RawClient.connect(port)
    await nobody.send(encodeStartupMessage(0, [['user', 'nobody@acme']]))
    const first = await nobody.authentication()
    expect(first).toMatchObject({ kind: 'sasl', mechanisms: ['SCRAM-SHA-256'] })
    expect(door.logins.outcomes).toEqual(['alice@acme failed', 'nobody@acme failed'])
    expect(door.records.map(record => record.sqlstate)).toEqual(['28P01', '28P01'])
    nobody.destroy()
  })

  it('waits as long as the throttle says before it asks', async () => {
    const port = await open()
    door.logins.delayMs = 300
    const client = await RawClient.connect(port)
    const started = Date.now()
    await client.send(encodeStartupMessage(0, [['user', 'alice@acme']]))
    await client.authentication()
    expect(Date.now() - started).toBeGreaterThan(290)
    client.destroy()
    await expect.poll(() => door.logins.outcomes).toEqual(['alice@acme abandoned'])
  })

  it('is refused where the throttle refuses', async () => {
    const client = await RawClient.connect(await open())
    await expect(client.logIn({ user: 'locked' })).rejects.toMatchObject({ code: '53400', severity: 'FATAL' })
  })

  it.each(['alice+token@acme', 'token@acme', 'alice+token'])('has no tokens yet: %s', async user => {
    const client = await RawClient.connect(await open())
    await client.send(encodeStartupMessage(0, [['user', user]]))
    expect(await client.error()).toMatchObject({
      code: '28000',
      message: 'token logins are not enabled on this server',
    })
  })

  it('ends bland where the fault is ours', async () => {
    const client = await RawClient.connect(await open())
    await expect(client.logIn({ user: 'broken' })).rejects.toMatchObject({ code: 'XX000' })
    expect(door.logged.join()).toContain('connection to control database lost')
    expect(door.logins.outcomes).toEqual(['broken abandoned'])
  })

  it('refuses a database that is not there, after the password', async () => {
    const client = await RawClient.connect(await open())
    await client.logIn({ database: 'nowhere' })
    expect(await client.error()).toMatchObject({ severity: 'FATAL', code: '3D000' })
    await client.whenClosed()
  })

  it('takes the database that libpq makes of the user name for none', async () => {
    const client = await RawClient.connect(await open())
    await client.logIn({ database: 'alice@acme' })
    await client.welcome()
    expect(door.sessions[0]?.request.database).toBeUndefined()
  })

  it('is cut off at its deadline, whatever it waits for', async () => {
    const port = await open({ limits: { loginTimeoutMs: 300, lingerMs: 300 } })
    const silent = await RawClient.connect(port)
    const asked = await RawClient.connect(port)
    await asked.send(encodeStartupMessage(0, [['user', 'alice@acme']]))
    const slow = await RawClient.connect(port)
    await slow.send(encodeStartupMessage(0, [['user', 'slow']]))
    const late = await RawClient.connect(port)
    await late.logIn({ database: 'late' })
    for (const client of [silent, asked, slow, late]) expect(await client.error()).toMatchObject({ code: '57014' })
    await Promise.all([silent, asked, slow, late].map(client => client.whenClosed()))
    await expect.poll(() => door.sessions[0]?.closes).toBe(1)
    expect(door.gateway.stats()).toMatchObject({ unauthenticated: 0, connections: 0 })
  })

  it('answers wrong words with 08P01', async () => {
    const port = await open()
    const startup = encodeStartupMessage(0, [['user', 'alice@acme']])
    const words: Buffer[] = [
      encodeQuery('select 1'),
      Buffer.from('p\x00\x00\x00\x03'),
      Buffer.from('p\x7f\xff\xff\xff', 'latin1'),
      encodeSaslInitialResponse({ mechanism: 'SCRAM-SHA-1', data: Buffer.from('n,,n=,r=x') }),
      encodeSaslInitialResponse({ mechanism: 'SCRAM-SHA-256', data: Buffer.from('y') }),
      encodeSaslResponse(Buffer.alloc(20_000)),
    ]
    for (const word of words) {
      const client = await RawClient.connect(port)
      await client.send(startup)
      await client.authentication()
      await client.send(word, word === words[2] ? Buffer.alloc(20_000) : Buffer.alloc(0))
      expect(await client.error()).toMatchObject({ severity: 'FATAL', code: '08P01' })
      await client.whenClosed()
    }
  })
})

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

describe('TLS', () => {
  it('takes SCRAM-SHA-256-PLUS, and the tenant from SNI', async () => {
    const client = await connectOverTls(await open(), { servername: 'acme.pg.test' })
    await client.send(encodeStartupMessage(0, [['user', 'alice']]))
    const asked = await client.next()
    expect(asked?.body.toString('latin1')).toContain('SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0')
    client.destroy()
    const again = await connectOverTls(door.port, { servername: 'acme.pg.test' })
    await again.logIn({ user: 'alice' })
    await again.welcome()
    await again.send(encodeQuery('select 1'))
    expect(await again.letters()).toBe('TDCZ')
    expect(door.gateway.sessions()).toMatchObject([{ encrypted: true, login: 'alice@acme' }])
    again.destroy()
    await expect.poll(() => door.sessions[0]?.closes).toBe(1)
  })

  it('refuses a client that was told there is no channel binding', async () => {
    const client = await connectOverTls(await open())
    await client.send(encodeStartupMessage(0, [['user', 'alice@acme']]))
    await client.authentication()
    await client.send(encodeSaslInitialResponse({ mechanism: 'SCRAM-SHA-256', data: Buffer.from('y,,n=,r=abcdef') }))
    expect(await client.error()).toMatchObject({ code: '08P01' })
  })

  it.each([
    ['SSL, then GSS', [sslRequest, gssencRequest]],
    ['GSS, then SSL', [gssencRequest, sslRequest]],
  ])('is declined where it is off: %s', async (_, requests) => {
    const client = await RawClient.connect(await open({ tls: null }))
    for (const request of requests) {
      await client.send(request)
      expect(await client.answer()).toBe('N')
    }
    await client.logIn()
    await client.welcome()
  })

  it('comes after a declined GSSENCRequest', async () => {
    const client = await RawClient.connect(await open())
    await client.send(gssencRequest)
    expect(await client.answer()).toBe('N')
    await client.send(sslRequest)
    expect(await client.answer()).toBe('S')
    await client.startTls()
    await client.logIn()
    await client.welcome()
  })

  it.each([
    ['SSL', sslRequest],
    ['GSS', gssencRequest],
  ])('may be asked for once: %s', async (_, request) => {
    const client = await RawClient.connect(await open({ tls: null }))
    await client.send(request)
    await client.answer()
    await client.send(request)
    expect(await client.error()).toMatchObject({ severity: 'FATAL', code: '08P01' })
  })

  it('is not asked for again inside TLS', async () => {
    const client = await connectOverTls(await open())
    await client.send(sslRequest)
    expect(await client.error()).toMatchObject({ severity: 'FATAL', code: '08P01' })
  })

  it('is required where the operator says so', async () => {
    const port = await open({ requireTls: true })
    const plain = await RawClient.connect(port)
    await plain.send(encodeStartupMessage(0, [['user', 'alice@acme']]))
    expect(await plain.error()).toMatchObject({ code: '28000', hint: expect.stringContaining('sslmode=require') })
    const secure = await connectOverTls(port)
    await secure.logIn()
    await secure.welcome()
  })

  it('refuses bytes stuffed behind the request in the same segment', async () => {
    const port = await open()
    for (const request of [sslRequest, gssencRequest]) {
      const client = await RawClient.connect(port)
      await client.send(request, encodeStartupMessage(0, [['user', 'mallory']]))
      expect(decodeReport((await client.next())!.body)).toMatchObject({
        severity: 'FATAL',
        code: '08P01',
        message: expect.stringContaining('received unencrypted data'),
      })
      await client.whenClosed()
    }
    expect(door.logins.attempts).toEqual([])
  })

  it('refuses bytes that arrive in a segment of their own before the answer', async () => {
    const port = await open()
    const outcomes = new Set<string>()
    for (let i = 0; i < 30; i++) {
      const client = await RawClient.connect(port)
      void client.send(sslRequest)
      void client.send(encodeStartupMessage(0, [['user', 'mallory']]))
      outcomes.add((await client.bytes()).toString('latin1')[0]!)
      client.destroy()
    }
    // Either it was there in time and refused by name, or it went into the handshake, which it breaks.
    expect([...outcomes].every(outcome => outcome === 'E' || outcome === 'S')).toBe(true)
    expect(outcomes).toContain('E')
    expect(door.logins.attempts).toEqual([])
  })

  it('outlives garbage in place of a handshake', async () => {
    const port = await open()
    for (const garbage of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01\x00\x05hello', '\x00'.repeat(500)]) {
      const client = await RawClient.connect(port)
      await client.send(sslRequest)
      expect(await client.answer()).toBe('S')
      await client.send(Buffer.from(garbage, 'latin1'))
      await client.whenClosed()
    }
    const client = await logIn(port)
    client.destroy()
  })

  it('that is begun and not finished ends at the deadline, or with the client', async () => {
    const port = await open({ limits: { loginTimeoutMs: 300, lingerMs: 300 } })
    const clients = await Promise.all([1, 2, 3].map(() => RawClient.connect(port)))
    for (const client of clients) {
      await client.send(sslRequest)
      await client.answer()
    }
    await clients[1]!.send(Buffer.from([0x16, 3, 1, 2, 0, 1]))
    clients[2]!.socket.resetAndDestroy()
    await expect.poll(() => door.gateway.stats().unauthenticated).toBe(2)
    await Promise.all(clients.map(client => client.whenClosed()))
    await expect.poll(() => door.gateway.stats().unauthenticated).toBe(0)
  })

  it('is spoken directly with ALPN, and only with it', async () => {
    const port = await open()
    const direct = await RawClient.connect(port)
    const secure = await direct.startTls({ ALPNProtocols: ['postgresql'] })
    expect(secure.alpnProtocol).toBe('postgresql')
    await direct.logIn()
    await direct.welcome()
    const without = await RawClient.connect(port)
    await without.startTls()
    expect(await without.error()).toMatchObject({
      severity: 'FATAL',
      code: '08P01',
      message: expect.stringContaining('ALPN'),
    })
    await without.whenClosed()
    const other = await RawClient.connect(port)
    await expect(other.startTls({ ALPNProtocols: ['h2'] })).rejects.toThrow()
  })

  it('cannot be spoken directly where it is off, nor after a request', async () => {
    const port = await open({ tls: null })
    const off = await RawClient.connect(port)
    await expect(off.startTls({ ALPNProtocols: ['postgresql'] })).rejects.toThrow()
    const after = await RawClient.connect(port)
    await after.send(sslRequest)
    expect(await after.answer()).toBe('N')
    await expect(after.startTls({ ALPNProtocols: ['postgresql'] })).rejects.toThrow()
  })
})
