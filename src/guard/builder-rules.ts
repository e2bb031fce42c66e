/**
 * The allow-list of nodes and fields that a builder's statements hold beside those of node-rules.ts, in its notation. Fields
 * that name a relation or carry options are left out here: builder-*.ts judges those by themselves.
 */
import { type NodeRules, readRules } from './node-rules.ts'

export const builderNodeRules: NodeRules = readRules({
  InsertStmt: 'cols* onConflictClause=OnConflictClause returningClause=ReturningClause override',
  OnConflictClause: 'action infer=InferClause targetList* whereClause@ location',
  InferClause: 'indexElems* whereClause@ conname location',
  IndexElem: 'name expr@ indexcolname collation* opclass* ordering nulls_ordering',
  ReturningClause: 'options* exprs*',
  ReturningOption: 'option value location',
  UpdateStmt: 'targetList* fromClause* whereClause@ returningClause=ReturningClause',
  DeleteStmt: 'usingClause* whereClause@ returningClause=ReturningClause',
  MergeStmt: 'sourceRelation@ joinCondition@ mergeWhenClauses* returningClause=ReturningClause',
  MergeWhenClause: 'matchKind commandType override condition@ targetList* values*',
  ResTarget: 'name indirection* val@ location',
  MultiAssignRef: 'source@ colno ncolumns',
  SetToDefault: 'location',
  CreateStmt: 'tableElts* constraints* oncommit if_not_exists',
  ColumnDef:
    'colname typeName=TypeName is_local collClause=CollateClause constraints* compression raw_default@ location',
  Constraint: `contype conname deferrable initdeferred is_enforced skip_validation initially_valid is_no_inherit raw_expr@
    generated_when generated_kind nulls_not_distinct keys* including* fk_attrs* pk_attrs* fk_matchtype fk_upd_action
    fk_del_action fk_del_set_cols* indexname location`,
  IndexStmt: `idxname indexParams* indexIncludingParams* whereClause@ unique nulls_not_distinct concurrent
    if_not_exists`,
})
