/** `policy show`: what one user may run on one database, and where each limit comes from. */
import type { Command } from 'commander'
import { rateWindows, resolveRates } from '../budgets/rates.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import { type LimitOverrides, type LimitValues, readLimitOverrides } from '../control/limits.ts'
import { resolvePolicy } from '../control/policies.ts'
import type { Policy } from '../guard/policy.ts'
import type { Principal } from '../identity/principal.ts'
import { withStores } from './administer.ts'
import { type CallerOptions, findCaller } from './caller.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

type Source = 'default' | 'settings' | 'tenant' | 'database' | 'user'

/** What set a limit of this name, whose default stands under this key of the settings. */
type Sources = (name: string, setting: string) => Source

interface Limit {
  readonly name: string
  readonly value: unknown
  readonly from: Source
}

export function policyCommand(cli: Cli): Command {
  return describeCommand('policy', 'what a user may run on a database', [
    'policy show --tenant acme',
    'policy show --user alice@acme --database crm --json',
  ]).addCommand(show(cli))
}

function show(cli: Cli): Command {
  const command = describeCommand('show', 'the policy in force for one user on one database, and what set each limit', [
    'policy show --tenant acme',
    'policy show --user alice@acme --database crm --json',
  ])
    .option('--tenant <name>', 'whose data is meant')
    .option('--database <alias>', "which of the tenant's databases; may be left out where there is one")
    .option('--user <login@tenant>', 'for whom; may be left out where the tenant has one user')
  return command.action((options: CallerOptions) =>
    runCommand(cli, command, run =>
      withStores(run, async stores => {
        const { principal, row } = await findCaller(stores.control, options)
        const overrides = await readLimitOverrides(stores.control)
        const policy = resolvePolicy(run.config.limits, row, overrides, principal.id)
        const sources = sourcesOf(run, row, overrides, principal)
        const limits = [
          ...Object.entries(policy.limits).map(([name, value]) => ({
            name,
            value,
            from: sources(name, `limits.${name}`),
          })),
          ...ratesOf(run, row, overrides, principal, sources),
        ]
        const about = { user: principal.login, role: principal.role, scopes: [...principal.scopes].sort() }
        run.terminal.answer({ ...policy, ...about, database: `${row.tenantName}/${row.alias}`, limits }, () =>
          tell(run, principal, row, policy, limits),
        )
      }),
    ),
  )
}

/** The last of those that set it wins. */
function sourcesOf({ said }: Run, row: DatabaseRow, overrides: LimitOverrides, principal: Principal): Sources {
  const layers: readonly (readonly [Source, LimitValues | undefined])[] = [
    ['user', overrides.principals.get(principal.id)],
    ['database', overrides.databases.get(row.id)],
    ['tenant', overrides.tenants.get(row.tenantId)],
  ]
  return (name, setting) => {
    const set = layers.find(([, values]) => values !== undefined && Object.hasOwn(values, name))
    if (set !== undefined) return set[0]
    return said(setting) === undefined ? 'default' : 'settings'
  }
}

/** Calls in a window; those without a limit are left out. */
function ratesOf(
  { config }: Run,
  row: DatabaseRow,
  overrides: LimitOverrides,
  principal: Principal,
  sources: Sources,
): Limit[] {
  const set = { tenant: overrides.tenants.get(row.tenantId), principal: overrides.principals.get(principal.id) }
  return (['query', 'call', 'statement'] as const).flatMap(kind => {
    const rates = resolveRates(config.rates, kind, set)
    return rateWindows
      .filter(({ rate }) => rates[rate] !== null)
      .map(({ rate }) => {
        const name = `${kind}${rate.charAt(0).toUpperCase()}${rate.slice(1)}`
        return { name, value: rates[rate], from: sources(name, `rates.${kind}.${rate}`) }
      })
  })
}

function tell(
  { terminal }: Run,
  principal: Principal,
  row: DatabaseRow,
  policy: Policy,
  limits: readonly Limit[],
): void {
  const list = (names: readonly string[], none: string) => (names.length === 0 ? none : names.join(', '))
  terminal.say(terminal.style.bold(`${principal.login} (${principal.role}) on ${row.tenantName}/${row.alias}`))
  terminal.table(
    ['rule', 'what holds'],
    [
      ['scopes', list([...principal.scopes].sort(), 'none')],
      ['statements', 'those that read, and those that steer the session (settings, transactions, cursors); no other'],
      ['schemas', list(policy.schemas, 'none')],
      ['tables', policy.allowedTables === null ? 'all of the schemas' : list(policy.allowedTables, 'none')],
      ['but not', list(policy.excludedTables, 'none is excluded')],
      ['own functions', list(policy.functions, 'none')],
      ['foreign tables', list(policy.foreignTables, 'none')],
    ],
  )
  terminal.say('')
  terminal.table(
    ['limit', 'value', 'set by'],
    limits.map(({ name, value, from }) => [name, String(value), from]),
  )
}
