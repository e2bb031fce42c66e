/** What a run does to relations of its own that stand already: rename, drop, truncate, comment, analyse. */
import { requireFields, requireName, requireOptions, requireOwn, requireOwnName } from './builder-targets.ts'
import { type Judgement, refuse } from './judgement.ts'
import { runVerdict } from './query.ts'
import { type Fields, isFields, listOf, namesOf, textOf, unwrap } from './tree.ts'
import type { StatementKind, Verdict } from './verdict.ts'

/** Kinds of object that a run can own, by how many parts of a name stand behind its relation's. */
const objects: ReadonlyMap<string, 0 | 1> = new Map([
  ['OBJECT_TABLE', 0],
  ['OBJECT_VIEW', 0],
  ['OBJECT_MATVIEW', 0],
  ['OBJECT_INDEX', 0],
  ['OBJECT_COLUMN', 1],
  ['OBJECT_TABCONSTRAINT', 1],
])

/** undefined: of something that no run owns. */
export function judgeRename(judgement: Judgement, fields: Fields): Verdict | undefined {
  const behind = objects.get(textOf(fields.renameType))
  if (behind === undefined) return undefined
  requireFields(judgement, 'RenameStmt', fields, 'renameType relationType relation subname newname behavior missing_ok')
  requireOwn(judgement, fields.relation)
  const schema = isFields(fields.relation) ? fields.relation.schemaname : undefined
  const mayBeTemporary = schema === undefined || schema === 'pg_temp'
  if (behind === 0) requireName(judgement, textOf(fields.newname), mayBeTemporary, undefined)
  return done(judgement, 'alter')
}

export function judgeDrop(judgement: Judgement, fields: Fields): Verdict | undefined {
  if (objects.get(textOf(fields.removeType)) !== 0) return undefined
  requireFields(judgement, 'DropStmt', fields, 'objects removeType behavior missing_ok concurrent')
  for (const entry of listOf(fields.objects))
    requireOwnName(judgement, namesOf(unwrap(entry, 'List')?.items), undefined)
  return done(judgement, 'drop')
}

export function judgeTruncate(judgement: Judgement, fields: Fields): Verdict {
  requireFields(judgement, 'TruncateStmt', fields, 'relations restart_seqs behavior')
  for (const entry of listOf(fields.relations)) requireOwn(judgement, unwrap(entry, 'RangeVar'))
  return done(judgement, 'truncate')
}

export function judgeComment(judgement: Judgement, fields: Fields): Verdict | undefined {
  const behind = objects.get(textOf(fields.objtype))
  if (behind === undefined) return undefined
  requireFields(judgement, 'CommentStmt', fields, 'objtype object comment')
  const names = namesOf(unwrap(fields.object, 'List')?.items)
  requireOwnName(judgement, behind === 0 ? names : names.slice(0, -1), undefined)
  return done(judgement, 'comment')
}

const analyzeOptions: ReadonlySet<string> = new Set(['skip_locked', 'verbose'])

/** undefined: VACUUM. */
export function judgeAnalyze(judgement: Judgement, fields: Fields): Verdict | undefined {
  if (fields.is_vacuumcmd === true) return undefined
  requireFields(judgement, 'VacuumStmt', fields, 'rels options is_vacuumcmd')
  requireOptions(judgement, fields.options, analyzeOptions)
  const tables = listOf(fields.rels)
  if (tables.length === 0)
    refuse(judgement, 'statement', {
      code: '0A000',
      message: 'ANALYZE of everything is not supported',
      hint: 'Name the tables.',
    })
  for (const entry of tables) {
    const table = unwrap(entry, 'VacuumRelation') ?? {}
    requireFields(judgement, 'VacuumRelation', table, 'relation va_cols')
    requireOwn(judgement, table.relation)
  }
  return done(judgement, 'analyze')
}

function done(judgement: Judgement, kind: StatementKind): Verdict {
  return runVerdict(judgement, kind, { type: 'rows' }, undefined)
}
