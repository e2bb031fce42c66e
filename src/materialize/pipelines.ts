/** The pipelines of a tenant: those of the registry that he has connectors for. */
import type { ClientBase, Pool } from 'pg'
import { type ConnectorRow, listConnectors } from '../control/connectors.ts'
import { type Knobs, listPipelineConfigs, setPipelineKnobs } from '../control/pipelines.ts'
import { lastRuns, type RunState } from '../control/runs.ts'
import { SqlError } from '../errors.ts'
import { connectorNextStep } from './connector-auth.ts'
import { checkPipelineKnobs, pipelineKnobsSchema } from './knobs.ts'
import type { PipelineDefinition, PipelineRegistry } from './registry.ts'

/** A pipeline as a tenant has it. */
export interface PipelineRow extends PipelineDefinition {
  /** JSON schema of what may be set. */
  readonly knobs: Knobs | null
  /** The tenant's connectors that it can run with. */
  readonly connectors: readonly {
    readonly name: string
    readonly state: ConnectorRow['state']
    readonly knobs: Knobs
    /** What has to be done before it can be used; null: nothing. */
    readonly nextStep: string | null
  }[]
  readonly lastRun: { readonly id: string; readonly state: RunState; readonly endedAt: Date | null } | null
}

interface Known {
  readonly control: Pool | ClientBase
  readonly registry: PipelineRegistry
}

export async function listPipelines({ control, registry }: Known, tenantId: string): Promise<readonly PipelineRow[]> {
  await registry.refresh()
  const connectors = await listConnectors(control, tenantId)
  const configs = await listPipelineConfigs(control, tenantId)
  const runs = await lastRuns(control, tenantId)
  const types = new Set(connectors.map(({ type }) => type))
  return registry
    .pipelines()
    .filter(({ connectorType }) => connectorType !== null && types.has(connectorType))
    .map(definition => {
      const type = registry.connectorType(definition.connectorType ?? '')
      const run = runs.find(({ pipeline }) => pipeline === definition.name)
      return {
        ...summaryOf(definition),
        knobs: type === undefined ? null : pipelineKnobsSchema(type, definition),
        connectors: connectors
          .filter(({ type }) => type === definition.connectorType)
          .map(({ id, name, state }) => ({
            name,
            state,
            nextStep:
              state === 'connected' ? null : connectorNextStep(name, state === 'not_connected' ? 'missing' : state),
            knobs: configs.find(one => one.connectorId === id && one.pipeline === definition.name)?.knobs ?? {},
          })),
        lastRun: run === undefined ? null : { id: run.id, state: run.state, endedAt: run.endedAt },
      }
    })
}

/** What is shown, and no more of what its file says. */
function summaryOf({
  name,
  description,
  version,
  connectorType,
  entities,
  schedule,
  fault,
  ...rest
}: PipelineDefinition) {
  const sources = rest.sources.map(({ name, table, mode }) => ({ name, table, mode }))
  return { name, description, version, connectorType, sources, entities, schedule, fault }
}

/**
 * Replaces what is set for a connector of a pipeline.
 * @throws SqlError 42704 for pipeline or connector, 22023 for settings that its type does not allow
 */
export async function configurePipeline(
  known: Known,
  tenantId: string,
  wanted: {
    readonly pipeline: string
    readonly connector?: string | undefined
    readonly knobs: Knobs
    readonly by: string
  },
): Promise<{ readonly pipeline: string; readonly connector: string; readonly knobs: Knobs }> {
  const { definition, connector } = await choosePipeline(known, tenantId, wanted)
  const type = known.registry.connectorType(connector.type)
  if (type === undefined) throw missing('connector type', connector.type)
  const { pipeline, knobs, by } = wanted
  checkPipelineKnobs(type, definition, connector.knobs, knobs)
  await setPipelineKnobs(known.control, { connectorId: connector.id, pipeline, knobs, by })
  return { pipeline, connector: connector.name, knobs }
}

/**
 * A pipeline and the connector to run it with: the one that is named, or the tenant's only one.
 * @throws SqlError 42704 for either, 22023 where none of several is named, 55000 for a pipeline that does not validate
 */
export async function choosePipeline(
  { control, registry }: Known,
  tenantId: string,
  wanted: { readonly pipeline: string; readonly connector?: string | undefined },
): Promise<{ readonly definition: PipelineDefinition; readonly connector: ConnectorRow }> {
  await registry.refresh()
  const definition = registry.pipelines().find(({ name }) => name === wanted.pipeline)
  const connectors = (await listConnectors(control, tenantId)).filter(({ type }) => type === definition?.connectorType)
  const [only, second] = connectors
  if (definition === undefined || only === undefined) throw missing('pipeline', wanted.pipeline)
  if (definition.fault !== null) {
    const message = `pipeline "${wanted.pipeline}" does not validate: ${definition.fault}`
    throw new SqlError({ code: '55000', message, hint: 'Its author has to mend its file.' })
  }
  if (wanted.connector !== undefined) {
    const named = connectors.find(({ name }) => name === wanted.connector)
    if (named === undefined) throw missing('connector', wanted.connector)
    return { definition, connector: named }
  }
  if (second === undefined) return { definition, connector: only }
  throw new SqlError({
    code: '22023',
    message: `name one of the connectors of pipeline "${wanted.pipeline}"`,
    hint: `There is ${connectors.map(({ name }) => name).join(', ')}.`,
  })
}

/** @throws SqlError 22023 */
export function checkEntities({ name, entities }: PipelineDefinition, wanted: readonly string[] | undefined): void {
  const unknown = wanted?.find(entity => !entities.includes(entity))
  if (unknown === undefined) return
  throw new SqlError({
    code: '22023',
    message: `pipeline "${name}" has no entity ${JSON.stringify(unknown)}`,
    hint: `There is ${entities.join(', ')}.`,
  })
}

export function missing(what: 'pipeline' | 'connector' | 'connector type' | 'run', name: string): SqlError {
  const hint = what === 'run' ? undefined : 'list_pipelines shows what there is.'
  return new SqlError({ code: '42704', message: `${what} ${JSON.stringify(name)} does not exist`, hint })
}
