/** What a connector shows to its provider, as loaders use it and as it is kept. */
import { z } from 'zod'
import type { NewCredential } from '../control/connectors.ts'
import { SqlError } from '../errors.ts'

/** What a loader puts into a request. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'oauth'; readonly accessToken: string; readonly expiresAt: Date | null }

const tokens = {
  clientId: z.string(),
  clientSecret: z.string().nullable(),
  accessToken: z.string().nullable(),
  /** Milliseconds since the epoch. */
  expiresAtMs: z.number().nullable(),
}

/** What is sealed. */
const stored = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('bearer'), token: z.string() }),
  z.strictObject({ kind: z.literal('header'), name: z.string(), value: z.string() }),
  z.strictObject({ kind: z.literal('basic'), user: z.string(), password: z.string() }),
  z.strictObject({ kind: z.literal('client-credentials'), ...tokens }),
  z.strictObject({ kind: z.literal('oauth'), ...tokens, refreshToken: z.string().nullable() }),
])

export type StoredCredentials = z.output<typeof stored>
export type StoredTokens = Extract<StoredCredentials, { readonly clientId: string }>

/** @throws Error where it is none */
export function decodeStored(secret: string): StoredCredentials {
  return stored.parse(JSON.parse(secret))
}

/** Ready to be sealed. */
export function encodeStored(credentials: StoredCredentials): NewCredential {
  const expiresAtMs = 'expiresAtMs' in credentials ? credentials.expiresAtMs : null
  return {
    kind: credentials.kind,
    secret: JSON.stringify(credentials),
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs),
    connected: credentials.kind !== 'oauth' || credentials.accessToken !== null,
  }
}

export type AuthFailure = 'missing' | 'undecipherable' | 'refused' | 'expired'

/** A connector whose credentials will not do: nothing that is tried again changes that. */
export class ConnectorAuth extends SqlError {
  readonly connector: string
  readonly failure: AuthFailure

  constructor(connector: string, failure: AuthFailure, cause?: unknown) {
    super({
      code: failure === 'undecipherable' ? 'XX001' : '28000',
      message: `connector "${connector}" ${said[failure]}`,
      hint: connectorNextStep(connector, failure),
      cause,
    })
    this.connector = connector
    this.failure = failure
  }
}

const said = {
  missing: 'has no credentials',
  undecipherable: 'has credentials that cannot be opened',
  refused: 'has credentials that its provider refuses',
  expired: 'has credentials that have expired',
} as const

/** What somebody who may do it does next. */
export function connectorNextStep(connector: string, failure: AuthFailure): string {
  const names = `${connector} --tenant <tenant>`
  switch (failure) {
    case 'missing':
      return `An operator connects it: postern connector connect ${names}, or connector set ${names} --auth <kind>.`
    case 'undecipherable':
      return 'Give Postern the master key with which they were sealed, or set them anew: postern connector set.'
    case 'refused':
      return `An operator gives it others: postern connector set ${names} --auth <kind>, or connector connect ${names}.`
    case 'expired':
      return `An operator connects it again: postern connector connect ${names}.`
    default:
      return failure satisfies never
  }
}
