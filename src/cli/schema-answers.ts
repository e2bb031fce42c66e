/** A provisioned schema as the commands show it. */
import type { SchemaRow } from '../materialize/schemas.ts'
import type { Terminal } from './terminal.ts'

export function shownSchema(row: SchemaRow): Record<string, unknown> {
  const { id, name, database, tenantName, owner, purpose, pinned, state, endedBy, error, bytes } = row
  return {
    handle: id,
    name,
    tenant: tenantName,
    database,
    owner,
    purpose,
    private: row.private,
    pinned,
    state,
    endedBy,
    error,
    bytes,
    createdAt: row.createdAt,
    lastAccessedAt: row.lastAccessedAt,
    expiresAt: row.expiresAt,
    lastRun: row.lastRun,
  }
}

export function tellSchema({ say, style }: Terminal, row: SchemaRow): void {
  const expiry = row.pinned ? 'it never expires' : expires(row.expiresAt)
  const readers = row.private ? 'its owner alone reads it' : 'the tenant reads it'
  say(
    style.dim(
      `  ${row.tenantName}/${row.database}, ${row.owner}, "${row.purpose}": ${row.state}; ${readers}; ${expiry}`,
    ),
  )
}

function expires(at: Date | null): string {
  return at === null ? 'it is not there' : `unused until ${at.toISOString()} it is dropped`
}

const units = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const

export function sizeOf(bytes: number | undefined): string {
  if (bytes === undefined) return ''
  const power = Math.min(units.length - 1, bytes < 1024 ? 0 : Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** power
  return `${power === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[power]}`
}
