import { describe, expect, test } from 'vitest'
import { BackendScanner, type RowAction, type ScanHandler } from '../../src/wire/scanner.ts'

const frame = (type: string, body: Buffer | string): Buffer => {
  const bytes = Buffer.from(body)
  const head = Buffer.from(`${type}\0\0\0\0`, 'latin1')
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

/** Writes down what it is told; all but Z passes. */
class Notes implements ScanHandler {
  readonly said: string[] = []
  readonly out: Buffer[] = []
  private readonly actions: (index: number) => RowAction
  private rows = 0

  constructor(actions: (index: number) => RowAction) {
    this.actions = actions
  }

  row(_type: number, length: number): RowAction {
    const action = this.actions(this.rows++)
    this.said.push(`${action} ${length}`)
    return action
  }
  passes(type: number, chunk: Buffer, start: number, end: number): boolean {
    this.said.push(`${String.fromCharCode(type)} ${chunk.toString('latin1', start + 5, end)}`)
    return type !== 0x5a
  }
  handle(type: number, whole: Buffer): void {
    this.said.push(`handled ${String.fromCharCode(type)} ${whole.length}`)
    this.out.push(Buffer.from(`<${String.fromCharCode(type)}>`))
  }
  dropped(): void {
    this.said.push('dropped')
    this.out.push(Buffer.from('<drop>'))
  }
  held(whole: Buffer): void {
    this.said.push(`held ${whole.length}`)
    this.out.push(Buffer.from('<held>'))
  }
  emit(bytes: Buffer): void {
    this.out.push(bytes)
  }
}

const cycle: readonly RowAction[] = ['pass', 'pass', 'drop', 'hold', 'drop', 'pass', 'hold']
const actions = (index: number): RowAction => cycle[index % cycle.length]!

function scan(stream: Buffer, cuts: readonly number[]): { said: string[]; out: string; within: boolean } {
  const notes = new Notes(actions)
  const scanner = new BackendScanner(notes)
  let start = 0
  for (const end of [...cuts, stream.length]) {
    scanner.push(Buffer.from(stream.subarray(start, end)))
    start = end
  }
  return { said: notes.said, out: Buffer.concat(notes.out).toString('latin1'), within: scanner.isWithinRow }
}

/** What the same stream should give, frame by frame. */
function expected(frames: readonly Buffer[]): string {
  let rows = 0
  return frames
    .map(bytes => {
      const type = String.fromCharCode(bytes[0]!)
      if (type === 'Z') return '<Z>'
      if (type !== 'D' && type !== 'd') return bytes.toString('latin1')
      const action = actions(rows++)
      return action === 'pass' ? bytes.toString('latin1') : action === 'drop' ? '<drop>' : '<held>'
    })
    .join('')
}

const short = [
  frame('T', 'columns'),
  ...Array.from({ length: 9 }, (_, i) => frame('D', 'x'.repeat(i))),
  frame('d', 'copied'),
  frame('C', 'SELECT 9\0'),
  frame('Z', 'I'),
  frame('1', ''),
  frame('d', ''),
  frame('Z', 'T'),
]
const stream = Buffer.concat(short)

/** The same numbers each time. */
function* randoms(seed: number): Generator<number> {
  for (let state = seed; ; ) {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    yield state / 2_147_483_648
  }
}

describe('however the stream is cut', () => {
  const whole = scan(stream, [])

  test('in one chunk', () => expect(whole.out).toBe(expected(short)))

  test('at any two places', () => {
    for (let a = 0; a <= stream.length; a++)
      for (let b = a; b <= stream.length; b++) expect(scan(stream, [a, b])).toEqual(whole)
  })

  test('into single bytes, with empty chunks between', () => {
    expect(
      scan(
        stream,
        Array.from({ length: 2 * stream.length }, (_, i) => i >> 1),
      ),
    ).toEqual(whole)
  })

  test('into random pieces, with rows that are longer than is kept whole', () => {
    const frames = Array.from({ length: 40 }, (_, i) =>
      frame(i % 5 === 0 ? 'C' : 'D', Buffer.alloc((i * 17_389) % 150_000, 65 + i)),
    )
    const long = Buffer.concat(frames)
    const out = expected(frames)
    const random = randoms(7)
    for (let round = 0; round < 60; round++) {
      const count = 1 + Math.floor(random.next().value! * 80)
      const cuts = Array.from({ length: count }, () => Math.floor(random.next().value! * long.length)).sort(
        (a, b) => a - b,
      )
      expect(scan(long, cuts).out === out).toBe(true)
    }
  })
})

describe('what was handed on', () => {
  test('is whole rows, as long as these are short', () => {
    const rows = [frame('D', 'a'.repeat(100)), frame('D', 'b'.repeat(60_000))]
    const both = Buffer.concat(rows)
    for (const cut of [1, 4, 5, 6, 104, 105, 106, 110, 111, 60_000]) {
      const { out, within } = scan(both.subarray(0, cut), [])
      expect(out).toBe(cut >= 105 ? rows[0]!.toString('latin1') : '')
      expect(within).toBe(false)
    }
  })

  test('is a part of a long row, which is then known; nothing of it is left after a reset', () => {
    const notes = new Notes(() => 'pass')
    const scanner = new BackendScanner(notes)
    const row = frame('D', Buffer.alloc(100_000))
    scanner.push(row.subarray(0, 50_000))
    expect(scanner.isWithinRow).toBe(true)
    scanner.reset()
    expect(scanner.isWithinRow).toBe(false)
    scanner.push(frame('C', 'SELECT 1\0'))
    expect(notes.said.at(-1)).toBe('C SELECT 1\0')
  })

  test('is not copied where it lies in one chunk', () => {
    const notes = new Notes(() => 'pass')
    const chunk = Buffer.concat([frame('T', 'columns'), frame('D', 'a'), frame('D', 'b'), frame('C', 'SELECT 2\0')])
    new BackendScanner(notes).push(chunk)
    expect(notes.out).toEqual([chunk])
    expect(notes.out[0]?.buffer).toBe(chunk.buffer)
  })
})

describe('a server that lies about lengths', () => {
  for (const length of [-1, 0, 3, -2_147_483_648]) {
    test(`${length}`, () => {
      const bytes = Buffer.from('D\0\0\0\0', 'latin1')
      bytes.writeInt32BE(length, 1)
      expect(() => scan(bytes, [])).toThrow('impossible length')
      expect(() => scan(bytes, [1, 2, 3, 4])).toThrow('impossible length')
    })
  }

  test('more than any message but a row may have', () => {
    const bytes = Buffer.from('T\x7f\xff\xff\xff', 'latin1')
    expect(() => scan(bytes, [])).toThrow('impossible length')
    expect(() => scan(bytes, [3])).toThrow('impossible length')
    bytes[0] = 0x44
    expect(scan(bytes, [])).toMatchObject({ out: 'D\x7f\xff\xff\xff', within: true })
  })
})

test('a long row that is held costs its length, not its square', () => {
  const notes = new Notes(() => 'hold')
  const scanner = new BackendScanner(notes)
  const row = frame('D', Buffer.alloc(32 * 1024 * 1024))
  const since = performance.now()
  for (let at = 0; at < row.length; at += 8_192) scanner.push(row.subarray(at, at + 8_192))
  expect(notes.said).toEqual([`hold ${row.length}`, `held ${row.length}`])
  expect(performance.now() - since).toBeLessThan(1_000)
})
