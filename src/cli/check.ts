import type { Command } from 'commander'
import { toSqlError } from '../errors.ts'
import { judge } from '../guard/judge.ts'
import type { ParsedText } from '../guard/parse.ts'
import type { Verdict } from '../guard/verdict.ts'
import type { OneDatabase } from '../serve/one-database.ts'
import { withStores } from './administer.ts'
import { type CallerOptions, findCaller, withCaller } from './caller.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

interface Checked {
  /** The statement's own text. */
  readonly text: string
  readonly verdict: Verdict
}

export function checkCommand(cli: Cli): Command {
  const command = withCaller(
    describeCommand(
      'check',
      'judge statements without running them: what would run, or what is refused, where and why',
      [
        'check "select * from customers" --tenant acme',
        'check "select pg_read_file(\'/etc/passwd\')" --tenant acme',
        'check "select 1" --user alice@acme --database crm --json',
      ],
    ),
  )
  return command.action((sql: string, options: CallerOptions) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const { withDatabase } = await import('../serve/one-database.ts')
        const { principal, row } = await findCaller(stores.control, options)
        const checked = await withDatabase(run.config, stores, run.log, row, async one => {
          const policy = one.served.policyOf(principal)
          return judgeText(one, sql, { policy, user: principal.login })
        })
        run.terminal.answer(checked, () => {
          for (const one of checked) tell(run, one)
        })
        return checked.every(({ verdict }) => verdict.kind !== 'refuse')
      }),
    ),
  )
}

type Context = Pick<Parameters<typeof judge>[1], 'policy' | 'user'>

async function judgeText({ served, parser }: OneDatabase, sql: string, { policy, user }: Context): Promise<Checked[]> {
  const textMaxBytes = policy.limits.statementTextMaxBytes
  let parsed: ParsedText
  try {
    parsed = await parser.parse(sql, textMaxBytes)
  } catch (thrown) {
    const error = toSqlError(thrown)
    return [
      {
        text: sql,
        verdict: {
          kind: 'refuse',
          statementKind: 'other',
          relations: [],
          functions: [],
          reason: 'syntax',
          error: error.fields(),
        },
      },
    ]
  }
  const parse = (text: string) => parser.parseNow(text, textMaxBytes * 2)
  const context = { policy, user, catalog: served.catalog(), searchPath: policy.schemas, parse }
  return parsed.statements.map(statement => ({ text: statement.text, verdict: judge(statement, context) }))
}

function tell({ terminal }: Run, { text, verdict }: Checked): void {
  const { style } = terminal
  switch (verdict.kind) {
    case 'refuse':
      return tellRefusal({ terminal }, text, verdict)
    case 'answer':
      terminal.say(`${style.green('answered')} by Postern itself (${verdict.answer.type})`)
      break
    case 'run':
      if (verdict.splices.length === 0) terminal.say(`${style.green('runs')} as it stands`)
      else terminal.say(`${style.green('runs')} as: ${verdict.text}`)
      break
  }
  if (verdict.relations.length > 0) terminal.say(`reads: ${verdict.relations.join(', ')}`)
  if (verdict.functions.length > 0) terminal.say(`calls: ${verdict.functions.join(', ')}`)
}

function tellRefusal(
  { terminal }: Pick<Run, 'terminal'>,
  text: string,
  { error, reason }: Extract<Verdict, { kind: 'refuse' }>,
): void {
  terminal.say(`${terminal.style.red('refused')} (${reason}, ${error.code}): ${error.message}`)
  if (error.position !== undefined) for (const line of pointAt(text, error.position)) terminal.say(line)
  if (error.detail !== undefined) terminal.say(`detail: ${error.detail}`)
  if (error.hint !== undefined) terminal.say(`hint: ${error.hint}`)
}

/** The line of the text at which the position (1-based, in characters) stands, and a mark under it. */
function pointAt(text: string, position: number): string[] {
  const before = [...text].slice(0, position - 1).join('')
  const line = before.split('\n').length
  const column = [...(before.split('\n').at(-1) ?? '')].length
  const label = `LINE ${line}: `
  return [`${label}${text.split('\n')[line - 1] ?? ''}`, `${' '.repeat(label.length + column)}^`]
}
