/** How many calls there may be in a minute, an hour and a day: what is counted, for whom, under which name it is set. */

/** query: the MCP tool. call: every other tool call. statement: on the wire. */
export type CallKind = 'query' | 'call' | 'statement'

/** Calls in one window; null: no limit. */
export interface CallRates {
  readonly principalPerMinute: number | null
  readonly principalPerHour: number | null
  readonly principalPerDay: number | null
  readonly tenantPerMinute: number | null
  readonly tenantPerHour: number | null
  readonly tenantPerDay: number | null
}

export type Rates = { readonly [Kind in CallKind]: CallRates }

export interface RateWindow {
  readonly rate: keyof CallRates
  readonly of: 'principal' | 'tenant'
  readonly spanMs: number
  readonly span: 'minute' | 'hour' | 'day'
}

/** In the order in which they are asked: the smallest first, so that no more is taken in advance than it lets through. */
export const rateWindows: readonly RateWindow[] = [
  { rate: 'principalPerMinute', of: 'principal', spanMs: 60_000, span: 'minute' },
  { rate: 'principalPerHour', of: 'principal', spanMs: 3_600_000, span: 'hour' },
  { rate: 'principalPerDay', of: 'principal', spanMs: 86_400_000, span: 'day' },
  { rate: 'tenantPerMinute', of: 'tenant', spanMs: 60_000, span: 'minute' },
  { rate: 'tenantPerHour', of: 'tenant', spanMs: 3_600_000, span: 'hour' },
  { rate: 'tenantPerDay', of: 'tenant', spanMs: 86_400_000, span: 'day' },
]

/** Values by name, such as `queryPrincipalPerMinute`; names that are no rates are others' limits. */
type RateValues = Readonly<Record<string, unknown>>

/** What is set for single tenants and principals, by their ids. */
export interface RateOverrides {
  readonly tenants: ReadonlyMap<string, RateValues>
  readonly principals: ReadonlyMap<string, RateValues>
}

/** The name under which a rate is set for a tenant or a principal. */
function rateName(kind: CallKind, rate: keyof CallRates): string {
  return `${kind}${rate.charAt(0).toUpperCase()}${rate.slice(1)}`
}

/** The rates of one principal: the configuration's, then what is set for his tenant, then for himself; the later wins. */
export function resolveRates(
  rates: Rates,
  kind: CallKind,
  set: { readonly tenant: RateValues | undefined; readonly principal: RateValues | undefined },
): CallRates {
  const resolved = { ...rates[kind] }
  for (const { rate, of } of rateWindows) {
    // A window that all of a tenant share has one limit.
    for (const layer of of === 'tenant' ? [set.tenant] : [set.tenant, set.principal]) {
      const value = layer?.[rateName(kind, rate)]
      if (typeof value === 'number') resolved[rate] = value
    }
  }
  return resolved
}
