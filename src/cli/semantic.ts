/** `semantic`: what the tables of a tenant mean, as a file or as rows of the control database. */
import { relative, resolve } from 'node:path'
import type { Command } from 'commander'
import { stringify } from 'yaml'
import { relationshipName } from '../catalog/semantic-document.ts'
import { documentOf, entriesOf } from '../catalog/semantic-export.ts'
import { readSemanticFile, SemanticFolder } from '../catalog/semantic-files.ts'
import type { SemanticLayer } from '../catalog/semantic-layer.ts'
import { AnnotationReader } from '../catalog/semantic-source.ts'
import { listDatabases } from '../control/database-rows.ts'
import { replaceSemanticEntries } from '../control/semantic-entries.ts'
import { findTenant, type TenantRow } from '../control/tenants.ts'
import { createParser, type Parser } from '../guard/parse.ts'
import type { PlacedDrift } from '../serve/semantic-check.ts'
import { semanticDirOf } from '../serve/semantic-dir.ts'
import type { Stores } from '../serve/stores.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'

interface TenantOption {
  readonly tenant: string
}

export function semanticCommand(cli: Cli): Command {
  return describeCommand(
    'semantic',
    'what the tables of a tenant mean: entities, relationships and metrics, from semantic/<tenant>.yml or from rows',
    [
      'semantic validate semantic/acme.yml --tenant acme    # before it is in force',
      'semantic validate --tenant acme                      # what is in force, against the live databases',
      'semantic import acme.yml --tenant acme               # as rows, where there is no folder to keep a file in',
      'semantic export --tenant acme > semantic/acme.yml',
    ],
  )
    .addCommand(validate(cli))
    .addCommand(show(cli))
    .addCommand(importFile(cli))
    .addCommand(exportAll(cli))
}

function validate(cli: Cli): Command {
  const command = withTenant(
    describeCommand('validate', 'find faults, and where it no longer fits the live databases', [
      'semantic validate --tenant acme',
      'semantic validate semantic/acme.yml --tenant acme --json',
    ]),
  )
    .argument('[file]', 'a file that is not in force yet; left out: what is in force')
    .option('--offline', 'look for faults alone, not at the databases')
  return command.action((file: string | undefined, options: TenantOption & { offline?: boolean }) =>
    runCommand(cli, command, run =>
      withStores(run, stores =>
        withParser(async parser => {
          const tenant = await findTenant(stores.control, options.tenant)
          const layers =
            file === undefined ? await layersOf(run, stores, parser, tenant) : [await readLayer(file, parser)]
          if (options.offline === true) return tellDrift(run, layers, [])
          const { findDrift } = await import('../serve/semantic-check.ts')
          const rows = await listDatabases(stores.control, tenant.name)
          return tellDrift(run, layers, await findDrift(run.config, stores, run.log, rows, layers, parser))
        }),
      ),
    ),
  )
}

/** False where anything drifted. */
function tellDrift({ terminal }: Run, layers: readonly SemanticLayer[], drift: readonly PlacedDrift[]): boolean {
  const document = documentOf(layers)
  const counts = ['entities', 'relationships', 'metrics'].map(kind => {
    const list = document[kind]
    return `${Array.isArray(list) ? list.length : 0} ${kind}`
  })
  terminal.answer({ drift }, () => {
    for (const { place, kind, subject, message } of drift)
      terminal.say(`${terminal.style.yellow(kind)}: ${subject}, ${place}: ${message}`)
    if (drift.length === 0) terminal.say(`${counts.join(', ')}: no fault found`)
  })
  return drift.length === 0
}

function show(cli: Cli): Command {
  const command = withTenant(
    describeCommand('show', 'what is in force: the file, over the rows', ['semantic show --tenant acme --json']),
  )
  return command.action((options: TenantOption) =>
    runCommand(cli, command, run =>
      withStores(run, stores =>
        withParser(async parser => {
          const tenant = await findTenant(stores.control, options.tenant)
          const layers = await layersOf(run, stores, parser, tenant)
          run.terminal.answer(documentOf(layers), () =>
            run.terminal.table(['kind', 'of', 'says', 'from'], layers.flatMap(describeLayer)),
          )
        }),
      ),
    ),
  )
}

function describeLayer({ entities, relationships, metrics }: SemanticLayer): string[][] {
  return [
    ...entities.map(one => ['entity', one.table, one.description ?? '', one.place]),
    ...relationships.map(one => ['relationship', relationshipName(one), one.type, one.place]),
    ...metrics.map(one => ['metric', one.name, one.expression, one.place]),
  ].map(cells => cells.map(cell => cell.replace(/\s+/g, ' ').slice(0, 80)))
}

function importFile(cli: Cli): Command {
  const command = withTenant(
    describeCommand('import', "put a file's contents in the place of the tenant's rows", [
      'semantic import semantic/acme.yml --tenant acme',
    ]),
  ).argument('<file>')
  return command.action((file: string, options: TenantOption) =>
    runCommand(cli, command, run =>
      withStores(run, (stores, administration) =>
        withParser(async parser => {
          const tenant = await findTenant(stores.control, options.tenant)
          const entries = entriesOf(await readLayer(file, parser))
          await replaceSemanticEntries(administration, tenant, entries)
          run.terminal.answer({ imported: entries.length }, () =>
            run.terminal.say(`${entries.length} definitions imported for tenant ${tenant.name}`),
          )
          const own = await new SemanticFolder(semanticDirOf(run.config), parser).find(tenant.name)
          if (own !== undefined) run.terminal.note(`${relative('', own)} wins over them where both say something`)
        }),
      ),
    ),
  )
}

function exportAll(cli: Cli): Command {
  const command = withTenant(
    describeCommand('export', 'write what is in force as YAML, as a file or an import takes it', [
      'semantic export --tenant acme > semantic/acme.yml',
    ]),
  )
  return command.action((options: TenantOption) =>
    runCommand(cli, command, run =>
      withStores(run, stores =>
        withParser(async parser => {
          const tenant = await findTenant(stores.control, options.tenant)
          const document = documentOf(await layersOf(run, stores, parser, tenant))
          run.terminal.answer(document, () => run.terminal.write(stringify(document, { lineWidth: 110 })))
        }),
      ),
    ),
  )
}

async function layersOf(
  run: Run,
  stores: Stores,
  parser: Parser,
  tenant: TenantRow,
): Promise<readonly SemanticLayer[]> {
  const files = new SemanticFolder(semanticDirOf(run.config), parser)
  const reader = new AnnotationReader({ control: stores.control, files, parser })
  return (await reader.layersOf(tenant.id)).layers
}

async function readLayer(file: string, parser: Parser): Promise<SemanticLayer> {
  return (await readSemanticFile(resolve(file), parser)).layer
}

async function withParser<T>(work: (parser: Parser) => Promise<T>): Promise<T> {
  const parser = await createParser()
  try {
    return await work(parser)
  } finally {
    await parser.close()
  }
}

function withTenant(command: Command): Command {
  return command.requiredOption('--tenant <name>', 'whose it is')
}
