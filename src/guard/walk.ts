/**
 * The walk over a reading statement's tree: every node and every field must be on the allow-list (node-rules.ts), and
 * those that name something (relations, functions, operators, types, columns) are judged by their own rooms.
 */
import { judgeDelete, judgeInsert, judgeMerge, judgeUpdate } from './builder-dml.ts'
import { builderNodeRules } from './builder-rules.ts'
import { judgeConstraint, judgeTableLike } from './builder-tables.ts'
import { judgeColumnRef, judgeIndirection } from './columns.ts'
import { judgeJoin, judgeRangeFunction, judgeRangeSubselect, judgeRangeTable, judgeTableSample } from './from.ts'
import { judgeFuncCall } from './functions.ts'
import { type Judgement, refuse } from './judgement.ts'
import { type FieldRule, nodeRules } from './node-rules.ts'
import { judgeOperator } from './operators.ts'
import { judgeRangeVar } from './relations.ts'
import type { Scope } from './scope.ts'
import { judgeSelect } from './select.ts'
import { type Fields, isFields, kindOf, locationOf, namesOf, textOf } from './tree.ts'
import { isClusterType, judgeClusterCast, judgeTypeName, refuseClusterType } from './type-names.ts'

type Handler = (judgement: Judgement, fields: Fields, scope: Scope, node: Fields) => void

/** Judges a wrapped node; undefined and `{}` (a null list entry) are nothing. */
export function walkNode(judgement: Judgement, node: unknown, scope: Scope): void {
  if (node === undefined) return
  if (!isFields(node)) refuseNode(judgement, 'a value', undefined)
  const kind = kindOf(node)
  if (kind === undefined) return
  const fields = node[kind]
  if (!isFields(fields)) refuseNode(judgement, kind, undefined)
  for (const other in node) if (other !== kind) refuseNode(judgement, other, locationOf(fields))
  const isBuilder = judgement.context.policy.builder !== undefined
  const handler = handlers.get(kind) ?? (isBuilder ? builderHandlers.get(kind) : undefined)
  if (handler !== undefined) handler(judgement, fields, scope, node)
  else walkFields(judgement, kind, fields, scope)
}

/** Judges what is below a node by its kind's field rules. */
export function walkFields(judgement: Judgement, kind: string, fields: Fields, scope: Scope): void {
  const own = judgement.context.policy.builder === undefined ? undefined : builderNodeRules.get(kind)
  const rules = own ?? nodeRules.get(kind)
  if (rules === undefined) refuseNode(judgement, kind, locationOf(fields))
  for (const field in fields) {
    const rule = rules.get(field)
    if (rule === undefined) refuseNode(judgement, `${kind}.${field}`, locationOf(fields))
    if (rule.type !== 'value') walkField(judgement, rule, fields[field], scope)
    else if (isFields(fields[field])) refuseNode(judgement, `${kind}.${field}`, locationOf(fields))
  }
}

function walkField(judgement: Judgement, rule: FieldRule, value: unknown, scope: Scope): void {
  switch (rule.type) {
    case 'value':
      return
    case 'node':
      return walkNode(judgement, value, scope)
    case 'nodes':
      if (!Array.isArray(value)) refuseNode(judgement, 'a list', undefined)
      for (let at = 0; at < value.length; at += 1) walkNode(judgement, value[at], scope)
      return
    case 'inline': {
      if (!isFields(value)) refuseNode(judgement, rule.kind, undefined)
      const handler = handlers.get(rule.kind)
      if (handler !== undefined) handler(judgement, value, scope, value)
      else walkFields(judgement, rule.kind, value, scope)
    }
  }
}

function refuseNode(judgement: Judgement, what: string, at: number | undefined): never {
  const [kind] = what.split('.')
  if (kind !== undefined && writingCtes.has(kind)) {
    refuse(judgement, 'writes', {
      code: '25006',
      message: `cannot execute ${writingCtes.get(kind)} in a read-only transaction`,
      at,
    })
  }
  refuse(judgement, 'node', { code: '0A000', message: `${what} is not supported here`, at })
}

/** Statements that may stand where a query may: in WITH. */
const writingCtes: ReadonlyMap<string, string> = new Map([
  ['InsertStmt', 'INSERT'],
  ['UpdateStmt', 'UPDATE'],
  ['DeleteStmt', 'DELETE'],
  ['MergeStmt', 'MERGE'],
])

/**
 * Keywords of SQL/JSON by the major that made them: to an older server `json_value(x)` is a call of whatever function has
 * that name, which this tree does not show.
 */
const jsonSince: ReadonlyMap<string, number> = new Map([
  ['JsonObjectConstructor', 16],
  ['JsonArrayConstructor', 16],
  ['JsonArrayQueryConstructor', 16],
  ['JsonObjectAgg', 16],
  ['JsonArrayAgg', 16],
  ['JsonIsPredicate', 16],
  ['JsonParseExpr', 17],
  ['JsonScalarExpr', 17],
  ['JsonSerializeExpr', 17],
  ['JsonFuncExpr', 17],
  ['JsonTable', 17],
])

function judgeSince(kind: string, since: number, then?: Handler): Handler {
  return (judgement, fields, scope, node) => {
    if (judgement.context.catalog.major < since) refuseNode(judgement, kind, locationOf(fields))
    if (then !== undefined) then(judgement, fields, scope, node)
    else walkFields(judgement, kind, fields, scope)
  }
}

const judgeJsonTable: Handler = (judgement, fields, scope) => judgeRangeTable(judgement, 'JsonTable', fields, scope)

/** `json(x)` is a cast. */
const judgeJsonParse: Handler = (judgement, fields, scope) => {
  judgeTypeName(judgement, { names: [{ String: { sval: 'json' } }], location: fields.location })
  walkFields(judgement, 'JsonParseExpr', fields, scope)
}

const jsonHandlers: ReadonlyMap<string, Handler> = new Map([
  ['JsonTable', judgeJsonTable],
  ['JsonParseExpr', judgeJsonParse],
])

const handlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['SelectStmt', (judgement, fields, scope) => void judgeSelect(judgement, fields, scope)],
  ['RangeVar', judgeRangeVar],
  ['RangeSubselect', judgeRangeSubselect],
  ['RangeFunction', judgeRangeFunction],
  ['RangeTableFunc', (judgement, fields, scope) => judgeRangeTable(judgement, 'RangeTableFunc', fields, scope)],
  ...Array.from(jsonSince, ([kind, since]): [string, Handler] => [
    kind,
    judgeSince(kind, since, jsonHandlers.get(kind)),
  ]),
  ['RangeTableSample', judgeTableSample],
  ['JoinExpr', judgeJoin],
  ['FuncCall', judgeFuncCall],
  ['ColumnRef', judgeColumn],
  ['A_Indirection', judgeIndirection],
  ['A_Const', () => {}],
  ['A_Expr', judgeExpression],
  ['SubLink', judgeSubLink],
  ['SortBy', judgeSortBy],
  ['CaseExpr', judgeCase],
  ['TypeCast', judgeTypeCast],
  ['TypeName', judgeType],
])

/** What only a builder's statements hold. */
const builderHandlers: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['InsertStmt', judgeInsert],
  ['UpdateStmt', judgeUpdate],
  ['DeleteStmt', judgeDelete],
  ['MergeStmt', judgeMerge],
  ['Constraint', judgeConstraint],
  ['TableLikeClause', judgeTableLike],
])

/** Its fields are names and stars, nothing to walk. */
function judgeColumn(judgement: Judgement, fields: Fields, scope: Scope): void {
  for (const field in fields) {
    if (field !== 'fields' && field !== 'location') refuseNode(judgement, `ColumnRef.${field}`, locationOf(fields))
  }
  judgeColumnRef(judgement, fields, scope)
}

/** Some kinds of expression stand for other operators than the one they carry (makeBetween… in parse_expr.c). */
const impliedOperators: ReadonlyMap<string, readonly string[]> = new Map([
  ['AEXPR_BETWEEN', ['>=', '<=']],
  ['AEXPR_NOT_BETWEEN', ['<', '>']],
  ['AEXPR_BETWEEN_SYM', ['>=', '<=']],
  ['AEXPR_NOT_BETWEEN_SYM', ['<', '>']],
])

function judgeExpression(judgement: Judgement, fields: Fields, scope: Scope): void {
  const at = locationOf(fields)
  const implied = impliedOperators.get(textOf(fields.kind))
  if (implied === undefined) judgeOperator(judgement, namesOf(fields.name), at)
  else for (const operator of implied) judgeOperator(judgement, [operator], at)
  walkFields(judgement, 'A_Expr', fields, scope)
}

function judgeSubLink(judgement: Judgement, fields: Fields, scope: Scope): void {
  const names = namesOf(fields.operName)
  const isIn = fields.subLinkType === 'ANY_SUBLINK' && names.length === 0
  if (names.length > 0 || isIn) judgeOperator(judgement, isIn ? ['='] : names, locationOf(fields))
  walkFields(judgement, 'SubLink', fields, scope)
}

function judgeSortBy(judgement: Judgement, fields: Fields, scope: Scope): void {
  const names = namesOf(fields.useOp)
  if (names.length > 0) judgeOperator(judgement, names, locationOf(fields))
  walkFields(judgement, 'SortBy', fields, scope)
}

/** CASE x WHEN y compares with `=`. */
function judgeCase(judgement: Judgement, fields: Fields, scope: Scope): void {
  if (fields.arg !== undefined) judgeOperator(judgement, ['='], locationOf(fields))
  walkFields(judgement, 'CaseExpr', fields, scope)
}

function judgeTypeCast(judgement: Judgement, fields: Fields, scope: Scope, node: Fields): void {
  if (isFields(fields.arg)) judgement.castArguments.add(fields.arg)
  const { typeName, ...rest } = fields
  if (!isFields(typeName) || !isClusterType(judgement, typeName))
    return walkFields(judgement, 'TypeCast', fields, scope)
  walkFields(judgement, 'TypeCast', rest, scope)
  walkFields(judgement, 'TypeName', typeName, scope)
  judgeClusterCast(judgement, fields, typeName, scope, node)
}

function judgeType(judgement: Judgement, fields: Fields, scope: Scope): void {
  if (isClusterType(judgement, fields)) refuseClusterType(judgement, fields)
  judgeTypeName(judgement, fields)
  walkFields(judgement, 'TypeName', fields, scope)
}
