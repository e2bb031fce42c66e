/** `pipeline`: what loads data, as its files say it, and what tenants have set for it. */
import type { Command } from 'commander'
import { administer } from '../control/administration.ts'
import { findTenant } from '../control/tenants.ts'
import { SqlError } from '../errors.ts'
import type { Pipeline } from '../materialize/pipeline.ts'
import { configurePipeline, listPipelines, type PipelineRow } from '../materialize/pipelines.ts'
import type { FaultyPipeline } from '../materialize/registry.ts'
import { nearest } from '../nearest.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { readRegistry } from './connector-answers.ts'
import { changeKnobs, type KnobOptions, withKnobs } from './knob-options.ts'

export function pipelineCommand(cli: Cli): Command {
  return describeCommand('pipeline', 'what loads data, from pipelines/*.yml', [
    'pipeline list --tenant acme',
    'pipeline validate pipelines/crm_sync.yml',
    'pipeline configure crm_sync --tenant acme --set modified_since=2026-01-01 --set \'entities=["orders"]\'',
  ])
    .addCommand(list(cli))
    .addCommand(show(cli))
    .addCommand(validate(cli))
    .addCommand(configure(cli))
}

function list(cli: Cli): Command {
  const command = describeCommand('list', 'list pipelines', [
    'pipeline list',
    'pipeline list --tenant acme --json',
  ]).option('--tenant <name>', 'those that he has connectors for, with what is set')
  return command.action((options: { tenant?: string }) =>
    runCommand(cli, command, async run => {
      const { tenant } = options
      if (tenant === undefined) return tellAll(run, (await readRegistry(run)).pipelines())
      await withStores(run, async stores => {
        const { id } = await findTenant(stores.control, tenant)
        const rows = await listPipelines({ control: stores.control, registry: await readRegistry(run) }, id)
        run.terminal.answer(rows, () => {
          const header = ['pipeline', 'connector', 'state', 'last run', 'set to']
          run.terminal.table(header, rows.flatMap(describeRow))
          tellFaults(run, rows)
        })
      })
    }),
  )
}

function describeRow({ name, connectors, fault, lastRun }: PipelineRow): string[][] {
  return connectors.map(connector => [
    name,
    connector.name,
    fault === null ? connector.state : 'does not validate',
    lastRun?.state ?? '-',
    JSON.stringify(connector.knobs),
  ])
}

function tellAll(run: Run, all: readonly (Pipeline | FaultyPipeline)[]): void {
  run.terminal.answer(all.map(factsOf), () => {
    run.terminal.table(
      ['pipeline', 'version', 'connector type', 'sources', 'schedule'],
      all.map(({ name, version, connectorType, entities, schedule }) => [
        name,
        version ?? '-',
        connectorType ?? '-',
        entities.join(', '),
        schedule ?? '-',
      ]),
    )
    tellFaults(run, all)
  })
}

function tellFaults({ terminal }: Run, all: readonly { readonly fault: string | null }[]): void {
  for (const { fault } of all) if (fault !== null) terminal.say(`${terminal.style.red('!')} ${fault}`)
}

function show(cli: Cli): Command {
  const command = describeCommand('show', 'a pipeline with all that its file and its connector type say', [
    'pipeline show crm_sync --json',
  ]).argument('<name>')
  return command.action((name: string) =>
    runCommand(cli, command, async run => {
      const all = (await readRegistry(run)).pipelines()
      const found = all.find(pipeline => pipeline.name === name)
      if (found === undefined) throw unknown(name, all)
      run.terminal.answer(factsOf(found), () => {
        const title = found.version === null ? name : `${name} ${found.version}`
        run.terminal.say(`${title}, from connectors of type ${found.connectorType ?? '?'}`)
        if (found.description !== null) run.terminal.say(found.description)
        if (found.fault !== null) return tellFaults(run, [found])
        run.terminal.table(
          ['source', 'table', 'loader', 'mode', 'primary key', 'columns'],
          found.sources.map(({ table, loader, mode, primaryKey, columns, ...source }) => [
            source.name,
            table,
            loader,
            mode,
            primaryKey.join(', ') || '-',
            columns === null ? 'inferred' : [...columns.keys()].join(', '),
          ]),
        )
      })
      return found.fault === null
    }),
  )
}

function validate(cli: Cli): Command {
  const command = describeCommand('validate', 'find faults, in all files or in those that are named', [
    'pipeline validate',
    'pipeline validate drafts/crm_sync.yml',
  ]).argument('[file...]', 'files that need not be in force; left out: all that are')
  return command.action((files: string[]) =>
    runCommand(cli, command, async run => {
      const registry = await readRegistry(run)
      const pipelines =
        files.length === 0 ? registry.pipelines() : await Promise.all(files.map(file => registry.read(file)))
      const types =
        files.length > 0 ? [] : registry.connectorTypes().flatMap(type => ('fault' in type ? [type.fault] : []))
      const faults = [...types, ...pipelines.flatMap(({ fault }) => (fault === null ? [] : [fault]))]
      run.terminal.answer({ faults }, () => {
        for (const fault of faults) run.terminal.say(`${run.terminal.style.red('!')} ${fault}`)
        if (faults.length === 0)
          run.terminal.say(`${pipelines.map(({ name }) => name).join(', ') || 'no pipeline'}: no fault found`)
      })
      return faults.length === 0
    }),
  )
}

function configure(cli: Cli): Command {
  const command = withKnobs(
    describeCommand('configure', 'set what a connector is asked for when a pipeline runs with it', [
      'pipeline configure crm_sync --tenant acme --set schedule="0 3 * * *"',
    ]),
  )
    .argument('<name>')
    .requiredOption('--tenant <name>', 'whose connector it is')
    .option('--connector <name>', 'where he has several')
  return command.action((pipeline: string, options: KnobOptions & { tenant: string; connector?: string }) =>
    runCommand(cli, command, run =>
      withStores(run, async (stores, administration) => {
        const { id } = await findTenant(stores.control, options.tenant)
        const known = { control: stores.control, registry: await readRegistry(run) }
        const rows = await listPipelines(known, id)
        const row = rows.find(({ name }) => name === pipeline)
        if (row === undefined) throw unknown(pipeline, rows)
        const connector = row.connectors.find(({ name }) => name === (options.connector ?? row.connectors[0]?.name))
        const knobs = changeKnobs(connector?.knobs ?? {}, row.knobs ?? {}, options)
        const by = administration.actor.principal ?? 'cli'
        const wanted = { pipeline, connector: options.connector, knobs, by }
        const set = await administer(administration, async client => {
          const done = await configurePipeline({ ...known, control: client }, id, wanted)
          return [done, { act: 'pipeline configure', tenant: options.tenant, tenantId: id, detail: { ...done } }]
        })
        run.terminal.answer(set, () => {
          run.terminal.say(`pipeline ${set.pipeline} with connector ${set.connector}: ${JSON.stringify(set.knobs)}`)
        })
      }),
    ),
  )
}

function factsOf(pipeline: Pipeline | FaultyPipeline): object {
  if (pipeline.fault !== null) return pipeline
  const sources = pipeline.sources.map(source => ({
    ...source,
    columns: source.columns === null ? 'inferred' : Object.fromEntries(source.columns),
  }))
  return { ...pipeline, sources }
}

function unknown(name: string, all: readonly { readonly name: string }[]): SqlError {
  const names = all.map(one => one.name)
  const meant = nearest(name, names)
  const there = names.length === 0 ? 'There is none.' : `There is ${names.join(', ')}.`
  const hint = meant === undefined ? there : `Did you mean ${meant}?`
  return new SqlError({ code: '42704', message: `pipeline ${JSON.stringify(name)} does not exist`, hint })
}
