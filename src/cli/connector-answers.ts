/** What the commands of connectors have in common: the types there are, and how a connector is told. */
import type { ConnectorRow } from '../control/connectors.ts'
import { SqlError } from '../errors.ts'
import { type AuthFailure, connectorNextStep } from '../materialize/connector-auth.ts'
import { baseUrlOf, type ConnectorType, hostsOf, meantOf } from '../materialize/connector-types.ts'
import { checkConnectorKnobs } from '../materialize/knobs.ts'
import { checkProviderUrl } from '../materialize/oauth-tokens.ts'
import type { Registry } from '../materialize/registry.ts'
import { openRegistry } from '../serve/registry.ts'
import type { Run } from './command.ts'

export interface TenantOption {
  readonly tenant: string
}

/** @param failure of its credentials, that its row does not tell */
export function tellConnector(
  run: Run,
  row: ConnectorRow,
  type: ConnectorType,
  what: string,
  failure = failureIn(row),
): void {
  const nextStep = failure === undefined ? null : connectorNextStep(row.name, failure)
  const baseUrl = baseUrlOf(type, row.knobs)
  const { tenantId, ...shown } = row
  run.terminal.answer(
    { ...shown, baseUrl, hosts: hostsOf(type, row.knobs), failure: failure ?? null, nextStep },
    () => {
      run.terminal.say(`connector ${row.name} (${row.type}): ${what}`)
      if (baseUrl !== null) run.terminal.say(`  address ${baseUrl}`)
      run.terminal.say(`  knobs ${JSON.stringify(row.knobs)}`)
      if (failure === undefined) return
      run.terminal.say(
        `! ${failure === 'undecipherable' ? 'its credentials cannot be opened' : (row.fault ?? 'it has no credentials')}`,
      )
      run.terminal.say(`    ${nextStep}`)
    },
  )
}

function failureIn({ state }: ConnectorRow): AuthFailure | undefined {
  if (state === 'connected') return undefined
  return state === 'not_connected' ? 'missing' : state
}

/** @throws SqlError 22023 as the type's schema says, and where its address makes no sense with them */
export function checkSettings(type: ConnectorType, knobs: ConnectorRow['knobs']): ConnectorRow['knobs'] {
  const whole = checkConnectorKnobs(type, knobs)
  const baseUrl = baseUrlOf(type, whole)
  if (baseUrl !== null) checkProviderUrl(baseUrl, type.privateHosts)
  hostsOf(type, whole)
  return whole
}

export async function readRegistry(run: Run): Promise<Registry> {
  const registry = openRegistry(run.config)
  await registry.refresh()
  return registry
}

/** @throws SqlError 42704 with the nearest names, F0000 for one that does not validate */
export function findType(registry: Registry, name: string): ConnectorType {
  const type = registry.connectorTypes().find(one => one.name === name)
  if (type === undefined) {
    const meant = meantOf(
      name,
      registry.connectorTypes().map(one => one.name),
    )
    throw new SqlError({ code: '42704', message: `there is no connector type ${JSON.stringify(name)}${meant}` })
  }
  if ('fault' in type)
    throw new SqlError({ code: 'F0000', message: `connector type "${name}" does not validate: ${type.fault}` })
  return type
}
