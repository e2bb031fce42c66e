/**
 * Which share of real statements the guard lets through: `node test/benign/acceptance.ts [corpora folder] [--reasons]`.
 * Ends with 1 where a corpus that only reads falls below its mark.
 * Of the texts that Postgres's parser accepts, those that run or are answered, or are refused only for a name that exists
 * nowhere (42P01, 42703, 42883: proof.md). The catalog is that of an empty database with its filtered views.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { judge } from '../../src/guard/judge.ts'
import type { JudgeContext } from '../../src/guard/judgement.ts'
import { createParser, type Parser } from '../../src/guard/parse.ts'
import { reviewCatalog } from '../../src/guard/review.ts'
import { emptyCatalog, readerPolicy } from '../guard/fixtures.ts'

const folder = process.argv.slice(2).find(arg => !arg.startsWith('--')) ?? '../shared/corpora'
const showReasons = process.argv.includes('--reasons')
/** Percent. meta_repos asks for much server administration (WAL, replication, control file), which is refused. */
const marks: ReadonlyMap<string, number> = new Map([
  ...['tpch', 'tpcds', 'job', 'clickbench', 'psql_meta'].map(name => [`${name}.sql`, 100] as const),
  ...['llm_bird_pg', 'llm_defog', 'driver_captured_select', 'bi_clients'].map(name => [`${name}.sql`, 99] as const),
  ['meta_repos.sql', 91],
])
const letThrough = new Set(['42P01', '42703', '42883'])

interface Count {
  parsed: number
  accepted: number
  readonly refusals: Map<string, string[]>
}

if (!existsSync(folder)) {
  console.log(`skipped: no corpora in ${folder}`)
} else {
  const parser = await createParser()
  const parse = (text: string) => parser.parseNow(text)
  const catalog = reviewCatalog(emptyCatalog(18, 'postgres'), parse)
  const context: JudgeContext = {
    policy: readerPolicy,
    catalog,
    searchPath: ['app', 'public'],
    user: 'alice@acme',
    parse,
  }
  for (const file of readdirSync(folder).filter(name => name.endsWith('.sql'))) {
    const texts = readFileSync(join(folder, file), 'utf8')
      .split(/^-- @@$/m)
      .slice(1)
    report(file, await count(texts, parser, context))
  }
  await parser.close()
}

async function count(texts: readonly string[], parser: Parser, context: JudgeContext): Promise<Count> {
  const result: Count = { parsed: 0, accepted: 0, refusals: new Map() }
  for (const text of texts) {
    const parsed = await Promise.resolve()
      .then(() => parser.parse(text))
      .catch(() => undefined)
    if (parsed === undefined) continue
    result.parsed += 1
    const refusal = parsed.statements
      .map(statement => judge(statement, context))
      .find(verdict => verdict.kind === 'refuse' && !letThrough.has(verdict.error.code))
    if (refusal?.kind !== 'refuse') result.accepted += 1
    else note(result.refusals, `${refusal.error.code} ${refusal.reason}: ${refusal.error.message}`, text.trim())
  }
  return result
}

function note(refusals: Map<string, string[]>, reason: string, text: string): void {
  refusals.set(reason, [...(refusals.get(reason) ?? []), text])
}

function report(file: string, { parsed, accepted, refusals }: Count): void {
  const share = parsed === 0 ? 100 : (100 * accepted) / parsed
  console.log(`${file.padEnd(28)} ${String(accepted).padStart(6)} / ${String(parsed).padEnd(6)} ${share.toFixed(2)} %`)
  const mark = marks.get(file) ?? 0
  if (share < mark) {
    console.log(`    below its mark of ${mark} %`)
    process.exitCode = 1
  }
  if (!showReasons && mark < 99) return
  const sorted = [...refusals].sort(([, a], [, b]) => b.length - a.length)
  for (const [reason, texts] of sorted) {
    console.log(`    ${String(texts.length).padStart(5)} ${reason}`)
    console.log(`          ${texts[0]?.replace(/\s+/g, ' ').slice(0, 200)}`)
  }
}
