/** Everything that is written about a schema, asked for anew each time; what is costly to understand is kept until it changes. */
import type { Pool } from 'pg'
import { listKnowledgeEntries } from '../control/knowledge-entries.ts'
import { listLearnings } from '../control/learnings.ts'
import { listSemanticEntries, readSemanticStamp } from '../control/semantic-entries.ts'
import { listTableKnowledge } from '../control/table-knowledge.ts'
import type { AnnotationSource, Annotations } from './annotations.ts'
import { readSemanticRows } from './semantic-document.ts'
import type { SemanticFolder } from './semantic-files.ts'
import { resolveSemantics, resolveTableKnowledge, type SemanticLayer } from './semantic-layer.ts'
import type { ExpressionReader } from './semantic-sql.ts'

export const annotationLimits = {
  /** General entries that go with a schema, and their Markdown together. */
  generalMax: 50,
  generalMaxBytes: 64 * 1024,
  learningsMax: 50,
} as const

/** Tenants whose rows are held as they were understood. */
const heldMax = 200

export interface AnnotationReaderOptions {
  readonly control: Pool
  readonly files: Pick<SemanticFolder, 'read'>
  readonly parser: ExpressionReader
}

export class AnnotationReader implements AnnotationSource {
  readonly #control: Pool
  readonly #files: AnnotationReaderOptions['files']
  readonly #parser: ExpressionReader
  /** By tenant; oldest first. */
  readonly #held = new Map<string, { readonly stamp: string | null; readonly layer: SemanticLayer }>()

  constructor(options: AnnotationReaderOptions) {
    this.#control = options.control
    this.#files = options.files
    this.#parser = options.parser
  }

  async of(tenantId: string, databaseAlias: string, schema: string): Promise<Annotations> {
    const { layers, warnings } = await this.layersOf(tenantId)
    const where = { database: databaseAlias, schema }
    const { generalMaxBytes: textMaxBytes, generalMax: entriesMax, learningsMax: rowsMax } = annotationLimits
    const active = { active: true, database: databaseAlias, rowsMax }
    return {
      ...resolveSemantics(layers, databaseAlias, schema),
      tables: resolveTableKnowledge(await listTableKnowledge(this.#control, tenantId, where)),
      general: await listKnowledgeEntries(this.#control, tenantId, { textMaxBytes, entriesMax }),
      learnings: await listLearnings(this.#control, tenantId, active),
      warnings,
    }
  }

  /** The rows, then the file: the later wins. @throws as {@link AnnotationSource.of} */
  async layersOf(
    tenantId: string,
  ): Promise<{ readonly layers: readonly SemanticLayer[]; readonly warnings: readonly string[] }> {
    // Asked before the rows: should they change in between, they are read again next time.
    const tenant = await readSemanticStamp(this.#control, tenantId)
    if (tenant === undefined) return { layers: [], warnings: [] }
    const rows = await this.#rowsOf(tenantId, tenant.stamp)
    const file = await this.#files.read(tenant.tenantName)
    return { layers: file === undefined ? [rows] : [rows, file.layer], warnings: file?.warnings ?? [] }
  }

  async #rowsOf(tenantId: string, stamp: string | null): Promise<SemanticLayer> {
    const held = this.#held.get(tenantId)
    if (held?.stamp === stamp) return held.layer
    this.#held.delete(tenantId)
    const layer = readSemanticRows(await listSemanticEntries(this.#control, tenantId), this.#parser)
    const [oldest] = this.#held.keys()
    if (this.#held.size >= heldMax && oldest !== undefined) this.#held.delete(oldest)
    this.#held.set(tenantId, { stamp, layer })
    return layer
  }
}
