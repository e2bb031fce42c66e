/** Credentials of connectors as loaders ask for them: before each request, and once more where the provider said 401. */
import type { ClientBase, Pool } from 'pg'
import {
  type HeldCredential,
  lockCredential,
  openCredential,
  readHeld,
  renewCredential,
  writeState,
} from '../control/connector-credentials.ts'
import type { Sealer } from '../control/sealer.ts'
import { SqlError } from '../errors.ts'
import { inTransaction } from '../transaction.ts'
import {
  type AuthFailure,
  ConnectorAuth,
  type Credentials,
  decodeStored,
  encodeStored,
  type StoredCredentials,
  type StoredTokens,
} from './connector-auth.ts'
import type { ConnectorType } from './connector-types.ts'
import { askForTokens, type TokenClient, TokenRefused, type Tokens } from './oauth-tokens.ts'
import { fillAddress } from './templates.ts'

export interface CredentialOptions {
  readonly control: Pool
  readonly sealer: Sealer
  readonly registry: {
    refresh(): Promise<void>
    connectorType(name: string): Pick<ConnectorType, 'name' | 'auth'> | undefined
  }
  readonly now: () => number
}

/** A token that ends so soon is made anew before it is used. */
const refreshAheadMs = 60_000
/** Longer than a token endpoint may take: whoever waits finds what the other one got. */
const lockWaitMaxMs = 12_000

export class ConnectorCredentials {
  readonly #options: CredentialOptions
  /** By connector: everybody of this process waits for the same refresh, and holds no connection meanwhile. */
  readonly #refreshing = new Map<string, Promise<Credentials>>()

  constructor(options: CredentialOptions) {
    this.#options = options
  }

  /**
   * As they are now; tokens that have expired, or do in a minute, are made anew first.
   * @throws ConnectorAuth that says which: missing, undecipherable, refused, expired; SqlError 08006 where the provider
   * cannot be asked for another token
   */
  async read(connectorId: string): Promise<Credentials> {
    const { stored } = await this.#open(this.#options.control, connectorId)
    return this.#isStale(stored) ? await this.#refresh(connectorId, accessTokenOf(stored)) : usable(stored)
  }

  /**
   * After the provider refused `after` with 401: another token; or the one that somebody else has got meanwhile.
   * @throws ConnectorAuth as {@link read}; credentials that cannot be made anew are refused from here on
   */
  async refreshed(connectorId: string, after: Credentials): Promise<Credentials> {
    return await this.#refresh(connectorId, after.kind === 'oauth' ? after.accessToken : null, after)
  }

  #isStale(stored: StoredCredentials): boolean {
    if (!('accessToken' in stored)) return false
    const { accessToken, expiresAtMs } = stored
    return accessToken === null || (expiresAtMs !== null && expiresAtMs - refreshAheadMs <= this.#options.now())
  }

  #refresh(connectorId: string, after: string | null, refused?: Credentials): Promise<Credentials> {
    const running = this.#refreshing.get(connectorId)
    if (running !== undefined) return running
    const refreshing = this.#refreshLocked(connectorId, after, refused).finally(() => {
      this.#refreshing.delete(connectorId)
    })
    this.#refreshing.set(connectorId, refreshing)
    return refreshing
  }

  async #refreshLocked(connectorId: string, after: string | null, refused?: Credentials): Promise<Credentials> {
    const { control } = this.#options
    await this.#options.registry.refresh()
    const outcome = await inTransaction(control, async client => {
      await lockCredential(client, connectorId, lockWaitMaxMs)
      const { held, stored } = await this.#open(client, connectorId)
      const now = accessTokenOf(stored)
      if (now !== null && now !== after && !this.#isStale(stored)) return usable(stored)
      if (!('accessToken' in stored)) return this.#unlessChanged(client, held, stored, refused)
      return await this.#renew(client, held, stored, refused !== undefined)
    })
    if (outcome instanceof ConnectorAuth) throw outcome
    return outcome
  }

  /** A key that was refused is refused for good, unless somebody has set another one since. */
  async #unlessChanged(
    client: ClientBase,
    { connector }: HeldCredential,
    stored: StoredCredentials,
    refused: Credentials | undefined,
  ): Promise<Credentials | ConnectorAuth> {
    const current = usable(stored)
    if (refused === undefined || JSON.stringify(current) !== JSON.stringify(refused)) return current
    return await fail(client, connector, 'refused')
  }

  /** What fails is written down, and returned rather than thrown: the transaction has to commit it. */
  async #renew(
    client: ClientBase,
    { connector, credential }: HeldCredential,
    stored: StoredTokens,
    refused: boolean,
  ): Promise<Credentials | ConnectorAuth> {
    if (stored.kind === 'oauth' && stored.refreshToken === null) {
      const unusable = stored.accessToken === null ? 'missing' : refused ? 'refused' : 'expired'
      const stillGood = !refused && stored.expiresAtMs !== null && stored.expiresAtMs > this.#options.now()
      return stillGood ? usable(stored) : await fail(client, connector, unusable)
    }
    let tokens: Tokens
    try {
      tokens = await askForTokens(
        this.#clientOf(connector, stored),
        grantOf(stored, this.#scopesOf(connector)),
        this.#options.now(),
      )
    } catch (error) {
      if (error instanceof TokenRefused)
        return await fail(client, connector, error.of === 'grant' ? 'expired' : 'refused', error)
      // The provider is away: a token that has a few seconds left is better than none.
      const left = stored.accessToken !== null && !refused && (stored.expiresAtMs ?? 0) > this.#options.now()
      if (left) return usable(stored)
      throw error
    }
    const { accessToken, expiresAtMs, refreshToken } = tokens
    const renewed: StoredTokens =
      stored.kind === 'oauth'
        ? { ...stored, accessToken, expiresAtMs, refreshToken: refreshToken ?? stored.refreshToken }
        : { ...stored, accessToken, expiresAtMs }
    const { secret, expiresAt } = encodeStored(renewed)
    if (credential !== null)
      await renewCredential(client, this.#options.sealer, connector.id, { id: credential.id, secret, expiresAt })
    return usable(renewed)
  }

  /** @throws SqlError 42704 for the connector, ConnectorAuth missing or undecipherable */
  async #open(
    db: Pool | ClientBase,
    connectorId: string,
  ): Promise<{ readonly held: HeldCredential; readonly stored: StoredCredentials }> {
    const held = await readHeld(db, connectorId)
    if (held === undefined) throw new SqlError({ code: '42704', message: 'the connector does not exist any more' })
    const { connector, credential } = held
    if (credential === null) throw new ConnectorAuth(connector.name, 'missing')
    try {
      const stored = decodeStored(openCredential(credential, this.#options.sealer))
      if (stored.kind === 'oauth' && stored.accessToken === null) throw new ConnectorAuth(connector.name, 'missing')
      return { held, stored }
    } catch (error) {
      if (error instanceof ConnectorAuth) throw error
      // Not the cause itself where it is no SqlError: it may hold what was in the envelope.
      throw new ConnectorAuth(connector.name, 'undecipherable', error instanceof SqlError ? error : undefined)
    }
  }

  #authOf(type: string) {
    return this.#options.registry.connectorType(type)?.auth
  }

  #scopesOf({ type }: HeldCredential['connector']): readonly string[] {
    return this.#authOf(type)?.['client-credentials']?.scopes ?? []
  }

  #clientOf(connector: HeldCredential['connector'], stored: StoredTokens): TokenClient {
    const auth = this.#authOf(connector.type)?.[stored.kind]
    if (auth === undefined)
      throw new SqlError({
        code: '55000',
        message: `connector type "${connector.type}" knows no ${stored.kind} (any more)`,
      })
    const what = `the token endpoint of connector type "${connector.type}"`
    const tokenUrl = fillAddress(what, auth.token_url, connector.knobs)
    return { tokenUrl, id: stored.clientId, secret: stored.clientSecret, auth: auth.client_auth }
  }
}

async function fail(
  client: ClientBase,
  connector: HeldCredential['connector'],
  failure: Exclude<AuthFailure, 'undecipherable'>,
  cause?: unknown,
): Promise<ConnectorAuth> {
  const error = new ConnectorAuth(connector.name, failure, cause)
  await writeState(client, connector.id, failure === 'missing' ? 'not_connected' : failure, error.message)
  return error
}

function grantOf(stored: StoredTokens, scopes: readonly string[]): Record<string, string> {
  if (stored.kind === 'oauth') return { grant_type: 'refresh_token', refresh_token: stored.refreshToken ?? '' }
  return { grant_type: 'client_credentials', ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }) }
}

function accessTokenOf(stored: StoredCredentials): string | null {
  return 'accessToken' in stored ? stored.accessToken : null
}

function usable(stored: StoredCredentials): Credentials {
  if (!('accessToken' in stored)) return stored
  const { accessToken, expiresAtMs } = stored
  return {
    kind: 'oauth',
    accessToken: accessToken ?? '',
    expiresAt: expiresAtMs === null ? null : new Date(expiresAtMs),
  }
}
