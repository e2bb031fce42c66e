/** What a run makes: tables, views, materialized views, indexes. Whatever is stored with them runs later: it is judged as a query is, and nothing may be spliced into it. */
import { requireFields, requireNew, requireOptions, requireOwn } from './builder-targets.ts'
import { type Judgement, refuse } from './judgement.ts'
import { runVerdict } from './query.ts'
import { refuseInner } from './refused-statements.ts'
import { openScope, type Scope } from './scope.ts'
import { type Fields, isFields, listOf, locationOf, numberOf, textOf, unwrap } from './tree.ts'
import type { Verdict } from './verdict.ts'

const storageOptions: ReadonlySet<string> = new Set([
  'autovacuum_enabled',
  'check_option',
  'deduplicate_items',
  'fastupdate',
  'fillfactor',
  'pages_per_range',
  'parallel_workers',
  'security_barrier',
  'security_invoker',
  'toast_tuple_target',
])

export function judgeCreateTable(judgement: Judgement, fields: Fields): Verdict {
  const { relation, options, ...rest } = fields
  const scope = openScope(undefined, undefined)
  scope.items.push(requireNew(judgement, relation))
  requireOptions(judgement, options, storageOptions)
  judgement.walkFields('CreateStmt', rest, scope)
  return storedVerdict(judgement)
}

/** CREATE TABLE AS and CREATE MATERIALIZED VIEW: the one keeps rows alone, the other its query too. */
export function judgeCreateTableAs(judgement: Judgement, fields: Fields): Verdict {
  requireFields(judgement, 'CreateTableAsStmt', fields, 'query into objtype if_not_exists')
  const into = isFields(fields.into) ? fields.into : {}
  requireFields(judgement, 'IntoClause', into, 'rel colNames options onCommit skipData')
  requireNew(judgement, into.rel)
  requireOptions(judgement, into.options, storageOptions)
  judgeStoredQuery(judgement, fields.query)
  if (fields.objtype === 'OBJECT_MATVIEW') return storedVerdict(judgement)
  return runVerdict(judgement, 'create', { type: 'rows' }, undefined)
}

export function judgeCreateView(judgement: Judgement, fields: Fields): Verdict {
  requireFields(judgement, 'ViewStmt', fields, 'view aliases query replace options withCheckOption')
  requireNew(judgement, fields.view)
  requireOptions(judgement, fields.options, storageOptions)
  judgeStoredQuery(judgement, fields.query)
  return storedVerdict(judgement)
}

/** No column of it may be of a type that names roles: the statement has no output columns that only the client sees. */
function judgeStoredQuery(judgement: Judgement, query: unknown): void {
  if (unwrap(query, 'SelectStmt') === undefined) refuseInner(judgement, query)
  judgement.walk(query, openScope(undefined, undefined))
}

export function judgeRefresh(judgement: Judgement, fields: Fields): Verdict {
  requireFields(judgement, 'RefreshMatViewStmt', fields, 'relation concurrent skipData')
  requireOwn(judgement, fields.relation)
  return runVerdict(judgement, 'refresh', { type: 'rows' }, undefined)
}

const accessMethods: ReadonlySet<string> = new Set([
  'brin',
  'btree',
  'gin',
  'gist',
  'hash',
  'hnsw',
  'ivfflat',
  'spgist',
])

export function judgeCreateIndex(judgement: Judgement, fields: Fields): Verdict {
  const { relation, options, accessMethod, ...rest } = fields
  if (!accessMethods.has(textOf(accessMethod)))
    refuse(judgement, 'node', {
      code: '0A000',
      message: `access method "${textOf(accessMethod)}" is not supported here`,
    })
  requireOptions(judgement, options, storageOptions)
  const scope = openScope(undefined, undefined)
  scope.items.push(requireOwn(judgement, relation))
  judgement.walkFields('IndexStmt', rest, scope)
  return storedVerdict(judgement)
}

/** What the statement leaves behind must be the client's own text, and the same for whoever comes. */
function storedVerdict(judgement: Judgement, kind: 'create' | 'alter' = 'create'): Verdict {
  if (judgement.splices.length === 0) return runVerdict(judgement, kind, { type: 'rows' }, undefined)
  refuse(judgement, 'splice', {
    code: '0A000',
    message: 'what is stored cannot read catalogs of the whole server or the backend pid',
    hint: 'Make a table of it: CREATE TABLE … AS.',
  })
}

const plainConstraints: ReadonlySet<string> = new Set([
  'CONSTR_NULL',
  'CONSTR_NOTNULL',
  'CONSTR_DEFAULT',
  'CONSTR_IDENTITY',
  'CONSTR_GENERATED',
  'CONSTR_CHECK',
  'CONSTR_PRIMARY',
  'CONSTR_UNIQUE',
  'CONSTR_FOREIGN',
  'CONSTR_ATTR_DEFERRABLE',
  'CONSTR_ATTR_NOT_DEFERRABLE',
  'CONSTR_ATTR_DEFERRED',
  'CONSTR_ATTR_IMMEDIATE',
])

const identityOptions: ReadonlySet<string> = new Set(['cache', 'cycle', 'increment', 'maxvalue', 'minvalue', 'start'])

export function judgeConstraint(judgement: Judgement, fields: Fields, scope: Scope): void {
  const { pktable, options, ...rest } = fields
  const type = textOf(fields.contype)
  if (!plainConstraints.has(type))
    refuse(judgement, 'node', { code: '0A000', message: `${type} is not supported here`, at: locationOf(fields) })
  if (pktable !== undefined) requireOwn(judgement, pktable)
  requireOptions(judgement, options, type === 'CONSTR_IDENTITY' ? identityOptions : storageOptions)
  judgement.walkFields('Constraint', rest, scope)
}

/** parsenodes.h, CREATE_TABLE_LIKE_…: comments, compression, identity, storage. The others copy expressions that nobody judged. */
const likeOptions = 0x001 | 0x002 | 0x020 | 0x100

export function judgeTableLike(judgement: Judgement, fields: Fields, scope: Scope): void {
  requireFields(judgement, 'TableLikeClause', fields, 'relation options')
  if ((numberOf(fields.options) & ~likeOptions) !== 0)
    refuse(judgement, 'node', {
      code: '0A000',
      message: 'LIKE with what holds expressions is not supported here',
      hint: 'INCLUDING COMMENTS, COMPRESSION, IDENTITY and STORAGE are. Write the constraints out.',
    })
  judgement.walk({ RangeVar: fields.relation }, openScope(scope, undefined))
}

/** ALTER TABLE, VIEW and MATERIALIZED VIEW: what is given to each subcommand. */
const alterations: ReadonlyMap<string, 'expression' | 'options' | 'identity'> = new Map([
  ['AT_AddColumn', 'expression'],
  ['AT_ColumnDefault', 'expression'],
  ['AT_DropNotNull', 'expression'],
  ['AT_SetNotNull', 'expression'],
  ['AT_SetExpression', 'expression'],
  ['AT_DropExpression', 'expression'],
  ['AT_SetStatistics', 'expression'],
  ['AT_SetStorage', 'expression'],
  ['AT_SetCompression', 'expression'],
  ['AT_DropColumn', 'expression'],
  ['AT_AddConstraint', 'expression'],
  ['AT_ValidateConstraint', 'expression'],
  ['AT_DropConstraint', 'expression'],
  ['AT_AlterColumnType', 'expression'],
  ['AT_AddIdentity', 'expression'],
  ['AT_DropIdentity', 'expression'],
  ['AT_SetLogged', 'expression'],
  ['AT_SetUnLogged', 'expression'],
  ['AT_SetIdentity', 'identity'],
  ['AT_SetRelOptions', 'options'],
  ['AT_ResetRelOptions', 'options'],
])

const setIdentityOptions: ReadonlySet<string> = new Set([...identityOptions, 'generated', 'restart'])
const altered: ReadonlySet<string> = new Set(['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW'])

/** undefined: of something else than a relation. */
export function judgeAlter(judgement: Judgement, fields: Fields): Verdict | undefined {
  if (!altered.has(textOf(fields.objtype))) return undefined
  requireFields(judgement, 'AlterTableStmt', fields, 'relation cmds objtype missing_ok')
  const scope = openScope(undefined, undefined)
  scope.items.push(requireOwn(judgement, fields.relation))
  for (const entry of listOf(fields.cmds)) {
    const command = unwrap(entry, 'AlterTableCmd')
    const subtype = textOf(command?.subtype)
    const takes = alterations.get(subtype)
    if (command === undefined || takes === undefined) return undefined
    requireFields(judgement, 'AlterTableCmd', command, 'subtype name def behavior missing_ok')
    if (takes === 'expression') judgement.walk(command.def, scope)
    else {
      const options = unwrap(command.def, 'List')?.items ?? []
      requireOptions(judgement, options, takes === 'identity' ? setIdentityOptions : storageOptions)
    }
  }
  return storedVerdict(judgement, 'alter')
}
