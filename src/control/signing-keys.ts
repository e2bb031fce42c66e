/** The keys with which Postern signs its own tokens: private halves sealed, public halves as JWKs. */
import type { ClientBase, Pool } from 'pg'
import { type Administration, administer } from './administration.ts'
import { makeId } from './ids.ts'
import type { Sealer } from './sealer.ts'

export interface SigningKeyRow {
  /** The key id (kid) in the tokens' headers. */
  readonly id: string
  readonly algorithm: 'EdDSA'
  /** A JWK (RFC 7517). */
  readonly publicKey: Readonly<Record<string, unknown>>
  readonly privateKeySealed: string
}

const columns = `k.id, k.algorithm, k.public_key as "publicKey", k.private_key_sealed as "privateKeySealed"`

/** All that still verify; the first is the one that signs. */
export async function readSigningKeys(db: Pool | ClientBase): Promise<readonly SigningKeyRow[]> {
  const read = await db.query<SigningKeyRow>(
    `select ${columns} from postern.signing_key k where k.retired_at is null order by k.created_at desc, k.id desc`,
  )
  return read.rows
}

/** `pair`: JWKs. */
export async function addSigningKey(
  client: ClientBase,
  sealer: Sealer,
  pair: { readonly publicKey: object; readonly privateKey: object },
): Promise<SigningKeyRow> {
  const id = makeId()
  const added = await client.query<SigningKeyRow>(
    `insert into postern.signing_key as k (id, algorithm, public_key, private_key_sealed)
     values ($1, 'EdDSA', $2, $3) returning ${columns}`,
    [id, pair.publicKey, sealer.seal(JSON.stringify(pair.privateKey), signingKeyContext(id))],
  )
  return added.rows[0]!
}

/** The key that signs from now on. `retire`: the older ones verify no more, and the tokens signed by them are over. */
export function renewSigningKey(
  administration: Administration,
  pair: { readonly publicKey: object; readonly privateKey: object },
  retire: boolean,
): Promise<{ readonly id: string; readonly retired: number }> {
  return administer(administration, async client => {
    const retired = retire
      ? await client.query('update postern.signing_key set retired_at = now() where retired_at is null')
      : { rowCount: 0 }
    const { id } = await addSigningKey(client, administration.sealer, pair)
    const renewed = { id, retired: retired.rowCount ?? 0 }
    return [renewed, { act: 'token renew-key', detail: renewed }]
  })
}

export function openSigningKey(sealer: Sealer, key: SigningKeyRow): string {
  return sealer.open(key.privateKeySealed, signingKeyContext(key.id))
}

function signingKeyContext(id: string): string {
  return `signing_key/${id}/private-key`
}
