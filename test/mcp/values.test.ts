/** Text forms of Postgres as JSON values. */
import { describe, expect, it } from 'vitest'
import { parseArrayLiteral } from '../../src/mcp/array-literal.ts'
import { decodeCut, decoderOf } from '../../src/mcp/values.ts'

const text = (element: string) => element

describe('an array literal', () => {
  it.each([
    ['{}', []],
    ['{a,b}', ['a', 'b']],
    ['{NULL,"NULL",null}', [null, 'NULL', 'null']],
    ['{"a,b","c}d","e\\"f","g\\\\h",""}', ['a,b', 'c}d', 'e"f', 'g\\h', '']],
    [
      '{{1,2},{3,4}}',
      [
        ['1', '2'],
        ['3', '4'],
      ],
    ],
    ['[0:1]={a,b}', ['a', 'b']],
    ['[1:1][-2:-1]={{a,b}}', [['a', 'b']]],
  ])('%s', (literal, value) => {
    expect(parseArrayLiteral(literal, text)).toEqual(value)
  })

  it.each(['', '{', '{a', '{"a', '{a}b', 'a', '{a}{b}', '{{a}'])('is none: %j', literal => {
    expect(parseArrayLiteral(literal, text)).toBeUndefined()
  })

  it('of boxes is parted by semicolons', () => {
    expect(decoderOf(1020)('{(1,1),(0,0);(2,2),(1,1)}')).toEqual(['(1,1),(0,0)', '(2,2),(1,1)'])
  })
})

describe('a value', () => {
  it.each([
    [1114, '2026-02-03 04:05:06', '2026-02-03T04:05:06'],
    [1184, '2026-02-03 04:05:06.789+00', '2026-02-03T04:05:06.789+00:00'],
    [1184, '2026-02-03 04:05:06+05:30', '2026-02-03T04:05:06+05:30'],
    [1184, '-infinity', '-infinity'],
    [1114, '0044-03-15 00:00:00 BC', '0044-03-15 00:00:00 BC'],
    [701, '1e+300', 1e300],
    [701, 'NaN', 'NaN'],
    [20, '9223372036854775807', '9223372036854775807'],
    [3802, '[1, {"a": null}]', [1, { a: null }]],
    [114, '1e400', '1e400'],
    [114, '[0.12345678901234567]', '[0.12345678901234567]'],
    [17, '\\xdeadbeef', '3q2+7w=='],
    [1001, '{"\\\\x00","\\\\xff"}', ['AA==', '/w==']],
    [30, '1 2', [1, 2]],
    [25, 'x', 'x'],
    [999_999, '(1,2)', '(1,2)'],
  ])('of type %i: %s', (oid, given, value) => {
    expect(decoderOf(oid)(given)).toEqual(value)
  })

  it('that was cut stays a text, in whole bytes', () => {
    expect(decodeCut('\\x00ff0', 17, 9_000)).toMatch(/^AP8=… \[cut: 9000 bytes in all\]$/)
  })
})
