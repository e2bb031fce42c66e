import { afterEach, describe, expect, it } from 'vitest'
import { encodeSaslInitialResponse } from '../../src/wire/authentication.ts'
import { encodeQuery } from '../../src/wire/query.ts'
import { decodeReport } from '../../src/wire/reports.ts'
import { encodeStartupMessage, gssencRequest, sslRequest } from '../../src/wire/startup.ts'
import { type Door, type DoorOptions, openDoor } from './door.ts'
import { connectOverTls, logIn, RawClient } from './raw-client.ts'

let door: Door

async function open(options: DoorOptions = {}): Promise<number> {
  door = await openDoor(options)
  return door.port
}

afterEach(() => door.gateway.close(0))

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
