import { describe, expect, test } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { prescan } from '../../src/guard/prescan.ts'

function refusal(text: string, textMaxBytes?: number): string | undefined {
  try {
    prescan(text, textMaxBytes)
    return undefined
  } catch (thrown) {
    return thrown instanceof SqlError ? thrown.code : String(thrown)
  }
}

const nested = (depth: number) => `select 1 ${'/* '.repeat(depth)}${'*/ '.repeat(depth)}`

describe('a text before the grammar sees it', () => {
  test('its length comes back in bytes of UTF-8', () => {
    expect(prescan('select 1')).toBe(8)
    expect(prescan("select 'é💥'")).toBe(15)
    expect(prescan('')).toBe(0)
  })

  test('a NUL and half a surrogate pair are no text', () => {
    expect(refusal('select 1;\0 drop table t')).toBe('22021')
    expect(refusal("select '\ud800'")).toBe('22021')
    expect(refusal("select '\udc00\ud800'")).toBe('22021')
  })

  test('the limit is on bytes, and settable', () => {
    expect(refusal(`select '${'x'.repeat(128 * 1024)}'`)).toBe('54000')
    expect(refusal(`select '${'é'.repeat(70 * 1024)}'`)).toBe('54000')
    expect(refusal(`select '${'x'.repeat(128 * 1024)}'`, 1024 * 1024)).toBeUndefined()
    expect(refusal('select 1', 8)).toBeUndefined()
    expect(refusal('select 1', 7)).toBe('54000')
  })

  test('comments nest 16 deep, not 17', () => {
    expect(refusal(nested(16))).toBeUndefined()
    expect(refusal(nested(17))).toBe('54001')
    expect(refusal(`select 1 ${'/**/'.repeat(1000)}`)).toBeUndefined()
  })

  test('parentheses and brackets nest 500 deep, not 501', () => {
    expect(refusal(`select ${'('.repeat(500)}1${')'.repeat(500)}`)).toBeUndefined()
    expect(refusal(`select ${'('.repeat(501)}1${')'.repeat(501)}`)).toBe('54001')
    expect(refusal(`select ${'array['.repeat(501)}1${']'.repeat(501)}`)).toBe('54001')
    expect(refusal(`select ${'(1),'.repeat(2000)} 1`)).toBeUndefined()
  })

  test('an operator is 64 characters long at most', () => {
    expect(refusal(`select 1 ${'+'.repeat(64)} 1`)).toBeUndefined()
    expect(refusal(`select 1 ${'+'.repeat(65)} 1`)).toBe('54001')
    expect(refusal(`select 1 --${'-'.repeat(200)}\n`)).toBeUndefined()
    expect(refusal(`select 1 /*${'*'.repeat(200)}*/`)).toBeUndefined()
    expect(refusal(`select 1 +${'/*x*/+'.repeat(200)} 1`)).toBeUndefined()
  })
})

describe('what is inside strings and names counts for nothing', () => {
  const deep = '('.repeat(600)
  test.each([
    ['a string', `select '${deep}'`],
    ['a string with doubled quotes', `select 'it''s ${deep}'`],
    ['a backslash at the end of a plain string', `select '\\', '${deep}'`],
    ['an escape string', `select E'it\\'s ${deep}'`],
    ['an escape string that goes on in the next line', `select E'a'\n  'it\\'s ${deep}'`],
    ['an escape string behind a comment', `select E'a' -- no\n 'it\\'s ${deep}'`],
    ['a unicode string', `select U&'\\0061${deep}'`],
    ['a quoted name', `select 1 as "${deep}"`],
    ['a quoted name with doubled quotes', `select 1 as "a""${deep}"`],
    ['a dollar string', `select $$${deep}$$`],
    ['a tagged dollar string', `select $tag$ $$ $other$ ${deep}$tag$`],
    ['a tag of letters beyond ASCII', `select $é$ ${deep} $é$`],
    ['a line comment', `select 1 -- ${deep}`],
    ['a comment', `select 1 /* ' ${deep} */`],
    ['a string that never ends', `select '${deep}`],
    ['a comment that never ends', `select /* ${deep}`],
  ])('%s', (_, text) => expect(refusal(text)).toBeUndefined())

  test.each([
    ['a name that ends in e is no escape string', `select namee'\\', ${deep}'`],
    ['a dollar within a name opens nothing', `select a$$ ${deep} $$`],
    ['a parameter opens nothing', `select $1 ${deep}`],
    ['a comment ends at a carriage return', `select 1 -- x\r ${deep}`],
    ['a second string on the same line is another', `select E'a' '\\' ${deep}'`],
  ])('%s', (_, text) => expect(refusal(text)).toBe('54001'))
})

test('it takes time in proportion to the text', () => {
  const shapes = ["E'", '$a$ $b$ ', '$a', '/*/', "'' ", '+ ', "E'a'\n", '--', '"', '$', 'é', "E'a'--\n"]
  const started = performance.now()
  for (const shape of shapes) refusal(shape.repeat(Math.floor((1024 * 1024) / shape.length)), 16 * 1024 * 1024)
  expect(performance.now() - started).toBeLessThan(5_000)
})
