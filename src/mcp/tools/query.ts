import { z } from 'zod'
import { SqlError } from '../../errors.ts'
import type { StatementAnswer } from '../../session/callers.ts'
import { CallError } from '../codes.ts'
import { factsOf } from '../column-facts.ts'
import { orderedTableOf, skipRows } from '../paging.ts'
import { type Column, decodeRows } from '../result-rows.ts'
import { renderResult } from '../result-text.ts'
import { resolveTarget, type Target, targetArguments } from '../target.ts'
import { defineTool, type ToolAnswer, type ToolContext } from '../tool.ts'
import { oneLine } from './lines.ts'

const parametersMax = 1_000
const readingKinds: ReadonlySet<StatementAnswer['statementKind']> = new Set(['select', 'explain', 'show'])

const oneStatement = 'Send one statement in each call.'

const value = z.union([z.string(), z.number(), z.boolean(), z.null()])

const input = z.strictObject({
  sql: z.string().describe('One statement'),
  params: z
    .array(z.union([value, z.array(value)]))
    .max(parametersMax)
    .optional()
    .describe('Values of $1, $2 …'),
  format: z.enum(['rows', 'csv', 'markdown']).optional(),
  max_rows: z.int().min(1).optional(),
  cursor: z.string().optional().describe("The last page's, with the same sql and params"),
  ...targetArguments,
})

export const resultShape = {
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      nullable: z.boolean().optional(),
      table: z.string().optional(),
      encoding: z.literal('base64').optional(),
    }),
  ),
  rows: z.array(z.array(z.unknown())).optional(),
  csv: z.string().optional(),
  markdown: z.string().optional(),
  row_count: z.int(),
  truncated: z.boolean(),
  truncated_by: z.enum(['rows', 'bytes']).optional(),
  next_step: z.string().optional(),
  cursor: z.string().optional(),
  cuts: z.array(z.object({ row: z.int(), column: z.int(), bytes: z.int() })).optional(),
  sql_executed: z.string(),
  tables_accessed: z.array(z.string()),
  timing: z.object({ wait_ms: z.number(), run_ms: z.number() }),
}

const output = z.object(resultShape)

type Input = z.output<typeof input>
export type ResultData = z.output<typeof output>

export const queryTool = defineTool({
  name: 'query',
  title: 'Run a query',
  description:
    'Run one read-only PostgreSQL statement (SELECT, WITH, VALUES, EXPLAIN, SHOW). Rows come as arrays in the order of columns. bigint and numeric are strings, bytea is base64. A cut result says so, and how to go on.',
  input,
  output,
  scope: 'data:read',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  // As on the wire, where the log holds no parameters either.
  secretArguments: ['params'],
  async run(args, context): Promise<ToolAnswer<ResultData>> {
    const target = await resolveTarget(context)
    const offset = args.cursor === undefined ? 0 : offsetOf(context.cursors.open(args.cursor))
    const text = offset === 0 ? args.sql : skipRows(onlyStatement(args.sql, context), offset)
    const answer = await runStatement(text, args, target, context)
    const data = await resultOf(answer, args, target, context, offset)
    const warnings = answer.notices.map(({ severity, message }) => oneLine(`${severity}: ${message}`))
    if (answer.noticesLeftOut > 0) warnings.push(`${answer.noticesLeftOut} more notices were left out`)
    return {
      data,
      database: target.database.alias,
      schema: target.schema,
      warnings,
      text: renderResult(data),
      untrusted: true,
    }
  },
})

/** @throws SqlError as the session gives it, and what only a door of single statements refuses */
async function runStatement(text: string, args: Input, target: Target, context: ToolContext): Promise<StatementAnswer> {
  const { principal, services, signal, client, requestId, traceId } = context
  const { rowsDefault, rowsMax, resultMaxBytes, cellMaxBytes } = services.limits
  try {
    const answer = await services.callers.run({
      principal,
      database: target.database,
      text,
      parameters: (args.params ?? []).map(parameterText),
      searchPath: [target.schema, ...target.database.about.schemas.filter(schema => schema !== target.schema)],
      limits: { rowsMax: Math.min(args.max_rows ?? rowsDefault, rowsMax) },
      cellKeepBytes: cellMaxBytes,
      keepBytes: resultMaxBytes,
      client,
      origin: { requestId, traceId },
      signal,
    })
    if (answer.statementKind === 'empty') throw isEmpty()
    if (!readingKinds.has(answer.statementKind)) throw notReading()
    return answer
  } catch (error) {
    if (error instanceof SqlError && error.code === '42601' && error.message.includes('multiple commands'))
      throw areSeveral()
    throw error
  }
}

function notReading(): CallError {
  return new CallError('arguments', {
    code: '22023',
    message: 'sql must be a statement that gives rows',
    hint: 'Settings, transactions and cursors do not last from one call to the next: write one SELECT.',
  })
}

function isEmpty(): CallError {
  return new CallError('arguments', { code: '22023', message: 'sql is empty', hint: oneStatement })
}

/** The SQLSTATE that the wire gives. */
function areSeveral(): CallError {
  return new CallError('arguments', { code: '42601', message: 'sql holds several statements', hint: oneStatement })
}

async function resultOf(
  answer: StatementAnswer,
  args: Input,
  target: Target,
  context: ToolContext,
  offset: number,
): Promise<ResultData> {
  const facts = await factsOf(answer, target.database, context)
  const { columns, rows, cuts, overflowed } = decodeRows(
    answer,
    facts,
    args.sql,
    args.format ?? 'rows',
    context.services.limits.resultMaxBytes,
  )
  const truncatedBy = overflowed ? 'bytes' : answer.truncated
  const cursor =
    truncatedBy === undefined ? undefined : nextPage(args.sql, offset + rows.count, answer, facts.tableOf, context)
  return {
    columns,
    ...rows.shown,
    row_count: rows.count,
    truncated: truncatedBy !== undefined,
    ...(truncatedBy === undefined
      ? {}
      : { truncated_by: truncatedBy, next_step: nextStepOf(truncatedBy, cursor !== undefined, columns) }),
    ...(cursor === undefined ? {} : { cursor }),
    ...(cuts.length === 0 ? {} : { cuts: [...cuts] }),
    sql_executed: answer.sqlExecuted,
    tables_accessed: [...answer.relations],
    timing: { wait_ms: rounded(answer.waitMs), run_ms: rounded(answer.runMs) },
  }
}

/** Only where the order is proven to be total: else rows would be missed or come twice. */
function nextPage(
  sql: string,
  offset: number,
  answer: StatementAnswer,
  tableOf: (oid: number) => { readonly primaryKey: readonly string[] } | undefined,
  context: ToolContext,
): string | undefined {
  const ordered = orderedTableOf(onlyStatement(sql, context))
  const [relation, second] = answer.relations
  if (ordered === undefined || relation === undefined || second !== undefined) return undefined
  const table = answer.columns.find(column => column.tableOid !== 0)?.tableOid
  const primaryKey = table === undefined ? [] : (tableOf(table)?.primaryKey ?? [])
  const total = primaryKey.length > 0 && primaryKey.every(column => ordered.orderedBy.has(column))
  return total ? context.cursors.seal(String(offset)) : undefined
}

function onlyStatement(sql: string, context: ToolContext) {
  const [statement, second] = context.services.parse(sql).statements
  if (statement === undefined) throw isEmpty()
  if (second !== undefined) throw areSeveral()
  return statement
}

function offsetOf(position: string): number {
  const offset = Number(position)
  if (Number.isSafeInteger(offset) && offset > 0) return offset
  throw new CallError('arguments', { code: '22023', message: 'cursor: it is not one of this tool' })
}

function nextStepOf(by: 'rows' | 'bytes', hasCursor: boolean, columns: readonly Column[]): string {
  const why = by === 'rows' ? 'There are more rows than the limit.' : 'The rows would be larger than the limit.'
  if (hasCursor) return `${why} Call again with the cursor for the next page.`
  const fewer = by === 'bytes' && columns.length > 1 ? 'select fewer columns, ' : ''
  return `${why} Narrow it: ${fewer}filter or aggregate; or, to page, order one table by its primary key and a cursor comes along.`
}

/** As Postgres reads it; lists become array literals. */
function parameterText(value: unknown): string | null {
  if (value === null) return null
  if (!Array.isArray(value)) return String(value)
  return `{${value.map(item => (item === null ? 'NULL' : `"${String(item).replace(/["\\]/g, '\\$&')}"`)).join(',')}}`
}

function rounded(milliseconds: number): number {
  return Math.round(milliseconds * 100) / 100
}
