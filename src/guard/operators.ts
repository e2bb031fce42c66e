/** Operators by name, and the functions behind operators, types and casts. */
import { type Judgement, refuse } from './judgement.ts'
import { isHarmlessCall, tableRulesOf } from './table-rules.ts'

/** `[op]` or `[schema, op]`. */
export function judgeOperator(judgement: Judgement, names: readonly string[], at: number | undefined): void {
  const operator = names.at(-1) ?? ''
  const schema = names.at(-2)
  if (schema !== undefined) {
    const functions = judgement.context.catalog.operators.get(schema)?.get(operator)
    if (functions === undefined && schema === 'pg_catalog') return
    if (functions === undefined) refuseUnknownOperator(judgement, names, at)
    admitCalls(judgement, functions, `operator ${operator}`, at)
    return
  }
  for (const place of judgement.path) {
    const functions = judgement.context.catalog.operators.get(place)?.get(operator)
    if (functions !== undefined) admitCalls(judgement, functions, `operator ${operator}`, at)
  }
}

function refuseUnknownOperator(judgement: Judgement, names: readonly string[], at: number | undefined): never {
  refuse(judgement, 'operator', { code: '42883', message: `operator does not exist: ${names.join('.')}`, at })
}

/** Lets the functions behind an operator, type or cast through: known extensions' own, and those of the policy. */
export function admitCalls(judgement: Judgement, calls: readonly string[], what: string, at: number | undefined): void {
  for (const call of calls) {
    if (isHarmlessCall(judgement.context.catalog, call)) continue
    judgement.calls.add(call)
    judgement.functions.add(call)
    if (judgement.stored || tableRulesOf(judgement.context.policy).functions.has(call)) continue
    refuse(judgement, 'operator', {
      code: '42501',
      message: `permission denied for ${what}`,
      detail: `It runs ${call}, which is not among the allowed functions.`,
      hint: 'Write the built-in one as pg_catalog has it, or ask for the function to be admitted by the policy.',
      at,
    })
  }
}
