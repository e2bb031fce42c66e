/** What every client is made to call, whatever it is written in. */

const noRun = '018f0000-0000-7000-8000-000000000000'
/** Stands for the one that provision_schema gave. */
export const handle = '<handle>'
const learning = { description: 'Totals are net', category: 'units', tables: ['orders'], corrected_sql: 'select 1' }

/** Each tool in the order of tools/list, with arguments that are right, and its data or its error's code. */
export const calls: readonly (readonly [string, Record<string, unknown>, object | string])[] = [
  ['list_databases', {}, { databases: [{ alias: 'crm' }] }],
  ['list_tables', { name: 'ord*' }, { tables: [{ name: 'orders', description: 'What was bought' }], total: 1 }],
  ['describe_table', { table: 'orders' }, { name: 'orders', foreign_keys: [{ columns: ['customer_id'] }] }],
  ['get_metadata', { format: 'full' }, { format: 'full', tables_shown: 2, tables_total: 2 }],
  [
    'query',
    { sql: 'select id, total from orders where id = $1', params: [2] },
    { rows: [[2, '3.0']], row_count: 1, truncated: false },
  ],
  ['provision_schema', { purpose: 'trial', ttl_hours: 2 }, { created: true }],
  ['list_schemas', { schema: handle }, { schemas: [{ handle }] }],
  ['teardown_schema', { schema: handle }, 'CANCELLED'] /* its user declines */,
  ['list_pipelines', {}, { pipelines: [] }],
  ['configure_pipeline', { pipeline: 'shop', knobs: {} }, 'PERMISSION_DENIED'],
  ['run_materialization', { pipeline: 'shop', schema: handle }, 'NOT_FOUND'],
  ['get_materialization_status', { run_id: noRun }, 'NOT_FOUND'],
  ['cancel_materialization', { run_id: noRun }, 'NOT_FOUND'],
  ['explain_query', { sql: 'select * from orders' }, { tables_accessed: ['crm.orders'] }],
  ['search_objects', { text: 'orders' }, { objects: [{ kind: 'table', table: 'orders' }] }],
  ['save_learning', learning, {}],
]

/** Arguments that are wrong, the error's code, and what its message or hint says. */
export const mistakes: readonly (readonly [string, Record<string, unknown>, string, RegExp])[] = [
  ['list_databases', { all: true }, 'VALIDATION_ERROR', /all/],
  ['list_tables', { limit: 'many' }, 'VALIDATION_ERROR', /limit/],
  ['list_tables', { database: 'crn' }, 'NOT_FOUND', /crm/],
  ['describe_table', {}, 'VALIDATION_ERROR', /table/],
  ['describe_table', { table: 'order' }, 'NOT_FOUND', /orders/],
  ['get_metadata', { format: 'xml' }, 'VALIDATION_ERROR', /format/],
  ['query', { sql: '' }, 'VALIDATION_ERROR', /./],
  ['query', { sql: 'select 1; select 2' }, 'VALIDATION_ERROR', /one statement/],
  ['query', { sql: 'selec 1' }, 'SYNTAX_ERROR', /selec/],
  ['query', { sql: 'delete from orders' }, 'NOT_READ_ONLY', /DELETE/],
  ['query', { sql: 'select * from nowhere' }, 'NOT_FOUND', /nowhere/],
  ['query', { query: 'select 1' }, 'VALIDATION_ERROR', /sql/],
  ['provision_schema', {}, 'VALIDATION_ERROR', /purpose/],
  ['list_schemas', { schema: 'nowhere' }, 'NOT_FOUND', /nowhere/],
  ['teardown_schema', { schema: 'crm' }, 'PERMISSION_DENIED', /never torn down/],
  ['list_pipelines', { pipeline: '' }, 'VALIDATION_ERROR', /pipeline/],
  ['run_materialization', { pipeline: 'shop', wait: 'no' }, 'VALIDATION_ERROR', /wait/],
  ['get_materialization_status', { run_id: 7 }, 'VALIDATION_ERROR', /run_id/],
  ['cancel_materialization', {}, 'VALIDATION_ERROR', /run_id/],
  ['explain_query', { sql: 'explain select 1' }, 'VALIDATION_ERROR', /./],
  ['search_objects', { text: ' ' }, 'VALIDATION_ERROR', /text/],
  ['save_learning', { ...learning, corrected_sql: 'selec' }, 'SYNTAX_ERROR', /selec/],
  ['drop_everything', {}, 'VALIDATION_ERROR', /no tool/],
]
