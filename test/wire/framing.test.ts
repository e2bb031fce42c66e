import { describe, expect, it } from 'vitest'
import { encodeBind, encodeParse } from '../../src/wire/extended-query.ts'
import { FrameReader } from '../../src/wire/framing.ts'
import { encodeQuery, sync } from '../../src/wire/query.ts'
import { encodeDataRow } from '../../src/wire/rows.ts'
import { readFrames } from './chunks.ts'

const messages = [
  encodeQuery('select 1'),
  encodeParse({ name: 's', text: 'select $1', parameterTypes: [23] }),
  encodeBind({
    portal: '',
    statement: 's',
    parameterFormats: [],
    parameters: [Buffer.from('7'), null],
    resultFormats: [1],
  }),
  sync,
  encodeDataRow(['a'.repeat(100), null, '']),
]
const stream = Buffer.concat(messages)
const whole = readFrames(stream)

describe('frames', () => {
  it('come out of one chunk as they went in, without a copy', () => {
    const reader = new FrameReader(1000)
    reader.push(stream)
    let offset = 0
    for (const message of messages) {
      const frame = reader.next()
      expect(frame).toEqual({ type: message[0], body: message.subarray(5) })
      expect(frame?.body.buffer).toBe(stream.buffer)
      expect(frame?.body.byteOffset).toBe(stream.byteOffset + offset + 5)
      offset += message.length
    }
    expect(reader.next()).toBeUndefined()
    expect(reader.bufferedBytes).toBe(0)
  })

  it('are the same wherever the stream is split in two, or in three', () => {
    for (let first = 0; first <= stream.length; first++) {
      expect(readFrames(stream, [first])).toEqual(whole)
      expect(readFrames(stream, [first, Math.min(first + 3, stream.length)])).toEqual(whole)
    }
  })

  it('are the same byte by byte', () => {
    expect(readFrames(stream, [...stream.keys()])).toEqual(whole)
  })

  it('are the same when many chunks are pushed before anybody reads', () => {
    const reader = new FrameReader(1000)
    for (let at = 0; at < stream.length; at += 7) reader.push(stream.subarray(at, at + 7))
    expect(reader.bufferedBytes).toBe(stream.length)
    for (const frame of whole) expect(reader.next()).toEqual(frame)
    expect(reader.next()).toBeUndefined()
  })

  it('do not share memory with what comes later', () => {
    const reader = new FrameReader(1000)
    const [first, second] = [encodeQuery('select 1'), encodeQuery('drop it!')]
    reader.push(first.subarray(0, 9))
    reader.next()
    reader.push(Buffer.concat([first.subarray(9), second]))
    const frames = [reader.next(), reader.next()]
    expect(frames.map(frame => frame?.body.toString())).toEqual(['select 1\0', 'drop it!\0'])
  })
})

describe('a frame above the cap', () => {
  const long = encodeQuery('x'.repeat(500))

  it('is told once, without its body, and what follows is read', () => {
    for (const cuts of [[], [3], [5], [200], [long.length], [long.length + 2]]) {
      const frames = readFrames(Buffer.concat([long, sync]), cuts, 100)
      expect(frames).toEqual([
        { type: 0x51, body: Buffer.alloc(0), oversize: true },
        { type: 0x53, body: Buffer.alloc(0) },
      ])
    }
  })

  it('is discarded as it comes, whatever its length says', () => {
    const reader = new FrameReader(1024)
    reader.push(Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff]))
    for (let round = 0; round < 1000; round++) {
      reader.push(Buffer.alloc(10_000))
      expect(reader.next()).toBeUndefined()
    }
    // Counted, not kept: the count is all that remains.
    expect(process.memoryUsage().arrayBuffers).toBeLessThan(200 * 1024 * 1024)
  })

  it('may be as long as the cap, not one byte longer', () => {
    const query = encodeQuery('12345')
    expect(readFrames(query, [], 6)[0]?.oversize).toBeUndefined()
    expect(readFrames(query, [], 5)[0]?.oversize).toBe(true)
  })
})

describe('a hostile length', () => {
  it.each([0, 1, 2, 3, -1, -2147483648])('of %i ends the connection, each time it is asked', length => {
    const bytes = Buffer.from([0x51, 0, 0, 0, 0])
    bytes.writeInt32BE(length, 1)
    for (const cut of [5, 1, 4]) {
      const reader = new FrameReader(100)
      reader.push(bytes.subarray(0, cut))
      if (cut < 5) expect(reader.next()).toBeUndefined()
      reader.push(bytes.subarray(cut))
      const refusal = expect.objectContaining({ code: '08P01', severity: 'FATAL' })
      expect(() => reader.next()).toThrow(refusal)
      expect(() => reader.next()).toThrow(refusal)
    }
  })

  it('takes no memory before the bytes come', () => {
    const before = process.memoryUsage().arrayBuffers
    const readers = Array.from({ length: 50 }, () => new FrameReader(0x3fffffff))
    for (const reader of readers) {
      reader.push(Buffer.from([0x51, 0x3f, 0xff, 0xff, 0xff, 0x20]))
      expect(reader.next()).toBeUndefined()
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024)
  })

  it('in single bytes stays linear', () => {
    const long = encodeQuery('x'.repeat(1_000_000))
    const reader = new FrameReader(2_000_000)
    const started = performance.now()
    for (let at = 0; at < long.length; at++) {
      reader.push(long.subarray(at, at + 1))
      if (at < long.length - 1) reader.next()
    }
    expect(reader.next()?.body.length).toBe(1_000_001)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})
