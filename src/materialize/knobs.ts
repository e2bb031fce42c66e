/** Knobs of connectors, checked against the JSON schema of their type. */
import { z } from 'zod'
import type { Knobs } from '../control/pipelines.ts'
import { SqlError } from '../errors.ts'
import type { PipelineDefinition, PipelineRegistry } from './registry.ts'
import { scheduleFault } from './schedule.ts'

type KnobbedType = NonNullable<ReturnType<PipelineRegistry['connectorType']>>

const faultsShown = 10
const knobsMaxBytes = 64 * 1024

/** What every pipeline may be set to, whatever its connector type. */
const ofEveryPipeline = ['entities', 'schedule'] as const

/**
 * What is set with a connector itself.
 * @returns with the defaults of the type in it
 * @throws SqlError 22023 that names every fault; 54000 for more than 64 KiB
 */
export function checkConnectorKnobs(type: KnobbedType, knobs: Knobs): Knobs {
  return check(type.knobs, type.name, knobs, `postern connector types ${type.name}`)
}

/** JSON schema of what may be set for a pipeline: the type's without what is fixed, and entities and schedule. */
export function pipelineKnobsSchema(type: KnobbedType, { entities }: Pick<PipelineDefinition, 'entities'>): Knobs {
  const own = Object.entries(type.knobs.properties).filter(([name]) => !type.fixed.includes(name))
  return {
    type: 'object',
    properties: {
      ...Object.fromEntries(own),
      entities: {
        type: 'array',
        items: entities.length === 0 ? { type: 'string' } : { type: 'string', enum: [...entities] },
        description: 'Load these alone.',
      },
      schedule: { type: 'string', description: 'Cron in UTC, over that of the pipeline; empty: none.' },
    },
  }
}

/**
 * What is set for a pipeline, over what is set with the connector.
 * @throws SqlError 22023 that names every fault, 54000 for more than 64 KiB
 */
export function checkPipelineKnobs(
  type: KnobbedType,
  pipeline: Pick<PipelineDefinition, 'entities'>,
  connectorKnobs: Knobs,
  knobs: Knobs,
): void {
  check(pipelineKnobsSchema(type, pipeline), type.name, knobs, 'list_pipelines')
  const { schedule } = knobs
  const fault = typeof schedule === 'string' && schedule !== '' ? scheduleFault(schedule) : undefined
  if (fault !== undefined) throw refused(type.name, [`schedule: ${fault}`], 'list_pipelines')
  effectiveKnobs(type, connectorKnobs, knobs)
}

/**
 * What a run works with: the connector's knobs, the pipeline's over them, and defaults for the rest.
 * @throws SqlError 22023 where they do not fit the type (any more)
 */
export function effectiveKnobs(type: KnobbedType, connectorKnobs: Knobs, pipelineKnobs: Knobs): Knobs {
  const own = Object.entries(pipelineKnobs).filter(
    ([name]) => !type.fixed.includes(name) && !ofEveryPipeline.some(one => one === name),
  )
  return check(type.knobs, type.name, { ...connectorKnobs, ...Object.fromEntries(own) }, `the connector's settings`)
}

/** Why the schema of a type cannot be used; undefined: it can. */
export function knobsSchemaFault({ knobs }: Pick<KnobbedType, 'knobs'>): string | undefined {
  const taken = ofEveryPipeline.find(name => name in knobs.properties)
  if (taken !== undefined) return `"${taken}" is of every pipeline`
  try {
    for (const [name, property] of Object.entries(knobs.properties)) {
      if (property.default === undefined) continue
      const fits = validatorOf({ type: 'object', properties: { [name]: property } }).safeParse({
        [name]: property.default,
      })
      if (!fits.success) return `the default of "${name}" is not allowed by its own rules`
    }
    validatorOf(knobs)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function check(schema: Knobs, typeName: string, knobs: Knobs, whereAll: string): Knobs {
  if (Buffer.byteLength(JSON.stringify(knobs)) > knobsMaxBytes)
    throw new SqlError({ code: '54000', message: `the settings are longer than ${knobsMaxBytes} bytes` })
  const checked = validatorOf(schema).safeParse(knobs)
  if (checked.success) return z.record(z.string(), z.unknown()).parse(checked.data)
  const faults = checked.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`,
  )
  throw refused(typeName, faults, whereAll)
}

function refused(typeName: string, faults: readonly string[], whereAll: string): SqlError {
  return new SqlError({
    code: '22023',
    message: `connectors of type "${typeName}" cannot be set so: ${faults.slice(0, faultsShown).join('; ')}`,
    hint: `What may be set: ${whereAll}.`,
  })
}

/** What the schema says nothing of is refused. */
function validatorOf(schema: Knobs): z.ZodType {
  return z.fromJSONSchema({ ...schema, type: 'object', additionalProperties: false })
}
