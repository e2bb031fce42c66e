/** Knobs of connectors, checked against the JSON schema of their type. */
import { z } from 'zod'
import type { Knobs } from '../control/pipelines.ts'
import { SqlError } from '../errors.ts'
import type { ConnectorType } from './registry.ts'

const faultsShown = 10
const knobsMaxBytes = 64 * 1024

/**
 * What the type's schema says nothing of is refused, unless it says that more is allowed.
 * @throws SqlError 22023 that names every fault; 54000 for more than 64 KiB; F0000 where the type's own schema makes no sense
 */
export function checkKnobs(type: ConnectorType, knobs: Knobs): void {
  if (Buffer.byteLength(JSON.stringify(knobs)) > knobsMaxBytes)
    throw new SqlError({ code: '54000', message: `the settings are longer than ${knobsMaxBytes} bytes` })
  const checked = validatorOf(type).safeParse(knobs)
  if (checked.success) return
  const faults = checked.error.issues.map(({ path, message }) =>
    path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`,
  )
  throw new SqlError({
    code: '22023',
    message: `connectors of type "${type.name}" cannot be set so: ${faults.slice(0, faultsShown).join('; ')}`,
    hint: 'list_pipelines shows what may be set.',
  })
}

const validators = new WeakMap<ConnectorType, z.ZodType>()

function validatorOf(type: ConnectorType): z.ZodType {
  const known = validators.get(type)
  if (known !== undefined) return known
  try {
    const validator = z.fromJSONSchema({ additionalProperties: false, ...type.knobs, type: 'object' })
    validators.set(type, validator)
    return validator
  } catch (cause) {
    throw new SqlError({
      code: 'F0000',
      message: `the knobs of connector type "${type.name}" are no JSON schema`,
      cause,
    })
  }
}
