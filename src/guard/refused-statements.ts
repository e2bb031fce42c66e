/** Statements that are no query: refused in Postgres's own words, by guard.md's table of kinds. */
import { type Judgement, refuse } from './judgement.ts'
import { refuseTemporary } from './select.ts'
import { type Fields, isFields, kindOf, locationOf, noFields, textOf } from './tree.ts'

/** What writes, by the command tag that Postgres gives it: 25006. */
const writing: ReadonlyMap<string, string> = new Map([
  ['InsertStmt', 'INSERT'],
  ['UpdateStmt', 'UPDATE'],
  ['DeleteStmt', 'DELETE'],
  ['MergeStmt', 'MERGE'],
  ['TruncateStmt', 'TRUNCATE TABLE'],
  ['CreateStmt', 'CREATE TABLE'],
  ['CreateTableAsStmt', 'CREATE TABLE AS'],
  ['RefreshMatViewStmt', 'REFRESH MATERIALIZED VIEW'],
  ['ViewStmt', 'CREATE VIEW'],
  ['IndexStmt', 'CREATE INDEX'],
  ['CreateSeqStmt', 'CREATE SEQUENCE'],
  ['AlterSeqStmt', 'ALTER SEQUENCE'],
  ['CreateSchemaStmt', 'CREATE SCHEMA'],
  ['CreateFunctionStmt', 'CREATE FUNCTION'],
  ['AlterFunctionStmt', 'ALTER FUNCTION'],
  ['CreateTrigStmt', 'CREATE TRIGGER'],
  ['CreateEventTrigStmt', 'CREATE EVENT TRIGGER'],
  ['AlterEventTrigStmt', 'ALTER EVENT TRIGGER'],
  ['RuleStmt', 'CREATE RULE'],
  ['CreatePolicyStmt', 'CREATE POLICY'],
  ['AlterPolicyStmt', 'ALTER POLICY'],
  ['CreateExtensionStmt', 'CREATE EXTENSION'],
  ['AlterExtensionStmt', 'ALTER EXTENSION'],
  ['AlterExtensionContentsStmt', 'ALTER EXTENSION'],
  ['CreateDomainStmt', 'CREATE DOMAIN'],
  ['AlterDomainStmt', 'ALTER DOMAIN'],
  ['CreateEnumStmt', 'CREATE TYPE'],
  ['CreateRangeStmt', 'CREATE TYPE'],
  ['CompositeTypeStmt', 'CREATE TYPE'],
  ['AlterEnumStmt', 'ALTER TYPE'],
  ['AlterTypeStmt', 'ALTER TYPE'],
  ['DefineStmt', 'CREATE'],
  ['CreateCastStmt', 'CREATE CAST'],
  ['CreateConversionStmt', 'CREATE CONVERSION'],
  ['CreateTransformStmt', 'CREATE TRANSFORM'],
  ['CreateAmStmt', 'CREATE ACCESS METHOD'],
  ['CreateOpClassStmt', 'CREATE OPERATOR CLASS'],
  ['CreateOpFamilyStmt', 'CREATE OPERATOR FAMILY'],
  ['AlterOpFamilyStmt', 'ALTER OPERATOR FAMILY'],
  ['AlterOperatorStmt', 'ALTER OPERATOR'],
  ['CreateStatsStmt', 'CREATE STATISTICS'],
  ['AlterStatsStmt', 'ALTER STATISTICS'],
  ['CreatePLangStmt', 'CREATE LANGUAGE'],
  ['CreateFdwStmt', 'CREATE FOREIGN DATA WRAPPER'],
  ['AlterFdwStmt', 'ALTER FOREIGN DATA WRAPPER'],
  ['CreateForeignServerStmt', 'CREATE SERVER'],
  ['AlterForeignServerStmt', 'ALTER SERVER'],
  ['CreateForeignTableStmt', 'CREATE FOREIGN TABLE'],
  ['ImportForeignSchemaStmt', 'IMPORT FOREIGN SCHEMA'],
  ['CreateUserMappingStmt', 'CREATE USER MAPPING'],
  ['AlterUserMappingStmt', 'ALTER USER MAPPING'],
  ['DropUserMappingStmt', 'DROP USER MAPPING'],
  ['CreatePublicationStmt', 'CREATE PUBLICATION'],
  ['AlterPublicationStmt', 'ALTER PUBLICATION'],
  ['CreateSubscriptionStmt', 'CREATE SUBSCRIPTION'],
  ['AlterSubscriptionStmt', 'ALTER SUBSCRIPTION'],
  ['DropSubscriptionStmt', 'DROP SUBSCRIPTION'],
  ['AlterTableStmt', 'ALTER TABLE'],
  ['AlterTableMoveAllStmt', 'ALTER TABLE'],
  ['RenameStmt', 'ALTER'],
  ['AlterObjectSchemaStmt', 'ALTER'],
  ['AlterObjectDependsStmt', 'ALTER'],
  ['AlterOwnerStmt', 'ALTER'],
  ['AlterCollationStmt', 'ALTER COLLATION'],
  ['AlterTSDictionaryStmt', 'ALTER TEXT SEARCH DICTIONARY'],
  ['AlterTSConfigurationStmt', 'ALTER TEXT SEARCH CONFIGURATION'],
  ['DropStmt', 'DROP'],
  ['CommentStmt', 'COMMENT'],
  ['SecLabelStmt', 'SECURITY LABEL'],
  ['GrantStmt', 'GRANT'],
  ['GrantRoleStmt', 'GRANT ROLE'],
  ['AlterDefaultPrivilegesStmt', 'ALTER DEFAULT PRIVILEGES'],
  ['CreateRoleStmt', 'CREATE ROLE'],
  ['AlterRoleStmt', 'ALTER ROLE'],
  ['AlterRoleSetStmt', 'ALTER ROLE'],
  ['DropRoleStmt', 'DROP ROLE'],
  ['DropOwnedStmt', 'DROP OWNED'],
  ['ReassignOwnedStmt', 'REASSIGN OWNED'],
  ['CreatedbStmt', 'CREATE DATABASE'],
  ['AlterDatabaseStmt', 'ALTER DATABASE'],
  ['AlterDatabaseSetStmt', 'ALTER DATABASE'],
  ['AlterDatabaseRefreshCollStmt', 'ALTER DATABASE'],
  ['DropdbStmt', 'DROP DATABASE'],
  ['CreateTableSpaceStmt', 'CREATE TABLESPACE'],
  ['AlterTableSpaceOptionsStmt', 'ALTER TABLESPACE'],
  ['DropTableSpaceStmt', 'DROP TABLESPACE'],
  ['AlterSystemStmt', 'ALTER SYSTEM'],
])

/** What is not offered: 0A000, with what to do instead. */
const unsupported: ReadonlyMap<string, { readonly command: string; readonly hint?: string }> = new Map([
  ['PrepareStmt', { command: 'PREPARE', hint: "Use your driver's prepared statements (the protocol's Parse)." }],
  [
    'ExecuteStmt',
    { command: 'EXECUTE', hint: "Use your driver's prepared statements (the protocol's Bind and Execute)." },
  ],
  ['ListenStmt', { command: 'LISTEN' }],
  ['NotifyStmt', { command: 'NOTIFY' }],
  ['LockStmt', { command: 'LOCK TABLE', hint: 'BEGIN ISOLATION LEVEL REPEATABLE READ gives a stable view.' }],
  ['VacuumStmt', { command: 'VACUUM' }],
  ['CallStmt', { command: 'CALL' }],
  ['DoStmt', { command: 'DO' }],
  ['LoadStmt', { command: 'LOAD' }],
  ['CheckPointStmt', { command: 'CHECKPOINT' }],
  ['ReindexStmt', { command: 'REINDEX' }],
  ['ClusterStmt', { command: 'CLUSTER' }],
  ['ConstraintsSetStmt', { command: 'SET CONSTRAINTS' }],
])

/** Refuses a statement that is no query, by its kind in the tree. */
export function refuseStatement(judgement: Judgement, kind: string, fields: Fields): never {
  if (judgement.context.policy.builder !== undefined) refuseToBuilder(judgement, kind, fields)
  if (isTemporary(fields)) refuseTemporary(judgement, relationLocation(fields))
  const command = writing.get(kind)
  if (command !== undefined) {
    refuse(judgement, 'writes', {
      code: '25006',
      message: `cannot execute ${commandWord(kind, command, fields)} in a read-only transaction`,
    })
  }
  const known = unsupported.get(kind)
  if (known === undefined) refuse(judgement, 'node', { code: '0A000', message: `${kind} is not supported here` })
  refuse(judgement, 'statement', {
    code: '0A000',
    message: `${kind === 'VacuumStmt' && fields.is_vacuumcmd !== true ? 'ANALYZE' : known.command} is not supported`,
    ...(known.hint !== undefined && { hint: known.hint }),
  })
}

function refuseToBuilder(judgement: Judgement, kind: string, fields: Fields): void {
  const command = writing.get(kind)
  if (command === undefined) return
  refuse(judgement, 'writes', {
    code: '42501',
    message: `permission denied for ${commandWord(kind, command, fields)}`,
    hint: 'A run makes and fills tables and views in its own schemas. It stores no code and changes no roles.',
  })
}

/** The statement inside an EXPLAIN, COPY or DECLARE that is no query. */
export function refuseInner(judgement: Judgement, node: unknown): never {
  const kind = isFields(node) ? kindOf(node) : undefined
  const fields = isFields(node) && kind !== undefined ? node[kind] : undefined
  return refuseStatement(judgement, kind ?? 'a statement without a kind', isFields(fields) ? fields : noFields)
}

function isTemporary(fields: Fields): boolean {
  return createdRelation(fields)?.relpersistence === 't'
}

function createdRelation(fields: Fields): Fields | undefined {
  if (isFields(fields.into) && isFields(fields.into.rel)) return fields.into.rel
  for (const field of ['relation', 'view', 'sequence']) {
    const relation = fields[field]
    if (isFields(relation)) return relation
  }
  return undefined
}

function relationLocation(fields: Fields): number | undefined {
  const relation = createdRelation(fields)
  return relation === undefined ? undefined : locationOf(relation)
}

/** `DROP TABLE`, `GRANT` or `REVOKE` where the node stands for several commands. */
function commandWord(kind: string, command: string, fields: Fields): string {
  switch (kind) {
    case 'GrantStmt':
      return fields.is_grant === true ? 'GRANT' : 'REVOKE'
    case 'GrantRoleStmt':
      return fields.is_grant === true ? 'GRANT ROLE' : 'REVOKE ROLE'
    case 'CreateTableAsStmt':
      return fields.objtype === 'OBJECT_MATVIEW' ? 'CREATE MATERIALIZED VIEW' : command
    case 'DropStmt':
      return `${command} ${objectWord(textOf(fields.removeType))}`.trim()
    case 'RenameStmt':
      return `${command} ${objectWord(textOf(fields.renameType))}`.trim()
    case 'AlterOwnerStmt':
    case 'AlterObjectSchemaStmt':
      return `${command} ${objectWord(textOf(fields.objectType))}`.trim()
    case 'DefineStmt':
      return `${command} ${objectWord(textOf(fields.kind))}`.trim()
    case 'CreateFunctionStmt':
      return fields.is_procedure === true ? 'CREATE PROCEDURE' : command
    default:
      return command
  }
}

/** OBJECT_MATVIEW → MATERIALIZED VIEW */
function objectWord(type: string): string {
  const word = type.replace(/^OBJECT_/, '').replaceAll('_', ' ')
  switch (word) {
    case 'MATVIEW':
      return 'MATERIALIZED VIEW'
    case 'COLUMN':
    case 'TABCONSTRAINT':
      return 'TABLE'
    default:
      return word
  }
}
