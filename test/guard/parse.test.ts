import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { createParser, type ParsedText, type Parser } from '../../src/guard/parse.ts'

let parser: Parser
beforeAll(async () => {
  parser = await createParser()
})
afterAll(() => parser.close())

async function refusal(text: string): Promise<{ code: string; message: string; position: number | undefined }> {
  try {
    await parser.parse(text)
  } catch (thrown) {
    if (thrown instanceof SqlError) return { code: thrown.code, message: thrown.message, position: thrown.position }
    throw thrown
  }
  throw new Error(`was parsed: ${text.slice(0, 100)}`)
}

const slices = (parsed: ParsedText) => parsed.statements.map(statement => statement.text)
const chain = (terms: number) => `select 1${' + 1'.repeat(terms)}`

describe('a text becomes statements', () => {
  test.each(['', ' ', ';', ' ; ;; ', '-- nothing', '/* nothing */', '/* a /* b */ c */ ; -- d'])(
    '%j: none',
    async text => {
      expect((await parser.parse(text)).statements).toEqual([])
    },
  )

  test('one, with its tree', async () => {
    const { statements } = await parser.parse('select 1')
    expect(statements).toHaveLength(1)
    expect(statements[0]).toMatchObject({ text: 'select 1', start: 0, node: { SelectStmt: { op: 'SETOP_NONE' } } })
  })

  test('several: each slice is the statement alone, wherever multi-byte characters stand', async () => {
    const text = '/* é */ select \'é💥\' ; -- x;\n ;\n select 2 as "ü" /* ; */ ;; table t -- end;'
    const parsed = await parser.parse(text)
    expect(slices(parsed)).toEqual(["select 'é💥'", 'select 2 as "ü" /* ; */', 'table t -- end;'])
    for (const statement of parsed.statements) {
      expect(text.slice(statement.start, statement.start + statement.text.length)).toBe(statement.text)
      expect(slices(await parser.parse(statement.text))).toEqual([statement.text])
    }
  })

  test('a no-break space is part of a name, not of the margin', async () => {
    expect(slices(await parser.parse(' select 1 as a\u00a0 '))).toEqual(['select 1 as a\u00a0'])
  })

  test('semicolons within a statement do not end it', async () => {
    const text = 'create rule r as on insert to t do also (select 1; select 2)'
    expect(slices(await parser.parse(`${text}; select 3`))).toEqual([text, 'select 3'])
  })

  test('locations lead back to the slice', async () => {
    const text = "select 'é'; select 'ü💥', relname from pg_class"
    const second = (await parser.parse(text)).statements[1]
    const location = /"ColumnRef":.*?"location":(\d+)/.exec(JSON.stringify(second?.node))?.[1]
    const offset = second?.offsets.toSlice(Number(location)) ?? -1
    expect(second?.text.slice(offset)).toBe('relname from pg_class')
    expect(second?.offsets.toSlice(1_000_000)).toBe(second?.text.length)
  })

  test('a long text gives the same tree as a short one', async () => {
    const long = `select 'é', a from t where b in (${Array.from({ length: 2000 }, (_, n) => n).join(',')}) -- é`
    const answer = parser.parse(long)
    expect(answer).toBeInstanceOf(Promise)
    expect((await answer).statements.map(s => [s.text, s.node])).toEqual(
      parser.parseNow(long).statements.map(s => [s.text, s.node]),
    )
    expect(parser.parse('select 1')).not.toBeInstanceOf(Promise)
  })
})

describe('what is no SQL is refused as Postgres does', () => {
  test.each([
    ['frob', 'syntax error at or near "frob"', 1],
    ["select 'é💥' frm frm x", 'syntax error at or near "frm"', 17],
    ['select (', 'syntax error at end of input', 9],
    ["select 'abc", `unterminated quoted string at or near "'abc"`, 8],
    ['select 1; selec 2', 'syntax error at or near "selec"', 11],
  ])('%j', async (text, message, position) => {
    expect(await refusal(text)).toEqual({ code: '42601', message, position })
  })

  test('a long text too, from the worker', async () => {
    const text = `select '${'é'.repeat(4000)}' frm frm x`
    expect(await refusal(text)).toEqual({ code: '42601', message: 'syntax error at or near "frm"', position: 4015 })
  })

  test.each([
    ["select E'\\xff'", '22021'],
    ["select E'\\u12'", '22025'],
    ['create assertion a check (true)', '0A000'],
    ['select count(*) over (rows between unbounded following and 1 preceding)', '42P20'],
    ['select 1;\0 drop table t', '22021'],
  ])('%j has the code %s', async (text, code) => {
    expect((await refusal(text)).code).toBe(code)
  })
})

describe('hostile texts break nothing for the next', () => {
  const good = async () => expect(slices(await parser.parse('select 1'))).toEqual(['select 1'])

  test.each([
    ['a deep tree, short', chain(1200).replaceAll(' ', '').replace('select', 'select ')],
    ['a deep tree, long', chain(20_000)],
    ['unary operators', `select ${'- '.repeat(60_000)}1`],
    ['NOT', `select ${'not '.repeat(30_000)}true`],
    ['casts', `select 1${'::int'.repeat(20_000)}`],
    ['unions', `select 1${' union all select 1'.repeat(6_000)}`],
    ['parentheses', `select ${'('.repeat(60_000)}1`],
    ['comments', `select ${'/*'.repeat(60_000)}`],
    ['an operator', `select 1 ${'+'.repeat(120_000)} 1`],
  ])('%s: 54001', async (_, text) => {
    expect((await refusal(text)).code).toBe('54001')
    await good()
  })

  test('wide texts are none of them', async () => {
    expect((await parser.parse(`select ${'1,'.repeat(60_000)}1`)).statements).toHaveLength(1)
    expect((await parser.parse(`select 1${';select 1'.repeat(10_000)}`)).statements).toHaveLength(10_001)
    expect((await parser.parse(`select * from t where ${'a = 1 and '.repeat(10_000)} b`)).statements).toHaveLength(1)
  })

  test('forty overflows in process, more than one instance survives', async () => {
    for (let round = 0; round < 40; round += 1) {
      expect(() => parser.parseNow(chain(30_000))).toThrow('too complex')
      await good()
      await sleep(30)
    }
    expect(slices(parser.parseNow('select 2'))).toEqual(['select 2'])
  })

  test('with every instance gone, short texts go to the worker', async () => {
    const fresh = await createParser()
    try {
      for (const _ of [1, 2]) expect(() => fresh.parseNow(chain(30_000))).toThrow('too complex')
      expect(() => fresh.parseNow('select 1')).toThrow('being replaced')
      const answer = fresh.parse('select 1')
      expect(answer).toBeInstanceOf(Promise)
      expect(slices(await answer)).toEqual(['select 1'])
    } finally {
      await fresh.close()
    }
  })

  const chainOf = (terms: number) => `select 1${'+1'.repeat(terms)}`
  test.each([
    ['overflows even the large stack', chainOf(200_000)],
    ['takes longer than a second', `select * from t where a in (${'1,'.repeat(5_000_000)}1)`],
  ])('a text that %s costs the worker, not the next text', async (_, text) => {
    await expect(parser.parse(text, 1_000_000_000)).rejects.toMatchObject({ code: '54001' })
    expect(slices(await parser.parse(`select 1 -- ${'x'.repeat(5000)}`))).toHaveLength(1)
    await good()
  })

  test('those who wait behind a hostile text are served', async () => {
    const long = (name: string) => `select 1 as ${name} -- ${'x'.repeat(5000)}`
    const answers = ['a', 'b', 'c', 'd'].map(async name => slices(await parser.parse(long(name))))
    const hostile = expect(parser.parse(chainOf(200_000), 1_000_000_000)).rejects.toMatchObject({ code: '54001' })
    const later = ['e', 'f'].map(async name => slices(await parser.parse(long(name))))
    await hostile
    expect((await Promise.all([...answers, ...later])).flat()).toHaveLength(6)
  })
})

test('a closed parser refuses who waits, and does not hang', async () => {
  const closing = await createParser()
  const waiting = closing.parse(`select '${'x'.repeat(5000)}'`)
  const outcome = expect(waiting).rejects.toMatchObject({ code: '57P01' })
  await closing.close()
  await outcome
})
