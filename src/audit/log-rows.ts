/** Records as they stand in postern.audit_log, for those who may read it: its owner. */
import { randomBytes } from 'node:crypto'
import type { ClientBase, Pool } from 'pg'
import type { RecordFields } from './encode.ts'

export interface LogRow extends RecordFields {
  readonly instance: string
  /** 64 hex digits; null: from before there was a chain. */
  readonly hash: string | null
  /** The partition that holds it: `audit_log_2026_01`. */
  readonly partition: string
}

/** Numbers as JSON has them: without loss up to 2^53. */
const columns = `(extract(epoch from time) * 1000)::double precision as time, instance,
  sequence::double precision as sequence, kind, door, principal_id, principal, tenant_id, tenant, database, schema, session,
  request_id, trace_id, credential, tool, statement_kind, statement_text, text_hash, text_bytes, fingerprint, relations,
  verdict, reason, sqlstate, rows::double precision as rows, bytes::double precision as bytes, wait_ms, run_ms, address,
  application_name, detail, pg_catalog.encode(hash, 'hex') as hash,
  (select relname from pg_catalog.pg_class where oid = audit_log.tableoid) as partition`

const pageRows = 1_000

const chainText = `
  select ${columns} from postern.audit_log where instance = $1 and sequence <= $2
  order by audit_log.sequence, audit_log.time`

/** One chain from its beginning, in order, to its end or to `upTo`. In a transaction. */
export function readChain(
  client: ClientBase,
  instance: string,
  upTo: number = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<LogRow, void, undefined> {
  return readCursor(client, chainText, [instance, upTo])
}

/** However many there are, a page at a time, and planned once. In a transaction. */
async function* readCursor(
  client: ClientBase,
  text: string,
  values: readonly unknown[],
): AsyncGenerator<LogRow, void, undefined> {
  const name = `audit_${randomBytes(8).toString('hex')}`
  await client.query(`declare ${name} no scroll cursor for ${text}`, [...values])
  try {
    for (;;) {
      const { rows } = await client.query<LogRow>(`fetch ${pageRows} from ${name}`)
      yield* rows
      if (rows.length < pageRows) return
    }
  } finally {
    // In a transaction that failed it is gone already.
    await client.query(`close ${name}`).catch(() => undefined)
  }
}

/** Of the log, narrowed to what `filter` names. Texts and relations are found by a part of them. */
export interface LogFilter {
  readonly tenant?: string | undefined
  readonly principal?: string | undefined
  readonly since?: Date | undefined
  readonly until?: Date | undefined
  readonly kind?: string | undefined
  readonly sqlstate?: string | undefined
  readonly verdict?: string | undefined
  readonly tool?: string | undefined
  /** `schema.table`, or the table alone. */
  readonly relation?: string | undefined
  /** Stands in the statement, the reason or the detail; capitals or not. */
  readonly text?: string | undefined
}

/** For the parameters from $1 to $10. The planner sees their values, so what is null costs nothing. */
const filterText = `
  ($1::text is null or tenant = $1)
  and ($2::text is null or principal = $2 or starts_with(principal, $2 || '@'))
  and ($3::timestamptz is null or time >= $3)
  and ($4::timestamptz is null or time < $4)
  and ($5::text is null or kind = $5)
  and ($6::text is null or sqlstate = $6)
  and ($7::text is null or verdict = $7)
  and ($8::text is null or tool = $8)
  and ($9::text is null or exists (
    select from pg_catalog.unnest(relations) as relation where relation = $9 or right(relation, length($9) + 1) = '.' || $9))
  and ($10::text is null or position(lower($10) in lower(concat_ws(' ', statement_text, reason, detail::text))) > 0)`

function filterValues(filter: LogFilter): unknown[] {
  const { tenant, principal, since, until, kind, sqlstate, verdict, tool, relation, text } = filter
  return [tenant, principal, since, until, kind, sqlstate, verdict, tool, relation, text]
}

const newest = `
  select ${columns} from postern.audit_log where ${filterText}
  order by audit_log.time desc, audit_log.instance desc, audit_log.sequence desc limit $11`

/** The newest that match, newest first. */
export async function searchLog(db: Pool | ClientBase, filter: LogFilter, limit: number): Promise<readonly LogRow[]> {
  return (await db.query<LogRow>(newest, [...filterValues(filter), limit])).rows
}

const byTime = `
  select ${columns} from postern.audit_log where ${filterText}
  order by audit_log.time, audit_log.instance, audit_log.sequence`

/** All that match as of one moment, oldest first. */
export async function* exportLog(db: Pool, filter: LogFilter): AsyncGenerator<LogRow, void, undefined> {
  const client = await db.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    // Whoever takes the rows may take his time.
    await client.query('set local idle_in_transaction_session_timeout to 0')
    yield* readCursor(client, byTime, filterValues(filter))
  } finally {
    // Its connection goes with its transaction and cursor, whatever state they are in.
    client.release(true)
  }
}

const newestHeads = 'select instance, sequence::double precision as sequence from postern.audit_head'
const pageOfInstance = `
  select ${columns} from postern.audit_log
  where ${filterText} and instance = $11 and sequence > $12 and sequence <= $13
  order by audit_log.sequence limit ${pageRows}`

/** What arrives in the log after now, of every instance, in each's own order. Each round gives what came since the last. */
export class LogTail {
  private readonly db: Pool
  private readonly filter: LogFilter
  private readonly seen = new Map<string, number>()

  private constructor(db: Pool, filter: LogFilter) {
    this.db = db
    this.filter = filter
  }

  static async open(db: Pool, filter: LogFilter): Promise<LogTail> {
    const tail = new LogTail(db, filter)
    for (const head of await tail.heads()) tail.seen.set(head.instance, head.sequence)
    return tail
  }

  async *next(): AsyncGenerator<LogRow, void, undefined> {
    for (const { instance, sequence } of await this.heads()) {
      for (;;) {
        const after = this.seen.get(instance) ?? 0
        if (sequence <= after) break
        const values = [...filterValues(this.filter), instance, after, sequence]
        const { rows } = await this.db.query<LogRow>(pageOfInstance, values)
        this.seen.set(instance, rows.length < pageRows ? sequence : (rows.at(-1)?.sequence ?? sequence))
        yield* rows
      }
    }
  }

  private async heads(): Promise<readonly { readonly instance: string; readonly sequence: number }[]> {
    return (await this.db.query<{ instance: string; sequence: number }>(newestHeads)).rows
  }
}

export interface RefusalGroup {
  readonly sqlstate: string | null
  readonly reason: string | null
  readonly count: number
  readonly principals: number
  readonly first: Date
  readonly last: Date
  /** The newest of them. */
  readonly example: { readonly principal: string | null; readonly text: string | null; readonly tool: string | null }
}

// A call of a tool that was refused before any statement of it was judged has no other record.
const refusalGroups = `
  with refused as (
    select time, sqlstate, principal, tool, statement_text as text,
      case when kind = 'tool-call' then concat(tool, ': ', reason) else reason end as reason
    from postern.audit_log as log
    where ${filterText} and (verdict in ('refuse', 'refused')
      or kind = 'tool-call' and verdict = 'failed' and reason in ('PERMISSION_DENIED', 'RATE_LIMITED', 'QUOTA_EXCEEDED')
        and not exists (
          select from postern.audit_log as judged
          where judged.request_id = log.request_id and judged.kind = 'refusal'
            and judged.time between log.time - interval '1 day' and log.time + interval '1 minute'))
  ), numbered as (
    select *, row_number() over (partition by sqlstate, reason order by time desc) as number from refused
  )
  select sqlstate, reason, count(*)::double precision as count, count(distinct principal)::double precision as principals,
    min(time) as first, max(time) as last,
    json_agg(json_build_object('principal', principal, 'text', text, 'tool', tool)) filter (where number = 1) -> 0 as example
  from numbered group by sqlstate, reason order by 3 desc, 6 desc limit $11`

/** Refusals by cause, the most frequent first. */
export async function groupRefusals(db: Pool, filter: LogFilter, limit: number): Promise<readonly RefusalGroup[]> {
  return (await db.query<RefusalGroup>(refusalGroups, [...filterValues(filter), limit])).rows
}
