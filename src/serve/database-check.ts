import type { Config } from '../config.ts'
import type { Administration } from '../control/administration.ts'
import { type DatabaseRow, findDatabase } from '../control/database-rows.ts'
import { openProvisioner } from '../control/servers.ts'
import { type CheckReport, checkDatabase } from '../provision/check.ts'
import { administratorOf, provisionRow } from './provisioning.ts'
import { attackContextOf, attackerOf, gateWayOf } from './upstreams.ts'

/** Attacks a database; with `apply` provisions it again, runs what mends the rest, and attacks it once more. */
export async function checkRow(
  config: Config,
  administration: Administration,
  row: DatabaseRow,
  apply: boolean,
): Promise<CheckReport> {
  const { sealer, pool } = administration
  const { connectTimeoutMs } = config.pool
  let way = gateWayOf(row, sealer, connectTimeoutMs)
  const administrator = openProvisioner(row.server, sealer) === null ? null : administratorOf(row.server, sealer)
  const mending = {
    administrator,
    provision: async () => {
      if (administrator === null || row.ownerRole === null) return []
      const tasks = await provisionRow(administration, row, config)
      way = gateWayOf(await findDatabase(pool, row.tenantName, row.alias), sealer, connectTimeoutMs)
      return tasks
    },
  }
  return await checkDatabase({
    connect: () => attackerOf(way),
    context: attackContextOf(way, row),
    apply: apply ? mending : undefined,
  })
}
