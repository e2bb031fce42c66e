/** One run before the guard: staging `stg_1`, live `raw`, database `crm`. */
import type { Policy } from '../../src/guard/policy.ts'
import { emptyCatalog, readerPolicy, relation } from './fixtures.ts'
import { judging, type Said, type Setting } from './judging.ts'

export const reader = 'reader_x'

export const builderPolicy: Policy = {
  ...readerPolicy,
  role: 'builder',
  schemas: ['stg_1', 'raw'],
  builder: { schemas: ['stg_1'], liveSchemas: ['raw'], reader, otherGrants: 'refuse' },
}

export function building(setting: Setting = {}): Promise<Said> {
  return judging({
    ...setting,
    catalog: {
      ...emptyCatalog(setting.major ?? 18, 'crm'),
      schemas: ['stg_1', 'stg_1_dbt_test__audit', 'raw', 'other', 'stg_10', 'public'],
      relations: [
        relation('raw', 'orders', ['id', 'customer_id', 'amount', 'created_at'], { oid: 30001 }),
        relation('raw', 'customers', ['id', 'name', 'country', 'created_at'], { oid: 30002 }),
        relation('other', 'notes', ['text'], { oid: 30003 }),
        relation('stg_10', 'orders', ['id'], { oid: 30004 }),
      ],
      ...setting.catalog,
    },
    policy: { ...builderPolicy, excludedTables: [], ...setting.policy },
    searchPath: setting.searchPath ?? ['stg_1', 'raw'],
  })
}
