/** Which provisioned schemas statements use, whatever door they come through: seen where they are all recorded. */
import type { AuditSink } from '../audit/record.ts'
import type { Databases } from './databases.ts'

export interface SchemaUses {
  touch(databaseId: string, schemas: Iterable<string>): void
}

/** The same sink, beside which every statement's relations are looked through. Asks nothing and waits for nothing. */
export function noteSchemaUses(sink: AuditSink, databases: Pick<Databases, 'all'>, uses: SchemaUses): AuditSink {
  return {
    append(record) {
      sink.append(record)
      const { tenantId, database, relations, kind } = record
      if (kind !== 'statement' && kind !== 'statement-start') return
      if (tenantId === undefined || database === undefined || relations === undefined || relations.length === 0) return
      const served = databases.all(tenantId).find(({ alias }) => alias === database)
      if (served === undefined || served.row.provisioned.length === 0) return
      const used = served.row.provisioned.filter(({ name, serves }) => serves && isUsed(relations, name))
      if (used.length > 0)
        uses.touch(
          served.id,
          used.map(({ name }) => name),
        )
    },
    flush: () => sink.flush(),
    get healthy() {
      return sink.healthy
    },
  }
}

function isUsed(relations: readonly string[], schema: string): boolean {
  return relations.some(relation => relation.startsWith(`${schema}.`))
}
