import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { genesisOf, toLine } from '../../src/audit/chain.ts'
import { encodeRecord, lineMaxChars } from '../../src/audit/encode.ts'
import { StatementTexts } from '../../src/audit/statement-texts.ts'
import { statement } from './fixture.ts'

function encoded(
  more: Parameters<typeof statement>[1],
  literals: 'redact' | 'keep' = 'redact',
): Record<string, unknown> {
  const line = toLine(encodeRecord(statement(1, more), 5, new StatementTexts(literals)), genesisOf('here'))
  expect(line.endsWith('}\n')).toBe(true)
  expect(line.indexOf('\n')).toBe(line.length - 1)
  return JSON.parse(line)
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')

test('literals are redacted unless they are to be kept', () => {
  const text = `select * from t where ssn = '123-45'`
  expect(encoded({ text }).statement_text).toBe('select * from t where ssn = $1')
  expect(encoded({ text }, 'keep').statement_text).toBe(text)
  expect(encoded({ text })).not.toHaveProperty('text_hash')
})

test('of a text that does not parse only hash and length are kept, whatever is said of literals', () => {
  const text = `select 'sécret`
  for (const literals of ['redact', 'keep'] as const) {
    const record = encoded({ text, textParses: false }, literals)
    expect(record).toMatchObject({ text_hash: hashOf(text), text_bytes: 15 })
    expect(JSON.stringify(record)).not.toContain('cret')
  }
  expect(JSON.stringify(encoded({ text }))).not.toContain('cret')
})

test('a long text is kept in part, with hash and length of the whole', () => {
  const text = `select ${'a, '.repeat(20_000)}1`
  const record = encoded({ text })
  expect(record).toMatchObject({ text_hash: hashOf(text), text_bytes: text.length })
  expect(String(record.statement_text)).toHaveLength(16 * 1024)
})

test('no record makes a line longer than may be', () => {
  const long = '🂡'.repeat(100_000)
  const line = encodeRecord(
    statement(1, {
      relations: Array.from({ length: 5_000 }, () => 'r'.repeat(500)),
      applicationName: long,
      principal: long,
      database: long,
      detail: { long },
      text: long,
    }),
    1,
    new StatementTexts('keep'),
  )
  expect(line.length).toBeLessThan(lineMaxChars)
  expect(JSON.parse(line)).toMatchObject({ detail: { shortenedFromChars: expect.any(Number) }, text_bytes: 400_000 })
})
