/** The text of a `pipelines/*.yml` → a pipeline, or everything that is wrong with it. Pure. */
import { z } from 'zod'
import { describeIssues, type Fault, parseYaml, placeFaults } from '../catalog/strict-yaml.ts'
import { type ConnectorType, meantOf, placedTemplates, type Read, unknownKnobs } from './connector-types.ts'
import type { Pipeline, Source, SourceCommon } from './pipeline.ts'
import { type PipelineDocument, pipelineDocument } from './pipeline-schema.ts'
import { type LoaderName, loaderKeys, type WrittenSource } from './source-schema.ts'
import { templateNames } from './templates.ts'

export interface PipelineContext {
  /** Stands before the lines of faults. */
  readonly name: string
  readonly folder: string
  readonly type: (name: string) => ConnectorType | { readonly fault: string } | undefined
  readonly typeNames: readonly string[]
}

const shape: unknown = z.toJSONSchema(pipelineDocument, { io: 'output', unrepresentable: 'any' })

/** `named`: what it says it is, as far as that can be read. */
export function parsePipeline(
  text: string,
  context: PipelineContext,
): Read<Pipeline> & { readonly named?: { readonly pipeline?: string; readonly connector?: string } } {
  const yaml = parseYaml(text, context.name)
  if ('faults' in yaml) return yaml
  const named = namesOf(yaml.plain)
  const refuse = (faults: readonly Fault[]) => ({ named, faults: placeFaults(yaml, context.name, faults) })
  const parsed = pipelineDocument.safeParse(yaml.plain)
  if (!parsed.success) return refuse(describeIssues(parsed.error.issues, shape, yaml.plain))
  const type = context.type(parsed.data.connector)
  if (type === undefined) {
    const meant = meantOf(parsed.data.connector, context.typeNames)
    return refuse([{ path: ['connector'], message: `there is no connector type "${parsed.data.connector}"${meant}` }])
  }
  if ('fault' in type) return refuse([{ path: ['connector'], message: `does not validate itself: ${type.fault}` }])
  const faults: Fault[] = [...twins(parsed.data), ...discoverFaults(parsed.data, type)]
  const sources = parsed.data.sources.flatMap((_, index) => sourceOf(parsed.data, index, type, faults) ?? [])
  faults.push(...relationshipFaults(parsed.data, sources))
  return faults.length > 0 ? refuse(faults) : { named, value: assemble(parsed.data, sources, context.folder) }
}

function namesOf(plain: unknown): { pipeline?: string; connector?: string } {
  const loose = z.object({
    pipeline: z.string().optional().catch(undefined),
    connector: z.string().optional().catch(undefined),
  })
  const { pipeline, connector } = loose.safeParse(plain).data ?? {}
  return { ...(pipeline === undefined ? {} : { pipeline }), ...(connector === undefined ? {} : { connector }) }
}

function assemble(document: PipelineDocument, sources: readonly Source[], folder: string): Pipeline {
  const { transforms, limits } = document
  return {
    name: document.pipeline,
    description: document.description ?? null,
    version: document.version ?? null,
    connectorType: document.connector,
    sources,
    entities: sources.map(({ name }) => name),
    discover: document.discover ?? null,
    transforms:
      transforms === undefined
        ? null
        : 'sql_models' in transforms
          ? { kind: 'sql', models: transforms.sql_models }
          : { kind: 'dbt', project: transforms.dbt_project, models: transforms.models ?? null },
    tests: document.tests ?? null,
    relationships: document.relationships,
    schedule: document.schedule ?? null,
    limits: {
      wallClockMinutes: limits.wall_clock_minutes,
      rows: limits.rows,
      bytes: limits.bytes,
      deadLetters: limits.dead_letters,
    },
    onSourceFailure: document.on_source_failure,
    targets: document.targets ?? null,
    folder,
    fault: null,
  }
}

/** Two sources of one name, or into one table. */
function twins({ sources }: PipelineDocument): Fault[] {
  const faults: Fault[] = []
  const seen = new Set<string>()
  for (const [index, { name, table = name }] of sources.entries()) {
    for (const key of [`name ${name}`, `table ${table}`]) {
      if (seen.has(key)) faults.push({ path: ['sources', index], message: `another source has the ${key}` })
      seen.add(key)
    }
  }
  return faults
}

function discoverFaults({ discover }: PipelineDocument, type: ConnectorType): Fault[] {
  return (discover?.entities ?? []).flatMap((entity, index) =>
    type.entities.has(entity) ? [] : [noEntity(['discover', 'entities', index], entity, type)],
  )
}

function noEntity(path: Fault['path'], entity: string, type: ConnectorType): Fault {
  const meant = meantOf(entity, [...type.entities.keys()])
  return { path, message: `connector type "${type.name}" has no entity "${entity}"${meant}` }
}

/** Of columns that are declared: what is inferred is known only to a run. */
function relationshipFaults({ relationships }: PipelineDocument, sources: readonly Source[]): Fault[] {
  return relationships.flatMap((relationship, index) =>
    (['column', 'references'] as const).flatMap(end => {
      const [table = '', column = ''] = relationship[end].split('.')
      const source = sources.find(one => one.table === table)
      if (source === undefined || source.columns === null || source.columns.has(column)) return []
      const message = `table "${table}" has no column "${column}"${meantOf(column, [...source.columns.keys()])}`
      return [{ path: ['relationships', index, end], message }]
    }),
  )
}

type Written = PipelineDocument['sources'][number]

/** A source over its entity. Undefined where `faults` got something. */
function sourceOf(document: PipelineDocument, index: number, type: ConnectorType, faults: Fault[]): Source | undefined {
  const written = document.sources[index]!
  const path = ['sources', index]
  const entity = written.entity === undefined ? undefined : type.entities.get(written.entity)
  if (written.entity !== undefined && entity === undefined) {
    faults.push(noEntity([...path, 'entity'], written.entity, type))
    return undefined
  }
  const said: Written = { ...withoutUnset(entity ?? {}), ...withoutUnset(written), name: written.name }
  const config = { ...entity?.config, ...written.config }
  const loader = said.loader ?? type.loader
  const found = [
    ...strayKeys(written, loader, path),
    ...keyFaults(said, path),
    ...templateFaults(said, config, type, path),
  ]
  const common: SourceCommon = {
    name: said.name,
    table: said.table ?? said.name.replaceAll('-', '_'),
    description: said.description ?? null,
    entity: said.entity ?? null,
    mode: said.mode ?? 'replace',
    primaryKey: said.primary_key ?? [],
    columns: said.columns === undefined ? null : new Map(Object.entries(said.columns)),
    watermark: said.watermark ?? null,
    config,
  }
  const source = withLoader(common, said, loader)
  if (typeof source === 'string') found.push({ path, message: source })
  faults.push(...found)
  return found.length > 0 || typeof source === 'string' ? undefined : source
}

function withoutUnset<Values extends object>(values: Values): Partial<Values> {
  const set: Partial<Values> = { ...values }
  for (const key in set) if (set[key] === undefined) delete set[key]
  return set
}

/** What is missing, or the source. */
function withLoader(common: SourceCommon, said: WrittenSource, loader: LoaderName): Source | string {
  switch (loader) {
    case 'rest': {
      if (said.endpoint === undefined) return 'needs an endpoint, or an entity that has one'
      const { endpoint, pagination = { kind: 'none' }, records = '.' } = said
      return { ...common, loader, endpoint, pagination, records }
    }
    case 'postgres': {
      const { relation = null, query = null } = said
      if ((relation === null) === (query === null)) return 'needs either a relation or a query'
      return { ...common, loader, relation, query }
    }
    case 'file': {
      if (said.path === undefined) return 'needs a path'
      const { path, delimiter = ',', header = true } = said
      const format = said.format ?? (/\.(nd)?jsonl?$/.test(path) ? 'ndjson' : 'csv')
      return { ...common, loader, path, format, delimiter, header }
    }
    case 'script':
      return said.script === undefined ? 'needs a script' : { ...common, loader, script: said.script }
    default:
      return loader satisfies never
  }
}

/** Keys that mean something to other loaders alone. */
function strayKeys(written: Written, loader: LoaderName, path: Fault['path']): Fault[] {
  const others = Object.entries(loaderKeys).filter(([name]) => name !== loader)
  return others.flatMap(([name, keys]) =>
    keys
      .filter(key => written[key] !== undefined)
      .map(key => ({ path: [...path, key], message: `is for the loader ${name}, and this is ${loader}` })),
  )
}

function keyFaults(said: Written, path: Fault['path']): Fault[] {
  const faults: Fault[] = []
  if (said.mode === 'merge' && (said.primary_key ?? []).length === 0)
    faults.push({ path: [...path, 'mode'], message: 'merge needs a primary_key' })
  const columns = said.columns === undefined ? undefined : Object.keys(said.columns)
  if (columns === undefined) return faults
  for (const [index, key] of (said.primary_key ?? []).entries())
    if (!columns.includes(key))
      faults.push({
        path: [...path, 'primary_key', index],
        message: `no column "${key}" is declared${meantOf(key, columns)}`,
      })
  const mark = said.watermark?.column
  if (mark !== undefined && !columns.includes(mark))
    faults.push({ path: [...path, 'watermark'], message: `no column "${mark}" is declared${meantOf(mark, columns)}` })
  return faults
}

/** Knobs that the type does not have, and config that neither the source nor its entity says. */
function templateFaults(
  said: Written,
  config: SourceCommon['config'],
  type: ConnectorType,
  path: Fault['path'],
): Fault[] {
  const known = Object.keys(type.knobs.properties)
  return placedTemplates({ endpoint: said.endpoint, path: said.path }, path).flatMap(({ path: at, text }) => [
    ...unknownKnobs(at, text, known),
    // In a query a parameter whose value is not set is left out.
    ...templateNames(text)
      .filter(name => name.startsWith('config.') && !(name.slice('config.'.length) in config) && !at.includes('query'))
      .map(name => ({ path: at, message: `takes "${name}", which the source's config does not say` })),
  ])
}
