import { expect, test } from 'vitest'
import nodes from '../../src/guard/data/nodes.json' with { type: 'json' }
import { nodeRules } from '../../src/guard/node-rules.ts'

const parserNodes: Readonly<Record<string, Readonly<Record<string, string>>>> = nodes

/** Fields of allowed nodes that are left out by decision. Whatever else the parser has must be decided upon. */
const leftOut: Readonly<Record<string, string>> = {
  // what writes
  SelectStmt: 'intoClause lockingClause',
  ResTarget: 'indirection',
  ColumnDef:
    'compression inhcount is_not_null is_from_type storage storage_name raw_default cooked_default identity identitySequence generated collOid constraints fdwoptions',
  // what only CREATE FUNCTION may say
  TypeName: 'typeOid setof pct_type',
  // what analysis fills in, never the grammar
  CommonTableExpr: 'cterecursive cterefcount ctecolnames ctecoltypes ctecoltypmods ctecolcollations',
  CTECycleClause: 'cycle_mark_type cycle_mark_typmod cycle_mark_collation cycle_mark_neop',
  JoinExpr: 'rtindex',
  BoolExpr: 'xpr',
  NullTest: 'xpr argisrow',
  BooleanTest: 'xpr',
  CaseExpr: 'xpr casetype casecollid',
  CaseWhen: 'xpr',
  CoalesceExpr: 'xpr coalescetype coalescecollid',
  MinMaxExpr: 'xpr minmaxtype minmaxcollid inputcollid',
  RowExpr: 'xpr row_typeid colnames',
  SubLink: 'xpr subLinkId',
  GroupingFunc: 'xpr refs agglevelsup',
  SQLValueFunction: 'xpr type',
  NamedArgExpr: 'xpr',
  XmlExpr: 'xpr arg_names type typmod',
  JsonReturning: 'typid typmod',
  JsonValueExpr: 'formatted_expr',
  JsonBehavior: 'coerce',
}

test.each([...nodeRules.keys()])('%s: every field of the parser is allowed or left out on purpose', kind => {
  const fields = parserNodes[kind]
  expect(fields).toBeDefined()
  const rules = nodeRules.get(kind) ?? new Map()
  const unruled = Object.keys(fields ?? {}).filter(field => !rules.has(field))
  expect(unruled.join(' ')).toBe(leftOut[kind] ?? '')
})

test.each([...nodeRules])('%s: every rule is what the parser says', (kind, rules) => {
  for (const [field, rule] of rules) {
    const is = parserNodes[kind]?.[field] ?? 'absent'
    const expected =
      is === 'node' || is === 'nodes' || is === 'absent' ? is : /^[A-Z]/.test(is) ? `inline ${is}` : 'value'
    expect(`${field} ${rule.type === 'inline' ? `inline ${rule.kind}` : rule.type}`).toBe(`${field} ${expected}`)
  }
})
