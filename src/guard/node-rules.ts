/**
 * The allow-list of parse-tree nodes and of their fields for statements that read. What is not here refuses the
 * statement: SelectStmt.intoClause and lockingClause are left out on purpose, as is everything that only DML or DDL holds.
 * Kept beside data/nodes.json (every node and field of the parser) by test/guard/node-rules.test.ts.
 *
 * Notation, one field each: `name` a plain value, `name@` a node, `name*` a list of nodes, `name=Kind` fields of
 * that kind without the wrapper.
 */

export type FieldRule =
  | { readonly type: 'value' }
  | { readonly type: 'node' }
  | { readonly type: 'nodes' }
  | { readonly type: 'inline'; readonly kind: string }

const value: FieldRule = { type: 'value' }
const node: FieldRule = { type: 'node' }
const nodes: FieldRule = { type: 'nodes' }

const source: Readonly<Record<string, string>> = {
  SelectStmt: `distinctClause* targetList* fromClause* whereClause@ groupClause* groupDistinct havingClause@ windowClause*
    valuesLists* sortClause* limitOffset@ limitCount@ limitOption withClause=WithClause op all larg=SelectStmt rarg=SelectStmt`,
  WithClause: 'ctes* recursive location',
  CommonTableExpr:
    'ctename aliascolnames* ctematerialized ctequery@ search_clause=CTESearchClause cycle_clause=CTECycleClause location',
  CTESearchClause: 'search_col_list* search_breadth_first search_seq_column location',
  CTECycleClause: 'cycle_col_list* cycle_mark_column cycle_mark_value@ cycle_mark_default@ cycle_path_column location',
  ResTarget: 'name val@ location',
  // relations
  RangeVar: 'catalogname schemaname relname inh relpersistence alias=Alias location',
  Alias: 'aliasname colnames*',
  RangeSubselect: 'lateral subquery@ alias=Alias',
  RangeFunction: 'lateral ordinality is_rowsfrom functions* alias=Alias coldeflist*',
  RangeTableSample: 'relation@ method* args* repeatable@ location',
  RangeTableFunc: 'lateral docexpr@ rowexpr@ namespaces* columns* alias=Alias location',
  RangeTableFuncCol: 'colname typeName=TypeName for_ordinality is_not_null colexpr@ coldefexpr@ location',
  JoinExpr: 'jointype isNatural larg@ rarg@ usingClause* join_using_alias=Alias quals@ alias=Alias',
  ColumnDef: 'colname typeName=TypeName is_local collClause=CollateClause location',
  // expressions
  A_Const: 'ival=Integer fval=Float boolval=Boolean sval=String bsval=BitString isnull location',
  Integer: 'ival',
  Float: 'fval',
  Boolean: 'boolval',
  String: 'sval',
  BitString: 'bsval',
  List: 'items*',
  ColumnRef: 'fields* location',
  A_Star: '',
  ParamRef: 'number location',
  A_Expr: 'kind name* lexpr@ rexpr@ rexpr_list_start rexpr_list_end location',
  BoolExpr: 'boolop args* location',
  NullTest: 'arg@ nulltesttype location',
  BooleanTest: 'arg@ booltesttype location',
  CaseExpr: 'arg@ args* defresult@ location',
  CaseWhen: 'expr@ result@ location',
  CoalesceExpr: 'args* location',
  MinMaxExpr: 'op args* location',
  RowExpr: 'args* row_format location',
  A_ArrayExpr: 'elements* list_start list_end location',
  A_Indices: 'is_slice lidx@ uidx@',
  A_Indirection: 'arg@ indirection*',
  SubLink: 'subLinkType testexpr@ operName* subselect@ location',
  TypeCast: 'arg@ typeName=TypeName location',
  TypeName: 'names* typmods* typemod arrayBounds* location',
  CollateClause: 'arg@ collname* location',
  GroupingSet: 'kind content* location',
  GroupingFunc: 'args* location',
  SQLValueFunction: 'op typmod location',
  FuncCall: `funcname* args* agg_order* agg_filter@ over=WindowDef agg_within_group agg_star agg_distinct func_variadic
    funcformat location`,
  NamedArgExpr: 'arg@ name argnumber location',
  WindowDef: 'name refname partitionClause* orderClause* frameOptions startOffset@ endOffset@ location',
  SortBy: 'node@ sortby_dir sortby_nulls useOp* location',
  // XML and JSON
  XmlExpr: 'op name named_args* args* xmloption indent location',
  XmlSerialize: 'xmloption expr@ typeName=TypeName indent location',
  JsonFormat: 'format_type encoding location',
  JsonReturning: 'format=JsonFormat',
  JsonOutput: 'typeName=TypeName returning=JsonReturning',
  JsonValueExpr: 'raw_expr@ format=JsonFormat',
  JsonBehavior: 'btype expr@ location',
  JsonArgument: 'val=JsonValueExpr name',
  JsonFuncExpr: `op column_name context_item=JsonValueExpr pathspec@ passing* output=JsonOutput on_empty=JsonBehavior
    on_error=JsonBehavior wrapper quotes location`,
  JsonTable: `context_item=JsonValueExpr pathspec=JsonTablePathSpec passing* columns* on_error=JsonBehavior alias=Alias lateral
    location`,
  JsonTableColumn: `coltype name typeName=TypeName pathspec=JsonTablePathSpec format=JsonFormat wrapper quotes columns*
    on_empty=JsonBehavior on_error=JsonBehavior location`,
  JsonTablePathSpec: 'string@ name name_location location',
  JsonKeyValue: 'key@ value=JsonValueExpr',
  JsonParseExpr: 'expr=JsonValueExpr output=JsonOutput unique_keys location',
  JsonScalarExpr: 'expr@ output=JsonOutput location',
  JsonSerializeExpr: 'expr=JsonValueExpr output=JsonOutput location',
  JsonObjectConstructor: 'exprs* output=JsonOutput absent_on_null unique location',
  JsonArrayConstructor: 'exprs* output=JsonOutput absent_on_null location',
  JsonArrayQueryConstructor: 'query@ output=JsonOutput format=JsonFormat absent_on_null location',
  JsonAggConstructor: 'output=JsonOutput agg_filter@ agg_order* over=WindowDef location',
  JsonObjectAgg: 'constructor=JsonAggConstructor arg=JsonKeyValue absent_on_null unique',
  JsonArrayAgg: 'constructor=JsonAggConstructor arg=JsonValueExpr absent_on_null',
  JsonIsPredicate: 'expr@ format=JsonFormat item_type unique_keys location',
}

export type NodeRules = ReadonlyMap<string, ReadonlyMap<string, FieldRule>>

export const nodeRules: NodeRules = readRules(source)

export function readRules(rules: Readonly<Record<string, string>>): NodeRules {
  return new Map(Object.entries(rules).map(([kind, fields]) => [kind, readFields(fields)]))
}

function readFields(fields: string): ReadonlyMap<string, FieldRule> {
  const words = fields.split(/\s+/).filter(word => word !== '')
  return new Map(words.map(readField))
}

function readField(word: string): [string, FieldRule] {
  if (word.endsWith('@')) return [word.slice(0, -1), node]
  if (word.endsWith('*')) return [word.slice(0, -1), nodes]
  const [name = word, kind] = word.split('=')
  return [name, kind === undefined ? value : { type: 'inline', kind }]
}
