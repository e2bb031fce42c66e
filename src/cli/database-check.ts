/** `database check`: what the serving login can do that it should not, and the SQL that mends it. */
import type { Command } from 'commander'
import { type DatabaseRow, findDatabase } from '../control/database-rows.ts'
import type { CheckReport } from '../provision/check.ts'
import type { AttackOutcome } from '../provision/self-attack.ts'
import { isServable } from '../provision/trust.ts'
import { checkRow } from '../serve/database-check.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { tellTasks, withTenant } from './database-answers.ts'

export function checkCommand(cli: Cli): Command {
  const command = withTenant(
    describeCommand('check', 'attack a database through its own login; say what does not hold and how to mend it', [
      'database check crm --tenant acme',
      'database check crm --tenant acme --apply   # mends the locks that do not hold, grants on new tables',
    ]),
  ).option('--apply', 'make roles, pins and grants anew, and run what mends locks that do not hold')
  return command.action((alias: string, { tenant, apply }: { tenant: string; apply?: boolean }) =>
    runCommand(cli, command, run =>
      withStores(run, async (stores, administration) => {
        const row = await findDatabase(stores.control, tenant, alias)
        const report = await checkRow(run.config, administration, row, apply === true)
        const passed = report.after?.passed === true
        const served = report.after !== null && isServable(report.after, row.trust)
        run.terminal.answer({ passed, served, trust: row.trust, ...report }, () => tell(run, row, report))
        return served
      }),
    ),
  )
}

function tell(run: Run, row: DatabaseRow, report: CheckReport): void {
  const { terminal } = run
  const { style } = terminal
  if (report.after === null) {
    terminal.say(style.red(`✗ ${row.tenantName}/${row.alias} cannot be reached: ${report.unreachable?.message}`))
    return
  }
  const { outcomes, passed } = report.after
  const held = outcomes.filter(({ kind, verdict }) => kind === 'must-fail' && verdict === 'held').length
  if (report.facts !== null) {
    const { major, encoding, filteredCatalogs } = report.facts
    terminal.say(
      `Postgres ${major}, ${encoding}, ${filteredCatalogs ? 'cluster-wide catalogs filtered' : 'cluster-wide catalogs refused'}`,
    )
  }
  for (const { sql, error } of report.applied)
    terminal.say(
      `${error === null ? 'ran' : style.red('failed')}: ${sql}${error === null ? '' : `   -- ${error.message}`}`,
    )
  const found = (kind: AttackOutcome['kind']) =>
    outcomes.filter(outcome => outcome.kind === kind && outcome.verdict !== 'held')
  for (const outcome of found('must-fail')) sayOutcome(run, style.red('✗'), outcome)
  if (found('guard-only').length > 0)
    terminal.say(
      '\nThese the guard alone stops. No privilege governs them, or others may need what would take them away: that is yours to decide.',
    )
  for (const outcome of found('guard-only')) sayOutcome(run, style.yellow('–'), outcome)
  tellTasks(run, report.superuserTasks)
  terminal.say('')
  const missing = found('must-fail').length
  if (passed) terminal.say(style.green(`✓ all ${held} locks hold: it is served`))
  else if (!isServable(report.after, row.trust))
    terminal.say(style.red(`✗ not served: ${missing} locks do not hold, ${held} do`))
  else
    terminal.say(
      style.yellow(
        `– served behind the guard and read-only transactions alone: ${missing} locks are missing, ${held} hold`,
      ),
    )
}

function sayOutcome(run: Run, mark: string, { name, verdict, evidence, mend }: AttackOutcome): void {
  run.terminal.say(
    `${mark} ${name}${verdict === 'unknown' ? ' (could not be told)' : ''}${evidence === null || evidence === '' ? '' : `: ${evidence}`}`,
  )
  for (const sql of mend) run.terminal.say(run.terminal.style.dim(`    ${sql}`))
}
