/** Who asks a pool for an upstream connection, and how many may be held at once. */
export interface Claim {
  readonly tenant: string
  readonly principal: string
  readonly upstreamsPerPrincipal: number
  readonly upstreamsPerTenant: number
}
