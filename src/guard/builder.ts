/** The statements that only a builder may send, in its run's own schemas: guard.md's list, each judged on its tree. */
import { judgeAnalyze, judgeComment, judgeDrop, judgeRename, judgeTruncate } from './builder-changes.ts'
import { judgeGrant } from './builder-grants.ts'
import {
  judgeAlter,
  judgeCreateIndex,
  judgeCreateTable,
  judgeCreateTableAs,
  judgeCreateView,
  judgeRefresh,
} from './builder-tables.ts'
import { requireFields } from './builder-targets.ts'
import { type Judgement, refuse } from './judgement.ts'
import { ownsSchema } from './own-schemas.ts'
import type { BuilderScope } from './policy.ts'
import { runVerdict } from './query.ts'
import { openScope } from './scope.ts'
import { type Fields, textOf } from './tree.ts'
import type { StatementKind, Verdict } from './verdict.ts'

/** undefined: nothing that a builder may send. */
export function judgeBuilding(judgement: Judgement, kind: string, fields: Fields): Verdict | undefined {
  const { builder } = judgement.context.policy
  if (builder === undefined) return undefined
  switch (kind) {
    case 'InsertStmt':
      return judgeWriting(judgement, kind, fields, 'insert')
    case 'UpdateStmt':
      return judgeWriting(judgement, kind, fields, 'update')
    case 'DeleteStmt':
      return judgeWriting(judgement, kind, fields, 'delete')
    case 'MergeStmt':
      return judgeWriting(judgement, kind, fields, 'merge')
    case 'CreateStmt':
      return judgeCreateTable(judgement, fields)
    case 'CreateTableAsStmt':
      return judgeCreateTableAs(judgement, fields)
    case 'ViewStmt':
      return judgeCreateView(judgement, fields)
    case 'RefreshMatViewStmt':
      return judgeRefresh(judgement, fields)
    case 'IndexStmt':
      return judgeCreateIndex(judgement, fields)
    case 'AlterTableStmt':
      return judgeAlter(judgement, fields)
    case 'RenameStmt':
      return judgeRename(judgement, fields)
    case 'DropStmt':
      return judgeDrop(judgement, fields)
    case 'TruncateStmt':
      return judgeTruncate(judgement, fields)
    case 'CommentStmt':
      return judgeComment(judgement, fields)
    case 'VacuumStmt':
      return judgeAnalyze(judgement, fields)
    case 'GrantStmt':
      return judgeGrant(judgement, fields, builder)
    case 'CreateSchemaStmt':
      return judgeCreateSchema(judgement, fields, builder)
    default:
      return undefined
  }
}

function judgeWriting(judgement: Judgement, kind: string, fields: Fields, statementKind: StatementKind): Verdict {
  judgement.walk({ [kind]: fields }, openScope(undefined, undefined))
  return runVerdict(judgement, statementKind, { type: 'rows' }, undefined)
}

function judgeCreateSchema(judgement: Judgement, fields: Fields, builder: BuilderScope): Verdict {
  requireFields(judgement, 'CreateSchemaStmt', fields, 'schemaname if_not_exists')
  const schema = textOf(fields.schemaname)
  if (!ownsSchema(builder, schema)) {
    refuse(judgement, 'relation', {
      code: '42501',
      message: `permission denied to create schema "${schema}"`,
      hint: `A run makes schemas whose names begin with its own: ${builder.schemas.map(own => `${own}_…`).join(', ')}.`,
    })
  }
  return {
    kind: 'answer',
    statementKind: 'create',
    relations: [],
    functions: [],
    answer: { type: 'create-schema', schema, ifNotExists: fields.if_not_exists === true },
  }
}
