/** Types by name: what naming one may run, and which name roles of the whole server. */
import type { CatalogSnapshot, CatalogType } from './catalog.ts'
import { type Judgement, refuse } from './judgement.ts'
import { admitCalls } from './operators.ts'
import { comesFromCatalog } from './provenance.ts'
import { namesRoles } from './review-types.ts'
import type { Scope } from './scope.ts'
import { isHarmlessCall } from './table-rules.ts'
import { type Fields, locationOf, namesOf, unwrap } from './tree.ts'

/** A type named in a cast: it may run a domain's check or a cast's function, or name other tenants' roles. */
export function judgeTypeName(judgement: Judgement, typeName: Fields): void {
  const names = namesOf(typeName.names)
  const at = locationOf(typeName)
  const type = names.at(-1) ?? ''
  const schema = names.at(-2)
  if (schema === 'information_schema') return
  const places = schema === undefined ? judgement.path : [schema]
  for (const place of places) {
    const known = findType(judgement.context.catalog, place, type)
    if (known === undefined) continue
    if (known.refused !== null) {
      refuse(judgement, 'type', {
        code: '42501',
        message: `permission denied for type ${type}`,
        detail: `It cannot be used here: ${known.refused}.`,
        at,
      })
    }
    admitCalls(judgement, known.calls, `type ${type}`, at)
  }
}

/** Identifiers are cut to so many bytes. */
const nameMaxBytes = 63

/** Array types go by `_name`, cut to length. */
function findType(catalog: CatalogSnapshot, schema: string, name: string): CatalogType | undefined {
  const types = catalog.types.get(schema)
  if (types === undefined) return undefined
  const known = types.get(name)
  if (known !== undefined || !name.startsWith('_')) return known
  const element = name.replace(/^_+/, '')
  const exact = types.get(element)
  if (exact !== undefined || Buffer.byteLength(name) < nameMaxBytes - 3) return exact
  return types.entries().find(([other]) => other.startsWith(element))?.[1]
}

/** aclitem, aclitem[], regrole, regrole[] (pg_type.dat). */
const clusterTypeOids: ReadonlySet<number> = new Set([1033, 1034, 4096, 4097])
/** FirstNormalObjectId (access/transam.h): what is not made by initdb begins here. */
const firstOwnOid = 16_384

/** Parse names parameters' types by number: as good as a cast in the text. */
export function judgeParameterTypes(judgement: Judgement, types: readonly number[]): void {
  const { catalog } = judgement.context
  for (const [at, oid] of types.entries()) {
    if (!clusterTypeOids.has(oid) && (oid < firstOwnOid || !someTypeRunsCode(catalog))) continue
    refuse(judgement, 'type', {
      code: '42501',
      message: `permission denied for the type of parameter $${at + 1}`,
      hint: 'Leave the type to the server, or give text.',
    })
  }
}

function someTypeRunsCode(catalog: CatalogSnapshot): boolean {
  for (const types of catalog.types.values()) {
    for (const type of types.values()) {
      if (type.refused !== null || type.calls.some(call => !isHarmlessCall(catalog, call))) return true
    }
  }
  return false
}

export function isClusterType(judgement: Judgement, typeName: Fields): boolean {
  return namesRoles(judgement.manifest, namesOf(typeName.names).at(-1) ?? '')
}

/**
 * `value::regrole` only over a column of a catalog of this database, and only where nothing can be coerced to its type
 * afterwards (`coalesce(relowner::regrole, '16384')` would name any role): under a cast to another type, or as an output
 * column of the statement.
 */
export function judgeClusterCast(
  judgement: Judgement,
  cast: Fields,
  typeName: Fields,
  scope: Scope,
  node: Fields,
): void {
  const isOutput = judgement.stored || judgement.castArguments.has(node) || isTopTarget(judgement, node)
  if (isOutput && comesFromCatalog(cast.arg, 'role', scope)) return
  refuseClusterType(judgement, typeName)
}

export function refuseClusterType(judgement: Judgement, typeName: Fields): never {
  refuse(judgement, 'type', {
    code: '42501',
    message: `permission denied for type ${namesOf(typeName.names).at(-1) ?? ''}`,
    detail: 'It could name roles of the whole server.',
    hint: 'Cast a column of a system catalog, and the result to text: relowner::regrole::text.',
    at: locationOf(typeName),
  })
}

function isTopTarget(judgement: Judgement, node: Fields): boolean {
  return judgement.topTargets.some(target => unwrap(target, 'ResTarget')?.val === node)
}
