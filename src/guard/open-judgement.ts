/** A fresh judgement with the walk bound to it. */
import type { JudgeContext, Judgement } from './judgement.ts'
import { manifestOf } from './manifest.ts'
import type { ParsedStatement } from './parse.ts'
import { walkFields, walkNode } from './walk.ts'

export function openJudgement(statement: ParsedStatement, context: JudgeContext, stored: boolean): Judgement {
  const judgement: Judgement = {
    statement,
    context,
    manifest: manifestOf(context.catalog.major),
    path: context.searchPath.includes('pg_catalog') ? context.searchPath : ['pg_catalog', ...context.searchPath],
    stored,
    relations: new Set(),
    functions: new Set(),
    calls: new Set(),
    splices: [],
    changes: new Map(),
    sets: [],
    examines: new Set(),
    castArguments: new Set(),
    rowsEstimateMax: -1,
    topTargets: [],
    runsOnce: false,
    walk: (node, scope) => walkNode(judgement, node, scope),
    walkFields: (kind, fields, scope) => walkFields(judgement, kind, fields, scope),
  }
  return judgement
}
