import { afterEach, describe, expect, it } from 'vitest'
import { encodeSaslInitialResponse, encodeSaslResponse } from '../../src/wire/authentication.ts'
import { encodeQuery } from '../../src/wire/query.ts'
import { decodeNegotiateProtocolVersion } from '../../src/wire/session-start.ts'
import { encodeStartupMessage } from '../../src/wire/startup.ts'
import { type Door, type DoorOptions, openDoor } from './door.ts'
import { RawClient } from './raw-client.ts'

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
