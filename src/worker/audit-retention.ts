import type { Task } from 'graphile-worker'
import type { Log } from '../observe/log.ts'

export const auditRetention = 'audit-retention'

/** Drops the months of the audit log that need not be kept any more; answers which. */
export type Retention = () => Promise<readonly unknown[]>

export function auditRetentionTask(retention: Retention, log: Log): Task {
  return async () => {
    const dropped = await retention()
    if (dropped.length > 0) log.info({ months: dropped }, 'old months of the audit log are dropped')
  }
}
