/** The audit's records of a session's statements. */
import type { AuditRecord } from '../audit/record.ts'
import type { SqlErrorFields } from '../errors.ts'
import type { RefuseVerdict } from '../guard/verdict.ts'
import type { SessionOptions } from './context.ts'
import type { StatementRun } from './run.ts'

export class StatementRecords {
  private readonly options: SessionOptions
  private requests = 0

  constructor(options: SessionOptions) {
    this.options = options
  }

  private base(kind: AuditRecord['kind'], text: string): AuditRecord {
    const { principal, database, door, client, id, services, origin } = this.options
    const from = origin?.()
    return {
      time: services.now(),
      kind,
      door,
      principalId: principal.id,
      principal: principal.login,
      tenantId: principal.tenant,
      tenant: principal.tenantName,
      database: database.alias,
      session: id,
      requestId: from?.requestId ?? `${id}.${this.requests}`,
      traceId: from?.traceId,
      credential: principal.credential ?? undefined,
      text,
      address: client.address,
      applicationName: client.applicationName,
    }
  }

  /** A request of one or more messages begins. */
  nextRequest(): void {
    this.requests++
  }

  /** Its answer outlasts this turn of the event loop: a record now, the final one at its end. */
  started(run: StatementRun): void {
    run.recorded = true
    this.options.services.audit.append({
      ...this.base('statement-start', run.text),
      statementKind: run.plan.kind,
      relations: run.plan.relations,
    })
  }

  /** The final record, once. @throws SqlError where it cannot be kept */
  ended(run: StatementRun, error: SqlErrorFields | undefined): void {
    if (run.ended || run.plan.unseen) return
    run.ended = true
    run.endedAtMs = this.options.services.now()
    this.options.onEnded?.(run)
    this.options.services.audit.append({
      ...this.base('statement', run.text),
      statementKind: run.plan.kind,
      relations: run.plan.relations,
      verdict: run.plan.splices === undefined ? 'answer' : run.plan.splices.length > 0 ? 'rewritten' : 'run',
      rows: run.rows,
      bytes: run.bytes,
      waitMs: run.waitMs,
      runMs: run.endedAtMs - run.startedAtMs,
      ...(run.truncated === undefined ? {} : { reason: `truncated: ${run.truncated}` }),
      ...(error === undefined ? {} : { sqlstate: error.code }),
    })
  }

  /** The same where nothing is left to be stopped by a record that cannot be kept. */
  lost(run: StatementRun, error: SqlErrorFields): void {
    try {
      this.ended(run, error)
    } catch (fault) {
      const { services, id } = this.options
      services.log.error({ err: fault, session: id }, 'the end of a statement is not in the audit log')
    }
  }

  /** `verdict` undefined: the session itself refused it (a limit, a failed transaction, a text that does not parse). */
  refused(text: string, error: SqlErrorFields, verdict: RefuseVerdict | undefined): void {
    this.options.services.audit.append({
      ...this.base('refusal', text),
      verdict: 'refuse',
      sqlstate: error.code,
      reason: verdict?.reason ?? error.message,
      ...(error.code === '42601' || error.code === '22021' || error.code === '54001' ? { textParses: false } : {}),
      ...(verdict === undefined ? {} : { statementKind: verdict.statementKind, relations: verdict.relations }),
    })
  }
}
