/** Catalogs and policies to judge against. */
import type { RawCatalog, RawFunction, RawRelation } from '../../src/guard/catalog.ts'
import catalog18 from '../../src/guard/data/catalog-18.json' with { type: 'json' }
import { defaultLimits, type Policy } from '../../src/guard/policy.ts'

export const readerPolicy: Policy = {
  version: '1',
  role: 'reader',
  schemas: ['app', 'public'],
  allowedTables: null,
  excludedTables: [],
  functions: [],
  foreignTables: [],
  limits: defaultLimits,
}

/** Every catalog that may have a filtered view has one. */
const filteredViews = Object.entries(catalog18)
  .filter(([, rule]) => rule === 'filtered')
  .map(([name]) => name.split('.')[1] ?? '')

export function emptyCatalog(major: number, database = 'acme'): RawCatalog {
  return {
    version: '1',
    major,
    database,
    schemas: ['app', 'public'],
    relations: [],
    functions: [],
    operators: [],
    types: [],
    extensions: [],
    filteredViews,
  }
}

export function relation(
  schema: string,
  name: string,
  columns: string[],
  more: Partial<RawRelation> = {},
): RawRelation {
  return { oid: 0, schema, name, kind: 'r', columns, rowsEstimate: 1_000, definition: null, policies: [], ...more }
}

export function storedFunction(schema: string, name: string, more: Partial<RawFunction> = {}): RawFunction {
  return { schema, name, volatility: 'v', securityDefiner: false, extension: null, rowArgument: false, ...more }
}
