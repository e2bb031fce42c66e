import { describe, expect, it } from 'vitest'
import {
  encodeCancelRequest,
  encodeStartupMessage,
  gssencRequest,
  parseFirst,
  sslRequest,
} from '../../src/wire/startup.ts'

const startup = encodeStartupMessage(2, [
  ['user', 'alice@acme'],
  ['database', 'crm'],
  ['_pq_.grease', '1'],
  ['database', 'dwh'],
  ['application_name', 'psql – ünïcode'],
])

function packet(length: number, ...rest: number[]): Buffer {
  const bytes = Buffer.alloc(4 + rest.length)
  bytes.writeUInt32BE(length, 0)
  bytes.set(rest, 4)
  return bytes
}

const refusal = expect.objectContaining({ code: '08P01', severity: 'FATAL' })

describe('the first packet', () => {
  it('may be a StartupMessage: the last of two equal names counts, protocol options stand apart', () => {
    expect(parseFirst(startup)).toEqual({
      kind: 'startup',
      bytes: startup.length,
      major: 3,
      minor: 2,
      parameters: new Map([
        ['user', 'alice@acme'],
        ['database', 'dwh'],
        ['application_name', 'psql – ünïcode'],
      ]),
      protocolOptions: ['_pq_.grease'],
    })
  })

  it('may ask for TLS, GSS encryption or a cancel, with a key of 4 to 256 bytes', () => {
    expect(parseFirst(sslRequest)).toEqual({ kind: 'ssl-request', bytes: 8 })
    expect(parseFirst(gssencRequest)).toEqual({ kind: 'gssenc-request', bytes: 8 })
    for (const length of [4, 32, 256]) {
      const key = Buffer.alloc(length, 7)
      const request = encodeCancelRequest({ pid: -5, key })
      expect(parseFirst(request)).toEqual({ kind: 'cancel-request', bytes: 12 + length, pid: -5, key })
    }
    for (const length of [0, 3, 257]) {
      expect(() => parseFirst(encodeCancelRequest({ pid: 1, key: Buffer.alloc(length) }))).toThrow(refusal)
    }
  })

  it('may be TLS itself', () => {
    expect(parseFirst(Buffer.from([0x16, 3, 1]))).toEqual({ kind: 'direct-tls' })
  })

  it('needs more until it is whole, split anywhere, and says how long it was', () => {
    for (const first of [startup, sslRequest, encodeCancelRequest({ pid: 1, key: Buffer.alloc(32) })]) {
      for (let cut = 0; cut < first.length; cut++) expect(parseFirst(first.subarray(0, cut))).toBe('need-more')
      const merged = parseFirst(Buffer.concat([first, startup]))
      expect(merged).toMatchObject({ bytes: first.length })
    }
  })

  it('is refused before it is whole when its length is hostile', () => {
    for (const length of [0, 4, 7, 10_001, 0x7fffffff, 0xffffffff])
      expect(() => parseFirst(packet(length))).toThrow(refusal)
    expect(() => parseFirst(Buffer.from('GET / HTTP/1.1\r\n'))).toThrow(refusal)
    expect(() => parseFirst(Buffer.from('G'))).toThrow(refusal)
    expect(parseFirst(packet(10_000))).toBe('need-more')
  })

  it('is refused when its layout is not that of a StartupMessage', () => {
    const v3 = [0, 3, 0, 0]
    const text = (value: string) => [...Buffer.from(`${value}\0`)]
    const broken = [
      v3, // no terminator
      [...v3, ...text('user')], // a name without a value
      [...v3, ...text('user'), ...text('a')], // no terminator after the last
      [...v3, ...text('user'), 0x61], // an unterminated value
      [...v3, ...text('user'), ...text('a'), 0, 0], // bytes after the terminator
    ]
    for (const bytes of broken) expect(() => parseFirst(packet(4 + bytes.length, ...bytes))).toThrow(refusal)
    const latin1 = [...v3, ...text('user'), 0xe4, 0, 0]
    expect(() => parseFirst(packet(4 + latin1.length, ...latin1))).toThrow(
      expect.objectContaining({ code: '22021', severity: 'FATAL' }),
    )
    expect(() => parseFirst(packet(12, 0x04, 0xd2, 0x16, 0x2f, 0, 0, 0, 0))).toThrow(refusal) // SSLRequest with more
  })

  it('of another major version is told as such, its content unread', () => {
    for (const major of [2, 4, 0, 1234]) {
      const bytes = [major >> 8, major & 0xff, 0, 9, 1, 2, 3, 4]
      expect(parseFirst(packet(12, ...bytes))).toMatchObject({
        kind: 'startup',
        major,
        minor: 9,
        parameters: new Map(),
      })
    }
  })
})
