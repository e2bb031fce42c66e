/**
 * Columns of catalogs by what they name. Being a catalog's is not enough: `setting` and `application_name` say what a
 * client said, and a counter cast to oid is whatever number one likes, each a way to ask about any role of the server.
 */

/** What a helper is asked about. */
export type Wanted = 'relation' | 'role' | 'database' | 'tablespace' | 'class' | 'object' | 'setting'

/** What clients write into: sessions, settings, names of statements and cursors. */
const clientWritten: ReadonlySet<string> = new Set([
  'pg_cursors',
  'pg_db_role_setting',
  'pg_prepared_statements',
  'pg_prepared_xacts',
  'pg_replication_slots',
  'pg_settings',
  'pg_stat_activity',
  'pg_stat_gssapi',
  'pg_stat_replication',
  'pg_stat_ssl',
])

const roleColumns: ReadonlySet<string> = new Set([
  'cfgowner',
  'collowner',
  'conowner',
  'datdba',
  'defaclrole',
  'dictowner',
  'evtowner',
  'extowner',
  'fdwowner',
  'grantee',
  'grantor',
  'grolist',
  'groname',
  'lanowner',
  'lomowner',
  'matviewowner',
  'member',
  'nspowner',
  'opcowner',
  'opfowner',
  'oprowner',
  'polroles',
  'proowner',
  'pubowner',
  'relowner',
  'role_name',
  'roleid',
  'rolname',
  'schema_owner',
  'sequenceowner',
  'setrole',
  'spcowner',
  'srvowner',
  'statistics_owner',
  'stxowner',
  'subowner',
  'tableowner',
  'typowner',
  'umuser',
  'usename',
  'usesysid',
  'viewowner',
])

const roleRelations: ReadonlySet<string> = new Set(['pg_roles', 'pg_authid'])
const databaseColumns: ReadonlySet<string> = new Set(['datname', 'datid', 'catalog_name', 'table_catalog'])
const tablespaceColumns: ReadonlySet<string> = new Set(['dattablespace', 'reltablespace', 'spcname', 'tablespace'])
const classColumns: ReadonlySet<string> = new Set(['classid', 'classoid', 'refclassid'])
const objectColumns: ReadonlySet<string> = new Set(['objid', 'objoid', 'oid', 'refobjid'])

/** Whether this column of pg_catalog or information_schema names such a thing, and nobody but the server wrote it. */
export function namesWanted(wanted: Wanted, relation: string, column: string): boolean {
  switch (wanted) {
    case 'relation':
      return !clientWritten.has(relation)
    case 'role':
      if (column === 'oid') return roleRelations.has(relation)
      return roleColumns.has(column) || column === 'initprivs' || column.endsWith('acl')
    case 'database':
      return databaseColumns.has(column) || (relation === 'pg_database' && column === 'oid')
    case 'tablespace':
      return tablespaceColumns.has(column) || (relation === 'pg_tablespace' && column === 'oid')
    case 'class':
      return classColumns.has(column)
    case 'object':
      return objectColumns.has(column) && !clientWritten.has(relation)
    case 'setting':
      return relation === 'pg_settings' && column === 'name'
  }
}
