/** From what failed to the code, row by row. */
import { describe, expect, it } from 'vitest'
import { SqlError } from '../../src/errors.ts'
import { CallError, type Cause, codeTable, toolCodes, toolErrorOf } from '../../src/mcp/codes.ts'

const rows: readonly (readonly [sqlstate: string, cause: Cause | null, code: string])[] = [
  ['22023', 'arguments', 'VALIDATION_ERROR'],
  ['57014', 'cancelled', 'CANCELLED'],
  ['55000', 'confirmation', 'CONFIRMATION_REQUIRED'],
  ['53400', 'rate', 'RATE_LIMITED'],
  ['53400', 'quota', 'QUOTA_EXCEEDED'],
  ['28000', 'connector', 'CONNECTOR_AUTH'],
  ['XX000', 'internal', 'INTERNAL_ERROR'],
  ['57014', null, 'QUERY_TIMEOUT'],
  ['25P03', null, 'QUERY_TIMEOUT'],
  ['25P04', null, 'QUERY_TIMEOUT'],
  ['25006', null, 'NOT_READ_ONLY'],
  ['25001', null, 'VALIDATION_ERROR'],
  ['42601', null, 'SYNTAX_ERROR'],
  ['42501', null, 'PERMISSION_DENIED'],
  ['28000', null, 'PERMISSION_DENIED'],
  ['42P01', null, 'NOT_FOUND'],
  ['42703', null, 'NOT_FOUND'],
  ['42704', null, 'NOT_FOUND'],
  ['42883', null, 'NOT_FOUND'],
  ['3D000', null, 'NOT_FOUND'],
  ['3F000', null, 'NOT_FOUND'],
  ['26000', null, 'NOT_FOUND'],
  ['34000', null, 'NOT_FOUND'],
  ['42710', null, 'CONFLICT'],
  ['42P06', null, 'CONFLICT'],
  ['42804', null, 'SYNTAX_ERROR'],
  ['08P01', null, 'VALIDATION_ERROR'],
  ['08006', null, 'UNAVAILABLE'],
  ['0A000', null, 'VALIDATION_ERROR'],
  ['21000', null, 'VALIDATION_ERROR'],
  ['22012', null, 'VALIDATION_ERROR'],
  ['23505', null, 'CONFLICT'],
  ['2BP01', null, 'CONFLICT'],
  ['40001', null, 'CONFLICT'],
  ['53100', null, 'UPSTREAM_ERROR'],
  ['53400', null, 'QUOTA_EXCEEDED'],
  ['53300', null, 'UNAVAILABLE'],
  ['54000', null, 'LIMIT_EXCEEDED'],
  ['55006', null, 'CONFLICT'],
  ['57P03', null, 'UNAVAILABLE'],
  ['F0000', null, 'UNAVAILABLE'],
  ['XX000', null, 'UPSTREAM_ERROR'],
]

describe('the table', () => {
  it('has a row in this test for each of its own, in its order', () => {
    expect(rows).toHaveLength(codeTable.length)
    for (const [at, [beginning, cause]] of codeTable.entries()) {
      expect(rows[at]![0].startsWith(beginning)).toBe(true)
      expect(rows[at]![1]).toBe(cause)
    }
  })

  it('leads to every code', () => {
    expect(new Set(rows.map(([, , code]) => code))).toEqual(new Set(toolCodes))
  })

  it.each(rows)('%s because of %s is %s', (sqlstate, cause, code) => {
    const error =
      cause === null
        ? new SqlError({ code: sqlstate, message: 'it failed' })
        : new CallError(cause, { code: sqlstate, message: 'it failed' })
    expect(toolErrorOf(error, false)).toMatchObject({ code, sqlstate })
  })
})

describe('an error', () => {
  it('of a call that was taken back is CANCELLED, whatever the server said of the statement', () => {
    expect(
      toolErrorOf(new SqlError({ code: '57014', message: 'canceling statement due to user request' }), true),
    ).toMatchObject({
      code: 'CANCELLED',
      message: 'the call was cancelled',
    })
    expect(toolErrorOf(new SqlError({ code: '42P01', message: 'no such table' }), true).code).toBe('NOT_FOUND')
  })

  it('that is nobody’s tells nothing of itself', () => {
    const error = new SqlError({
      code: 'XX000',
      message: 'internal error',
      cause: new Error('postgres://gate:secret@db'),
    })
    const told = toolErrorOf(error, false)
    expect(told.code).toBe('INTERNAL_ERROR')
    expect(JSON.stringify(told)).not.toContain('secret')
  })

  it('says where in the statement, what to do next, and how long to wait', () => {
    expect(
      toolErrorOf(new SqlError({ code: '42703', message: 'column "x" does not exist', position: 8 }), false),
    ).toMatchObject({
      message: 'column "x" does not exist (at character 8 of the statement)',
      hint: expect.stringContaining('describe_table'),
    })
    const limited = Object.assign(new SqlError({ code: '53400', message: 'too many' }), { retryAfterMs: 1_200 })
    expect(toolErrorOf(limited, false)).toMatchObject({ code: 'RATE_LIMITED', retry_after_s: 2 })
  })
})
