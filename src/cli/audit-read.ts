/** Reading the audit log: as it grows, by what is sought, all of it, and what was refused. */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { stringify } from 'csv-stringify'
import {
  exportLog,
  groupRefusals,
  type LogFilter,
  type LogRow,
  LogTail,
  type RefusalGroup,
  searchLog,
} from '../audit/log-rows.ts'
import type { AuditKind } from '../audit/record.ts'
import { withLog } from './audit-owner.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

const followEveryMs = 500
const textMaxChars = 160
const columnOrder = (
  'time instance sequence kind door principal_id principal tenant_id tenant database schema session request_id trace_id ' +
  'credential tool statement_kind statement_text text_hash text_bytes fingerprint relations verdict reason sqlstate rows ' +
  'bytes wait_ms run_ms address application_name detail hash'
).split(' ')

export function tailCommand(cli: Cli): Command {
  const command = withFilter(
    describeCommand('tail', 'show the newest records, and those that come, of all instances', [
      'audit tail',
      'audit tail --tenant acme --kind refusal',
      'audit tail --lines 100 --no-follow',
    ]),
  )
    .addOption(new Option('--lines <n>', 'how many to begin with').argParser(parseCount).default(20))
    .option('--no-follow', 'end with those that are there')
  return command.action((options: LogFilter & { lines: number; follow: boolean }) =>
    runCommand(cli, command, run =>
      withLog(run, async owner => {
        const tail = await LogTail.open(owner, options)
        const tell = (row: LogRow) =>
          run.terminal.write(`${run.terminal.json ? JSON.stringify(inJson(row)) : inWords(row)}\n`)
        for (const row of [...(await searchLog(owner, options, options.lines))].reverse()) tell(row)
        while (options.follow && !run.signal.aborted) {
          for await (const row of tail.next()) tell(row)
          await sleep(followEveryMs, undefined, { signal: run.signal }).catch(() => undefined)
        }
      }),
    ),
  )
}

export function searchCommand(cli: Cli): Command {
  const command = withFilter(
    describeCommand('search', 'find records, the newest first', [
      'audit search --principal alice@acme --since 1d',
      'audit search --relation orders --sqlstate 42501 --json',
      'audit search --text "from payroll" --since 2026-01-01 --until 2026-02-01',
    ]),
  ).addOption(new Option('--limit <n>', 'at most so many').argParser(parseCount).default(100))
  return command.action((options: LogFilter & { limit: number }) =>
    runCommand(cli, command, run =>
      withLog(run, async owner => {
        const rows = await searchLog(owner, options, options.limit)
        run.terminal.answer(rows.map(inJson), () => {
          for (const row of rows) run.terminal.say(inWords(row))
          if (rows.length === 0) run.terminal.note('nothing like that stands in the log')
          if (rows.length === options.limit)
            run.terminal.note(`there may be more than these ${rows.length}; see --limit`)
        })
      }),
    ),
  )
}

export function exportCommand(cli: Cli): Command {
  const command = withFilter(
    describeCommand('export', 'write records out, the oldest first, however many there are', [
      'audit export > audit.ndjson',
      'audit export --tenant acme --since 2026-01-01 --until 2026-02-01 --format csv > january.csv',
    ]),
  ).addOption(
    new Option('--format <format>', 'one JSON object a line, or a spreadsheet')
      .choices(['ndjson', 'csv'])
      .default('ndjson'),
  )
  return command.action((options: LogFilter & { format: 'ndjson' | 'csv' }) =>
    runCommand(cli, command, run =>
      withLog(run, async owner => {
        const rows = exportLog(owner, options)
        const { output } = cli.streams
        if (options.format === 'ndjson') return await pipeline(Readable.from(lines(rows)), output, { end: false })
        // What begins like a formula is text: statements and names are the callers' own words.
        const sheet = stringify({
          header: true,
          columns: columnOrder,
          escape_formulas: true,
          record_delimiter: 'windows',
        })
        await pipeline(Readable.from(objects(rows)), sheet, output, { end: false })
      }),
    ),
  )
}

export function refusalsCommand(cli: Cli): Command {
  const command = withFilter(
    describeCommand('refusals', 'what was refused, by cause, the most frequent first', [
      'audit refusals --since 7d',
      'audit refusals --tenant acme --json',
    ]),
  ).addOption(new Option('--limit <n>', 'at most so many causes').argParser(parseCount).default(50))
  return command.action((options: LogFilter & { limit: number }) =>
    runCommand(cli, command, run =>
      withLog(run, async owner => {
        const groups = await groupRefusals(owner, options, options.limit)
        run.terminal.answer(groups, () => tellRefusals(run, groups))
      }),
    ),
  )
}

function tellRefusals({ terminal }: Run, groups: readonly RefusalGroup[]): void {
  for (const { count, principals, sqlstate, reason, last, example } of groups) {
    const who = `${principals} ${principals === 1 ? 'principal' : 'principals'}`
    terminal.say(`${count} × ${sqlstate ?? ''} ${oneLine(reason ?? '')}  (${who}, last ${last.toISOString()})`)
    const text = example.text ?? example.tool
    if (text !== null) terminal.say(`    ${oneLine(example.principal ?? '')}: ${oneLine(text)}`)
  }
  if (groups.length === 0) terminal.say('nothing was refused')
}

function withFilter(command: Command): Command {
  return command
    .option('--tenant <name>', 'of this tenant')
    .option('--principal <login>', 'alice@acme, or alice of any tenant')
    .addOption(
      new Option('--since <time>', '2026-01-31, 2026-01-31T12:00Z, or so long ago: 15m, 2h, 7d').argParser(parseTime),
    )
    .addOption(new Option('--until <time>', 'the same; what is as late is left out').argParser(parseTime))
    .addOption(new Option('--kind <kind>', 'of this kind').choices(kinds))
    .addOption(new Option('--sqlstate <code>', 'that ended with it: 42501').argParser(parseSqlstate))
    .option('--verdict <verdict>', 'run, rewritten, answer, refuse, done …')
    .option('--tool <name>', 'calls of this MCP tool')
    .option('--relation <name>', 'that touched it: public.orders, or orders')
    .option('--text <words>', 'that have this in the statement, reason or detail')
}

const kinds: readonly AuditKind[] = ['statement-start', 'statement', 'tool-call', 'login', 'refusal', 'administration']

function parseSqlstate(text: string): string {
  if (/^[0-9A-Z]{5}$/.test(text)) return text
  throw new InvalidArgumentError('It has five digits or capital letters: 42501.')
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

function parseTime(text: string): Date {
  const ago = /^(\d{1,6})([smhdw])$/.exec(text)
  const at = ago === null ? Date.parse(text) : Date.now() - Number(ago[1]) * (unitMs[ago[2] ?? ''] ?? Number.NaN)
  if (!/^\d/.test(text) || Number.isNaN(at))
    throw new InvalidArgumentError('Such as 2026-01-31, 2026-01-31T12:00Z, 15m, 2h, 7d.')
  return new Date(at)
}

function parseCount(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count > 0 && count <= 10_000) return count
  throw new InvalidArgumentError('It is a number from 1 to 10000.')
}

/** The columns of postern.audit_log. */
function inJson({ partition: _, ...row }: LogRow): object {
  return { ...row, time: new Date(row.time).toISOString() }
}

async function* objects(rows: AsyncIterable<LogRow>): AsyncGenerator<object, void, undefined> {
  for await (const row of rows) yield inJson(row)
}

async function* lines(rows: AsyncIterable<LogRow>): AsyncGenerator<string, void, undefined> {
  for await (const row of rows) yield `${JSON.stringify(inJson(row))}\n`
}

function inWords(row: LogRow): string {
  const did = row.tool ?? row.statement_text ?? (row.detail === null ? '' : JSON.stringify(row.detail))
  const counted = row.rows === null || row.rows === undefined ? '' : `${row.rows} ${row.rows === 1 ? 'row' : 'rows'}`
  return [
    new Date(row.time).toISOString(),
    row.door,
    row.principal ?? '-',
    row.database ?? '-',
    row.kind,
    row.verdict ?? '',
    row.sqlstate ?? '',
    counted,
    oneLine(did),
    row.reason === null ? '' : `(${row.reason})`,
  ]
    .map(word => word.replaceAll(unseen, ' '))
    .filter(word => word !== '')
    .join('  ')
}

/** On a terminal nothing of a caller's is more than text. */
const unseen = /[\s\p{Cc}\p{Cf}]+/gu

function oneLine(text: string): string {
  const plain = text.replaceAll(unseen, ' ').trim()
  return plain.length <= textMaxChars ? plain : `${plain.slice(0, textMaxChars - 1)}…`
}
