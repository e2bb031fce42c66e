/** What a credential proves before it is asked which membership it is good for. */
import type { MemberRow } from '../control/members.ts'
import type { MembershipRole } from '../control/users.ts'
import { SqlError } from '../errors.ts'
import type { Shown } from './principal.ts'

/** A credential of ours: of one principal in one tenant. */
export interface BoundProof {
  readonly kind: 'bound'
  readonly member: MemberRow
  readonly shown: Shown
  /** An API key, whose use is noted. */
  readonly keyId?: string
}

/** What another party says of somebody. */
export interface ClaimedProof {
  readonly kind: 'claimed'
  readonly via: 'jwt' | 'introspection' | 'profile'
  readonly issuer: string
  readonly claims: Claims
  /** Milliseconds since the epoch; null: it did not say. */
  readonly expiresAt: number | null
}

export type Proof = BoundProof | ClaimedProof

/** The claims that are mapped; all others are not looked at. */
export interface Claims {
  readonly subject: string
  /** Names of the tenants that the credential is good for; null: it is not for naming them. */
  readonly tenants: readonly string[] | null
  /** Null: it does not narrow. */
  readonly scopes: readonly string[] | null
  readonly role: MembershipRole | null
  /** Only where its issuer says that it is verified. */
  readonly email: string | null
}

/** It was never good: whoever sends such things may be guessing. */
export class InvalidCredential extends SqlError {}

/** 28000s say what is wrong with the credential, and never what it is. */
export function invalid(what: string): SqlError {
  return new InvalidCredential({ code: '28000', message: `the ${what} is not valid` })
}

export function expired(what: string): SqlError {
  return new SqlError({ code: '28000', message: `the ${what} has expired`, hint: 'Get a new one.' })
}

export function revoked(what: string): SqlError {
  return new SqlError({ code: '28000', message: `the ${what} was revoked`, hint: 'Get a new one.' })
}

export function refused(message: string, hint?: string): SqlError {
  return new SqlError({ code: '28000', message, hint })
}

/** It cannot be told just now whether the credential is good. */
export function unavailable(who: string, cause: unknown): SqlError {
  return new SqlError({
    code: '57P03',
    message: `credentials cannot be checked at the moment: ${who} cannot be asked`,
    hint: 'Try again shortly.',
    cause,
  })
}
