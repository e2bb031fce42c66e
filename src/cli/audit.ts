/** The audit log: whether it is whole, what stands in it, and how long it is kept. */
import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { Pool } from 'pg'
import { enforceRetention, listOldMonths } from '../audit/retention.ts'
import { verifyChains } from '../audit/verify.ts'
import type { ChainReport } from '../audit/walk.ts'
import type { Stores } from '../serve/stores.ts'
import { withLog } from './audit-owner.ts'
import { exportCommand, refusalsCommand, searchCommand, tailCommand } from './audit-read.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

export function auditCommand(cli: Cli): Command {
  return describeCommand('audit', 'who did what: the log of every statement, call, login, refusal and change', [
    'audit verify',
    'audit tail --tenant acme',
    'audit search --since 2h --sqlstate 42501',
    'audit export --since 2026-01-01 --format csv > audit.csv',
    'audit refusals --since 7d',
  ])
    .addCommand(verifyCommand(cli))
    .addCommand(tailCommand(cli))
    .addCommand(searchCommand(cli))
    .addCommand(exportCommand(cli))
    .addCommand(refusalsCommand(cli))
    .addCommand(retentionCommand(cli))
}

function verifyCommand(cli: Cli): Command {
  const command = describeCommand(
    'verify',
    'walk the chains of all instances and name the first break of each; ends with 1 where there is one',
    ['audit verify', 'audit verify --json', 'audit verify --instance control'],
  ).option('--instance <name>', 'only this chain')
  return command.action((options: { instance?: string }) =>
    runCommand(cli, command, run =>
      withLog(run, async (owner, stores) => {
        const chains: ChainReport[] = []
        for await (const chain of verifyChains(owner, stores.keys, options.instance)) chains.push(chain)
        const broken = chains.filter(chain => chain.break !== undefined)
        run.terminal.answer({ broken: broken.length, chains: chains.map(inJson) }, () => tellChains(run, chains))
        return broken.length === 0
      }),
    ),
  )
}

function inJson(chain: ChainReport): object {
  const { break: found } = chain
  return { ...chain, break: found === undefined ? null : { ...found, time: isoTime(found.time) } }
}

function isoTime(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString()
}

function tellChains({ terminal }: Run, chains: readonly ChainReport[]): void {
  const { style } = terminal
  const header = ['chain', 'records', 'from', 'to', 'dropped', 'state']
  const rows = chains.map(({ instance, records, first, last, dropped, break: found }) => [
    instance,
    String(records),
    String(first ?? ''),
    String(last ?? ''),
    String(dropped),
    found === undefined ? style.green('whole') : style.red('broken'),
  ])
  terminal.table(header, rows)
  for (const { instance, keptApart, unchained, break: found } of chains) {
    if (unchained > 0) terminal.say(`${instance}: ${unchained} records from before there was a chain`)
    if (keptApart > 0)
      terminal.say(`${instance}: ${keptApart} lines that the log could not take are kept apart, as it says`)
    if (found === undefined) continue
    terminal.say(
      style.red(`${instance}: ${found.kind} at record ${found.sequence} (${isoTime(found.time) ?? 'no time'}):`),
    )
    terminal.say(`  ${found.message}`)
  }
}

function retentionCommand(cli: Cli): Command {
  const command = describeCommand(
    'retention',
    'show the months that are older than audit.retentionDays, or drop them; signed checkpoints stay in their place',
    ['audit retention', 'audit retention --apply'],
  )
    .option('--apply', 'drop them')
    .option('--even-broken', 'also those whose chain is broken; it stays broken')
  return command.action((options: RetentionFlags) =>
    runCommand(cli, command, run => {
      const { retentionDays } = run.config.audit
      if (retentionDays !== null)
        return withLog(run, (owner, stores) => retain(run, owner, stores, retentionDays, options))
      run.terminal.answer({ retentionDays, months: [] }, () =>
        run.terminal.say('audit.retentionDays is not set: every record is kept'),
      )
      return Promise.resolve(true)
    }),
  )
}

interface RetentionFlags {
  readonly apply?: boolean
  readonly evenBroken?: boolean
}

async function retain(
  run: Run,
  owner: Pool,
  stores: Stores,
  retentionDays: number,
  { apply = false, evenBroken }: RetentionFlags,
): Promise<void> {
  const nowMs = Date.now()
  const actor = { door: 'cli', principal: userInfo().username, session: randomUUID(), requestId: randomUUID() }
  const months = apply
    ? await enforceRetention(owner, { sealer: stores.keys, retentionDays, nowMs, actor, evenBroken })
    : await listOldMonths(owner, { retentionDays, nowMs })
  run.terminal.answer({ retentionDays, applied: apply, months }, () => {
    for (const { month, bytes } of months)
      run.terminal.say(`${month}  ${Math.ceil(bytes / 1024)} KB${apply ? '  dropped' : ''}`)
    if (months.length === 0) run.terminal.say(`no month is wholly older than ${retentionDays} days`)
    else if (!apply) run.terminal.say('"postern audit retention --apply" drops them')
  })
}
