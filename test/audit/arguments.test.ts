import { expect, test } from 'vitest'
import { encodeRecord } from '../../src/audit/encode.ts'
import { StatementTexts } from '../../src/audit/statement-texts.ts'
import { statement } from './fixture.ts'

function kept(args: unknown, literals: 'redact' | 'keep' = 'redact'): unknown {
  const call = statement(1, { kind: 'tool-call', tool: 'query', text: undefined, detail: { arguments: args } })
  return JSON.parse(encodeRecord(call, 1, new StatementTexts(literals))).detail.arguments
}

test('SQL in the arguments of a call is redacted as statements are', () => {
  const sql = `select * from t where ssn = '123-45'`
  const redacted = 'select * from t where ssn = $1'
  expect(kept({ sql, failing_sql: sql, statement: sql, query: [sql] })).toEqual({
    sql: redacted,
    failing_sql: redacted,
    statement: redacted,
    query: [redacted],
  })
  expect(kept({ sql }, 'keep')).toEqual({ sql })
  expect(kept({ sql: `select 'oops` })).toEqual({ sql: { hash: expect.stringMatching(/^[0-9a-f]{64}$/), bytes: 12 } })
})

test('secrets are not kept, however deep they lie; budgets and switches of such names are', () => {
  const args = {
    table: 'orders',
    settings: {
      api_key: 'k',
      apiKey: 'k',
      endpoint: { Authorization: 'Bearer k' },
      list: [{ client_secret: { a: 'k' } }],
    },
    token_budget: 4_000,
    use_token: true,
    password: null,
  }
  expect(kept(args, 'keep')).toEqual({
    table: 'orders',
    settings: {
      api_key: '[redacted]',
      apiKey: '[redacted]',
      endpoint: { Authorization: '[redacted]' },
      list: [{ client_secret: '[redacted]' }],
    },
    token_budget: 4_000,
    use_token: true,
    password: null,
  })
})

test('arguments without an end are cut', () => {
  let deep: unknown = 'secret'
  for (let i = 0; i < 100; i++) deep = { deep }
  expect(JSON.stringify(kept(deep))).not.toContain('secret')
})

test('statements that differ in constants alone have one fingerprint', () => {
  const texts = new StatementTexts('keep')
  const print = (text: string) => JSON.parse(encodeRecord(statement(1, { text }), 1, texts)).fingerprint
  expect(print('select 1 from t')).toBe(print(`select 'two' from t`))
  expect(print('select 1 from t')).toMatch(/^[0-9a-f]{16}$/)
  expect(print('select 1 from u')).not.toBe(print('select 1 from t'))
  expect(print(`select 'open`)).toBeUndefined()
  for (let i = 0; i < 5_000; i++)
    expect(print(`select ${i} from t where id = ${i}`)).toBe(print('select 1 from t where id = 2'))
})
