/** Splices that put something else in the place of a function call. */
import { type Judgement, refuse } from './judgement.ts'
import { endOfEmptyCall, readQualifiedName } from './lexeme.ts'
import { filteredSchema } from './splice-relations.ts'
import { type Fields, locationOf } from './tree.ts'

/** `pg_catalog.shobj_description(…)` → `postern_catalog.shobj_description(…)`. */
export function spliceTwinFunction(judgement: Judgement, name: string, call: Fields): void {
  const at = locationOf(call)
  if (judgement.stored || judgement.context.catalog.filteredViews.size === 0) {
    refuse(judgement, 'function', {
      code: '42501',
      message: `permission denied for function ${name}`,
      detail: 'It shows the whole cluster.',
      at,
    })
  }
  const span = nameSpan(judgement, at)
  if (span === undefined) refuseSplice(judgement, name, at)
  judgement.splices.push({ ...span, text: `${filteredSchema}.${name}` })
  judgement.changes.set(call, {
    ...call,
    funcname: [{ String: { sval: filteredSchema } }, { String: { sval: name } }],
  })
}

/**
 * `pg_backend_pid()` → a subquery, which has the call's own column name and is no bare constant (ORDER BY 1 would name a
 * column). The session puts the virtual pid where the 0 is.
 */
export function spliceVirtualPid(judgement: Judgement, call: Fields, node: Fields): void {
  const at = locationOf(call)
  if (judgement.stored) return
  const span = nameSpan(judgement, at)
  const end = span === undefined ? undefined : endOfEmptyCall(judgement.statement.text, span.end)
  if (span === undefined || end === undefined) refuseSplice(judgement, 'pg_backend_pid', at)
  judgement.splices.push({ start: span.start, end, text: virtualPidText, fill: 'virtual-pid' })
  judgement.changes.set(node, virtualPidTree)
}

const virtualPidText = '(select 0 as pg_backend_pid)'
const virtualPidTree = {
  SubLink: {
    subLinkType: 'EXPR_SUBLINK',
    subselect: {
      SelectStmt: {
        targetList: [{ ResTarget: { name: 'pg_backend_pid', val: { A_Const: { ival: {} } } } }],
        limitOption: 'LIMIT_OPTION_DEFAULT',
        op: 'SETOP_NONE',
      },
    },
  },
}

function nameSpan(judgement: Judgement, at: number | undefined): { start: number; end: number } | undefined {
  if (at === undefined) return undefined
  const { text, offsets } = judgement.statement
  const parts = readQualifiedName(text, offsets.toSlice(at))
  const first = parts?.[0]
  const last = parts?.at(-1)
  return first === undefined || last === undefined ? undefined : { start: first.start, end: last.end }
}

function refuseSplice(judgement: Judgement, name: string, at: number | undefined): never {
  refuse(judgement, 'splice', {
    code: '0A000',
    message: `${name} cannot be called under the name as it is written`,
    hint: 'Write the plain name, without unicode escapes.',
    at,
  })
}
