import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import type { DatabaseRow } from '../control/database-rows.ts'
import { openProvisioner } from '../control/servers.ts'
import { type CheckReport, checkDatabase } from '../provision/check.ts'
import { administratorOf, provisionRow } from './provisioning.ts'
import { attackContextOf, attackerOf, connectGate, gateWayOf } from './upstreams.ts'

/** Attacks a database; with `apply` provisions it again, runs what mends the rest, and attacks it once more. */
export async function checkRow(
  config: Config,
  administration: Administration,
  row: DatabaseRow,
  apply: boolean,
): Promise<CheckReport> {
  const { sealer } = administration
  const way = gateWayOf(row, sealer, config.pool.connectTimeoutMs)
  const administrator = openProvisioner(row.server, sealer) === null ? null : administratorOf(row.server, sealer)
  const mending = {
    administrator,
    provision: async () =>
      administrator === null ? [] : await provisionRow(administration, row, config.pool.sizeMax * 2),
  }
  return await checkDatabase({
    connect: () => attackerOf(() => connectGate(way)),
    context: attackContextOf(way, row),
    apply: apply ? mending : undefined,
  })
}
