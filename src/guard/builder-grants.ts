/** GRANT SELECT to the tenant's reader, and REVOKE from it. */
import { requireFields, requireOwn } from './builder-targets.ts'
import { type Judgement, refuse } from './judgement.ts'
import type { BuilderScope } from './policy.ts'
import { runVerdict } from './query.ts'
import { type Fields, listOf, textOf, unwrap } from './tree.ts'
import type { Verdict } from './verdict.ts'

/** undefined: of something else than tables by name. */
export function judgeGrant(judgement: Judgement, fields: Fields, builder: BuilderScope): Verdict | undefined {
  if (fields.objtype !== 'OBJECT_TABLE' || fields.targtype !== 'ACL_TARGET_OBJECT') return undefined
  requireFields(judgement, 'GrantStmt', fields, 'is_grant targtype objtype objects privileges grantees behavior')
  for (const entry of listOf(fields.objects)) requireOwn(judgement, unwrap(entry, 'RangeVar'))
  const command = fields.is_grant === true ? 'GRANT' : 'REVOKE'
  const grantees = listOf(fields.grantees).map(entry => unwrap(entry, 'RoleSpec') ?? {})
  const others = grantees.filter(role => role.roletype !== 'ROLESPEC_CSTRING' || role.rolename !== builder.reader)
  if (others.length > 0) {
    if (builder.otherGrants === 'refuse' || others.length < grantees.length) refuseGrant(judgement, command)
    const names = others.map(role => textOf(role.rolename) || 'a role that is not named').join(', ')
    const message = `${command} for ${names} is skipped: a run may concern its tenant's reader only`
    return {
      kind: 'answer',
      statementKind: 'grant',
      relations: [...judgement.relations],
      functions: [],
      answer: { type: 'skip', tag: command, message },
    }
  }
  const privileges = listOf(fields.privileges).map(entry => textOf(unwrap(entry, 'AccessPriv')?.priv_name))
  const readsOnly = privileges.length > 0 && privileges.every(name => name === 'select')
  if (command === 'GRANT' && !readsOnly) refuseGrant(judgement, command)
  return runVerdict(judgement, 'grant', { type: 'rows' }, undefined)
}

function refuseGrant(judgement: Judgement, command: string): never {
  refuse(judgement, 'role', {
    code: '42501',
    message: `permission denied for ${command}`,
    hint: "A run may grant SELECT to its tenant's reader, alone in its statement, and revoke it.",
  })
}
