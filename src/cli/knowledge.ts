/** `knowledge`: what people and agents know of a tenant's data, beside its semantic layer. */
import { Argument, type Command, Option } from 'commander'
import { findKnowledge, type KnowledgeItem } from '../catalog/knowledge-base.ts'
import type { Administration } from '../control/administration.ts'
import { listKnowledgeEntries, removeKnowledgeEntry } from '../control/knowledge-entries.ts'
import { searchKnowledge } from '../control/knowledge-search.ts'
import { judgeLearning, listLearnings, removeLearning } from '../control/learnings.ts'
import { listTableKnowledge, removeTableKnowledge } from '../control/table-knowledge.ts'
import { findTenant, type TenantRef } from '../control/tenants.ts'
import type { Stores } from '../serve/stores.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { type FieldOptions, type Kind, kinds, refuseOthers, withFields } from './knowledge-fields.ts'
import { addItem, editItem } from './knowledge-items.ts'

interface TenantOption {
  readonly tenant: string
}

export function knowledgeCommand(cli: Cli): Command {
  return describeCommand(
    'knowledge',
    "what is known of a tenant's data: general entries, notes on tables, learnings from statements that were wrong",
    [
      'knowledge add entry --title "Fiscal year" --text "Starts in April." --tag finance --tenant acme',
      'knowledge add table --table orders --owner finance@acme.example --refresh hourly --tenant acme',
      'knowledge search "fiscal year" --tenant acme',
      'knowledge confirm 0199c1de-0000-7000-8000-000000000000 --tenant acme',
    ],
  )
    .addCommand(list(cli))
    .addCommand(show(cli))
    .addCommand(add(cli))
    .addCommand(edit(cli))
    .addCommand(remove(cli))
    .addCommand(judge(cli, true))
    .addCommand(judge(cli, false))
    .addCommand(search(cli))
}

function list(cli: Cli): Command {
  const command = withTenant(
    describeCommand('list', 'list everything, learnings that are not active too', [
      'knowledge list --tenant acme',
      'knowledge list --kind learning --tenant acme --json',
    ]),
  ).addOption(new Option('--kind <kind>', 'only these').choices(kinds))
  return command.action((options: TenantOption & { kind?: Kind }) =>
    runTenant(cli, command, options, async (run, tenant, { control }) => {
      const items: KnowledgeItem[] = [
        ...(await listKnowledgeEntries(control, tenant.id)).map(row => ({ kind: 'entry' as const, ...row })),
        ...(await listTableKnowledge(control, tenant.id)).map(row => ({ kind: 'table' as const, ...row })),
        ...(await listLearnings(control, tenant.id)).map(row => ({ kind: 'learning' as const, ...row })),
      ].filter(item => options.kind === undefined || item.kind === options.kind)
      run.terminal.answer(items, () =>
        run.terminal.table(
          ['kind', 'id', 'of', 'state'],
          items.map(item => [item.kind, item.id, titleOf(item), stateOf(item)]),
        ),
      )
    }),
  )
}

function show(cli: Cli): Command {
  const command = withTenant(
    describeCommand('show', 'show one, whole', ['knowledge show <id> --tenant acme']),
  ).argument('<id>')
  return command.action((id: string, options: TenantOption) =>
    runTenant(cli, command, options, async (run, tenant, { control }) => {
      const item = await findKnowledge(control, tenant.id, id)
      run.terminal.answer(item, () => {
        for (const [name, value] of Object.entries(item)) {
          const text = value instanceof Date ? value.toISOString() : value
          const shown = typeof text === 'string' ? text : JSON.stringify(text)
          run.terminal.say(`${run.terminal.style.bold(name)}: ${shown.includes('\n') ? `\n${shown}` : shown}`)
        }
      })
    }),
  )
}

function add(cli: Cli): Command {
  const command = withFields(
    withTenant(
      describeCommand('add', 'write something down', [
        'knowledge add entry --title "Fiscal year" --file fiscal-year.md --tag finance --tenant acme',
        'knowledge add table --table orders --use-case "revenue by month" --column-note "total=gross, EUR" --tenant acme',
        'knowledge add learning --category filter --table orders --description "Cancelled orders are no revenue." \\',
        '      --corrected-sql "select sum(total) from orders where status <> \'cancelled\'" --tenant acme',
      ]),
    ).addArgument(new Argument('<kind>').choices(kinds)),
  )
  return command.action((kind: Kind, options: TenantOption & FieldOptions) =>
    runTenant(cli, command, options, async (run, tenant, _, administration) => {
      refuseOthers(kind, options)
      const item = await addItem(kind, administration, tenant, options)
      run.terminal.answer(item, () => run.terminal.say(`${kind} ${item.id} added: ${titleOf(item)}`))
    }),
  )
}

function edit(cli: Cli): Command {
  const command = withFields(
    withTenant(
      describeCommand('edit', "change what is given; lists are replaced whole, '' empties", [
        'knowledge edit <id> --title "Fiscal year and quarters" --tenant acme',
        "knowledge edit <id> --owner '' --tenant acme",
      ]),
    ).argument('<id>'),
  )
  return command.action((id: string, options: TenantOption & FieldOptions) =>
    runTenant(cli, command, options, async (run, tenant, { control }, administration) => {
      const { kind } = await findKnowledge(control, tenant.id, id)
      refuseOthers(kind, options, kind === 'table' ? ['database', 'schema', 'table'] : [])
      const item = await editItem(kind, administration, tenant, id, options)
      run.terminal.answer(item, () => run.terminal.say(`${kind} ${id} changed: ${titleOf(item)}`))
    }),
  )
}

const removals = { entry: removeKnowledgeEntry, table: removeTableKnowledge, learning: removeLearning } as const

function remove(cli: Cli): Command {
  const command = withTenant(describeCommand('remove', 'remove one', ['knowledge remove <id> --tenant acme'])).argument(
    '<id>',
  )
  return command.action((id: string, options: TenantOption) =>
    runTenant(cli, command, options, async (run, tenant, { control }, administration) => {
      const item = await findKnowledge(control, tenant.id, id)
      await removals[item.kind](administration, tenant, id)
      run.terminal.answer(item, () => run.terminal.say(`${item.kind} ${id} removed: ${titleOf(item)}`))
    }),
  )
}

function judge(cli: Cli, right: boolean): Command {
  const verb = right ? 'confirm' : 'contradict'
  const summary = right
    ? 'a learning was used and was right: 0.1 surer'
    : 'a learning was used and was wrong: 0.1 less sure'
  const command = withTenant(describeCommand(verb, summary, [`knowledge ${verb} <id> --tenant acme`])).argument('<id>')
  return command.action((id: string, options: TenantOption) =>
    runTenant(cli, command, options, async (run, tenant, _, administration) => {
      const learning = await judgeLearning(administration, tenant, id, right)
      const item = { kind: 'learning', ...learning } as const
      run.terminal.answer(item, () => run.terminal.say(`${titleOf(item)} (${stateOf(item)})`))
    }),
  )
}

function search(cli: Cli): Command {
  const command = withTenant(
    describeCommand('search', 'find words in all of it', ['knowledge search "cancelled orders" --tenant acme']),
  ).argument('<text>')
  return command.action((text: string, options: TenantOption) =>
    runTenant(cli, command, options, async (run, tenant, { control }) => {
      const found = await searchKnowledge(control, tenant.id, text, 50)
      run.terminal.answer(found, () =>
        run.terminal.table(
          ['kind', 'id', 'of'],
          found.map(({ kind, id, title }) => [kind, id, visible(title)]),
        ),
      )
    }),
  )
}

function runTenant(
  cli: Cli,
  command: Command,
  options: TenantOption,
  work: (run: Run, tenant: TenantRef, stores: Stores, administration: Administration) => Promise<void>,
): Promise<void> {
  return runCommand(cli, command, run =>
    withStores(run, async (stores, administration) =>
      work(run, await findTenant(stores.control, options.tenant), stores, administration),
    ),
  )
}

function withTenant(command: Command): Command {
  return command.requiredOption('--tenant <name>', 'whose it is')
}

function titleOf(item: KnowledgeItem): string {
  switch (item.kind) {
    case 'entry':
      return visible(item.title)
    case 'table':
      return visible([item.database, item.schema, item.table].filter(part => part !== '*').join('.'))
    case 'learning':
      return visible(item.description)
  }
}

function stateOf(item: KnowledgeItem): string {
  if (item.kind !== 'learning') return `changed ${item.updatedAt.toISOString().slice(0, 10)}`
  return `${item.active ? 'active' : 'not active'}, confidence ${item.confidence}, applied ${item.timesApplied} times`
}

/** On one line, at most 70 characters. */
function visible(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 70 ? `${line.slice(0, 69)}…` : line
}
