import { describe, expect, it } from 'vitest'
import * as authentication from '../../src/wire/authentication.ts'
import * as extended from '../../src/wire/extended-query.ts'
import * as query from '../../src/wire/query.ts'
import * as reports from '../../src/wire/reports.ts'
import * as rows from '../../src/wire/rows.ts'
import * as start from '../../src/wire/session-start.ts'
import { bodyOf, readFrames } from './chunks.ts'

const bytes = (...values: number[]) => Buffer.from(values)

interface Codec {
  name: string
  type: string
  encoded: Buffer
  decode: (body: Buffer) => unknown
  value: unknown
}

function codec<T>(name: string, type: string, value: T, encoded: Buffer, decode: (body: Buffer) => unknown): Codec {
  return { name, type, value, encoded, decode }
}

const parse = { name: 'sé', text: 'select $1::int, \ufeff$2', parameterTypes: [23, 0, 4294967295] }
const bind = {
  portal: 'p',
  statement: 's',
  parameterFormats: [0, 1, 0],
  parameters: [Buffer.from('7'), bytes(0, 255), null],
  resultFormats: [1],
}
const columns = [
  { name: 'ид', tableOid: 4294967295, column: 3, typeOid: 23, typeSize: 4, typeModifier: -1, format: 0 },
  { name: '', tableOid: 0, column: 0, typeOid: 25, typeSize: -1, typeModifier: 68, format: 1 },
]
const report = {
  severity: 'FATAL',
  code: '57P01',
  message: 'going away',
  detail: 'd',
  hint: 'h',
  position: 12,
  where: 'w',
  internalPosition: '3',
  internalQuery: 'q',
  schema: 's',
  table: 't',
  column: 'c',
  dataType: 'y',
  constraint: 'n',
  file: 'f.c',
  line: '1',
  routine: 'r',
}
const sasl = { mechanism: 'SCRAM-SHA-256', data: Buffer.from('n,,n=,r=x') }

const codecs: Codec[] = [
  codec('Query', 'Q', 'select 1; –', query.encodeQuery('select 1; –'), query.decodeQuery),
  codec('Query', 'Q', '', query.encodeQuery(''), query.decodeQuery),
  codec('Parse', 'P', parse, extended.encodeParse(parse), extended.decodeParse),
  codec('Bind', 'B', bind, extended.encodeBind(bind), extended.decodeBind),
  codec(
    'Describe',
    'D',
    { kind: 'S', name: 'a' },
    extended.encodeDescribe({ kind: 'S', name: 'a' }),
    extended.decodeDescribe,
  ),
  codec('Close', 'C', { kind: 'P', name: '' }, extended.encodeClose({ kind: 'P', name: '' }), extended.decodeClose),
  codec(
    'Execute',
    'E',
    { portal: 'c', rowsMax: 50 },
    extended.encodeExecute({ portal: 'c', rowsMax: 50 }),
    extended.decodeExecute,
  ),
  codec('Password', 'p', 'hünter2', authentication.encodePassword('hünter2'), authentication.decodePassword),
  codec(
    'SASLInitialResponse',
    'p',
    sasl,
    authentication.encodeSaslInitialResponse(sasl),
    authentication.decodeSaslInitialResponse,
  ),
  codec(
    'SASLInitialResponse without a response',
    'p',
    { mechanism: 'X', data: undefined },
    authentication.encodeSaslInitialResponse({ mechanism: 'X', data: undefined }),
    authentication.decodeSaslInitialResponse,
  ),
  codec(
    'BackendKeyData',
    'K',
    { pid: 7, key: bytes(1, 2, 3, 4) },
    start.encodeBackendKeyData({ pid: 7, key: bytes(1, 2, 3, 4) }),
    start.decodeBackendKeyData,
  ),
  codec(
    'ParameterStatus',
    'S',
    { name: 'TimeZone', value: 'UTC' },
    start.encodeParameterStatus('TimeZone', 'UTC'),
    start.decodeParameterStatus,
  ),
  codec(
    'NegotiateProtocolVersion',
    'v',
    { major: 3, minor: 2, options: ['_pq_.a', '_pq_.b'] },
    start.encodeNegotiateProtocolVersion({ major: 3, minor: 2, options: ['_pq_.a', '_pq_.b'] }),
    start.decodeNegotiateProtocolVersion,
  ),
  codec('ReadyForQuery', 'Z', 'E', query.encodeReadyForQuery('E'), query.decodeReadyForQuery),
  codec('CommandComplete', 'C', 'SELECT 5', query.encodeCommandComplete('SELECT 5'), query.decodeCommandComplete),
  codec('RowDescription', 'T', columns, rows.encodeRowDescription(columns), rows.decodeRowDescription),
  codec(
    'DataRow',
    'D',
    [Buffer.from('é'), null, Buffer.alloc(0)],
    rows.encodeDataRow(['é', null, Buffer.alloc(0)]),
    rows.decodeDataRow,
  ),
  codec(
    'ParameterDescription',
    't',
    [23, 4294967295],
    extended.encodeParameterDescription([23, 4294967295]),
    extended.decodeParameterDescription,
  ),
  codec('ErrorResponse', 'E', report, reports.encodeErrorResponse(report), reports.decodeReport),
  codec(
    'NoticeResponse',
    'N',
    { ...report, severity: 'NOTICE' },
    reports.encodeNotice({ ...report, severity: 'NOTICE' }),
    reports.decodeReport,
  ),
  ...(
    [
      { kind: 'ok' },
      { kind: 'cleartext' },
      { kind: 'md5', salt: bytes(1, 2, 3, 4) },
      { kind: 'sasl', mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256'] },
      { kind: 'sasl-continue', data: Buffer.from('r=1') },
      { kind: 'sasl-final', data: Buffer.from('v=1') },
      { kind: 'other', code: 7, data: bytes(9) },
    ] as const
  ).map(each =>
    codec(
      `Authentication ${each.kind}`,
      'R',
      each,
      authentication.encodeAuthentication(each),
      authentication.decodeAuthentication,
    ),
  ),
]

describe.each(codecs)('$name', ({ type, encoded, decode, value }) => {
  it('comes back as it went', () => {
    expect(decode(bodyOf(encoded, type))).toEqual(value)
  })

  it('comes back wherever it is split, and merged with others', () => {
    const three = Buffer.concat([encoded, encoded, encoded])
    for (let cut = 0; cut <= three.length; cut++) {
      expect(readFrames(three, [cut]).map(frame => decode(frame.body))).toEqual([value, value, value])
    }
  })

  it('is refused as a protocol violation wherever it is cut short, or read differently, never anything worse', () => {
    const body = bodyOf(encoded, type)
    for (let length = 0; length < body.length; length++) {
      let outcome: unknown
      try {
        outcome = decode(body.subarray(0, length))
      } catch (error) {
        outcome = error
        expect(error).toMatchObject({ code: expect.stringMatching(/^(08P01|22021)$/) })
      }
      expect(outcome).not.toEqual(value)
    }
  })
})

describe.each(codecs)('$name', ({ type, encoded, decode }) => {
  it('with any byte changed is read or refused, in no other way', () => {
    const body = bodyOf(encoded, type)
    for (let at = 0; at < body.length; at++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const changed = Buffer.from(body)
        changed[at] = value
        try {
          decode(changed)
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^(08P01|22021)$/) })
        }
      }
    }
  })
})

describe('messages without content', () => {
  it.each([
    ['S', query.sync],
    ['H', query.flush],
    ['X', query.terminate],
    ['I', query.emptyQueryResponse],
    ['1', extended.parseComplete],
    ['2', extended.bindComplete],
    ['3', extended.closeComplete],
    ['n', extended.noData],
    ['s', extended.portalSuspended],
  ])('%s', (type, encoded) => {
    expect(encoded).toEqual(Buffer.from([type.charCodeAt(0), 0, 0, 0, 4]))
  })
})

describe('hostile bodies', () => {
  const violation = expect.objectContaining({ code: '08P01' })

  it('with bytes after their end are refused', () => {
    const strict = codecs.filter(each => !['BackendKeyData'].includes(each.name) && !/sasl-|other/.test(each.name))
    for (const { name, type, encoded, decode } of strict) {
      expect(() => decode(Buffer.concat([bodyOf(encoded, type), bytes(0)])), name).toThrow(violation)
    }
  })

  it('with counts and lengths beyond their end are refused', () => {
    expect(() => extended.decodeParse(Buffer.from([0, 0, 0xff, 0xff]))).toThrow(violation)
    expect(() => extended.decodeBind(Buffer.from([0, 0, 0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff, 0, 0]))).toThrow(violation)
    expect(() => extended.decodeBind(Buffer.from([0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe, 0, 0]))).toThrow(violation)
    expect(() => rows.decodeDataRow(Buffer.from([0, 1, 0xff, 0xff, 0xff, 0xfe]))).toThrow(violation)
    expect(() => start.decodeNegotiateProtocolVersion(Buffer.from([0, 3, 0, 0, 0x7f, 0xff, 0xff, 0xff]))).toThrow(
      violation,
    )
    expect(() => start.decodeNegotiateProtocolVersion(Buffer.from([0, 3, 0, 0, 0xff, 0xff, 0xff, 0xff]))).toThrow(
      violation,
    )
    expect(() => start.decodeBackendKeyData(Buffer.alloc(4 + 257))).toThrow(violation)
    expect(() => start.decodeBackendKeyData(Buffer.alloc(4 + 3))).toThrow(violation)
  })

  it('with parameter formats that do not fit the parameters are refused', () => {
    const misfit = { ...bind, parameterFormats: [0, 1] }
    expect(() => extended.decodeBind(bodyOf(extended.encodeBind(misfit), 'B'))).toThrow(violation)
  })

  it('with text that is not UTF-8 are refused with 22021', () => {
    for (const bad of [[0xe4], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      expect(() => query.decodeQuery(Buffer.from([...bad, 0]))).toThrow(expect.objectContaining({ code: '22021' }))
    }
  })

  it('with a second text after the terminator are refused: it is not what was judged', () => {
    expect(() => query.decodeQuery(Buffer.from('select 1\0drop table t\0'))).toThrow(violation)
  })

  it('with kinds that do not exist are refused', () => {
    expect(() => extended.decodeDescribe(Buffer.from('X\0'))).toThrow(violation)
    expect(() => query.decodeReadyForQuery(Buffer.from('X'))).toThrow(violation)
  })
})

describe('encoding', () => {
  it('refuses texts that the server would cut or read differently', () => {
    for (const text of ['select 1\0; drop table t', 'select \ud800', '\udc00']) {
      expect(() => query.encodeQuery(text)).toThrow(expect.objectContaining({ code: '22021' }))
      expect(() => extended.encodeParse({ name: '', text, parameterTypes: [] })).toThrow(
        expect.objectContaining({ code: '22021' }),
      )
    }
    expect(query.decodeQuery(bodyOf(query.encodeQuery('still fine'), 'Q'))).toBe('still fine')
  })

  it('holds 65,535 parameters and no more', () => {
    const many = { ...bind, parameterFormats: [], parameters: new Array<null>(65_535).fill(null) }
    expect(extended.decodeBind(bodyOf(extended.encodeBind(many), 'B')).parameters).toHaveLength(65_535)
    const tooMany = { ...many, parameters: [...many.parameters, null] }
    expect(() => extended.encodeBind(tooMany)).toThrow(expect.objectContaining({ code: '54000' }))
  })

  it('keeps messages apart whatever their size', () => {
    const texts = ['a', 'b'.repeat(70_000), 'c', 'd'.repeat(1_000_000), 'e'.repeat(20_000), 'f']
    const encoded = texts.map(text => query.encodeQuery(text))
    expect(encoded.map(each => query.decodeQuery(each.subarray(5)))).toEqual(texts)
  })

  it('leaves it to the server to say how many rows, where none or a negative number is asked', () => {
    const negative = extended.encodeExecute({ portal: '', rowsMax: -1 })
    expect(extended.decodeExecute(bodyOf(negative, 'E'))).toEqual({ portal: '', rowsMax: 0 })
  })
})
