/** Splices that put a filtered view of postern_catalog in the place of a cluster-wide catalog. */
import { type Judgement, refuse } from './judgement.ts'
import { readQualifiedName } from './lexeme.ts'
import { type Fields, listOf, locationOf, textOf } from './tree.ts'

export const filteredSchema = 'postern_catalog'

/** `pg_catalog.pg_roles` → `postern_catalog.pg_roles AS pg_roles`, without the alias where there is one. */
export function spliceFilteredRelation(judgement: Judgement, relation: Fields): void {
  const name = textOf(relation.relname)
  const at = locationOf(relation)
  const start = at === undefined ? undefined : judgement.statement.offsets.toSlice(at)
  const parts = start === undefined ? undefined : readQualifiedName(judgement.statement.text, start)
  const end = parts?.at(-1)?.end
  if (start === undefined || end === undefined) refuseSplice(judgement, name, at)
  const alias = relation.alias === undefined ? ` AS ${name}` : ''
  judgement.splices.push({ start, end, text: `${filteredSchema}.${name}${alias}` })
  const { catalogname: _database, ...rest } = relation
  judgement.changes.set(relation, {
    ...rest,
    schemaname: filteredSchema,
    alias: relation.alias ?? { aliasname: name },
  })
}

/** `pg_catalog.pg_roles.rolname` → `pg_roles.rolname`. */
export function spliceColumnSchema(judgement: Judgement, column: Fields): void {
  const fields = listOf(column.fields)
  const at = locationOf(column)
  const start = at === undefined ? undefined : judgement.statement.offsets.toSlice(at)
  const parts = start === undefined ? undefined : readQualifiedName(judgement.statement.text, start)
  const relation = parts?.[fields.length - 2]
  if (start === undefined || relation === undefined) refuseSplice(judgement, 'the column', at)
  judgement.splices.push({ start, end: relation.start, text: '' })
  judgement.changes.set(column, { ...column, fields: fields.slice(-2) })
}

function refuseSplice(judgement: Judgement, name: string, at: number | undefined): never {
  refuse(judgement, 'splice', {
    code: '0A000',
    message: `${name} cannot be read under the name as it is written`,
    hint: 'Write plain names: schema.relation, without unicode escapes, with an alias for the relation.',
    at,
  })
}
