import type { AuditRecord, AuditSink } from '../../src/audit/record.ts'
import { SqlError } from '../../src/errors.ts'

/** An audit that fails when it is told to. */
export class FaultyAudit implements AuditSink {
  readonly records: AuditRecord[] = []
  healthy = true
  /** Which records cannot be kept. */
  refuses: (record: AuditRecord) => boolean = () => false
  flushes = true

  append(record: AuditRecord): void {
    if (this.refuses(record)) throw unwritable()
    this.records.push(record)
  }

  flush(): void {
    if (!this.flushes) throw unwritable()
  }

  mend(): void {
    this.healthy = true
    this.flushes = true
    this.refuses = () => false
  }

  /** Final records of statements of this text. */
  ends(text: string): AuditRecord[] {
    return this.records.filter(record => record.text === text && record.kind !== 'statement-start')
  }
}

function unwritable(): SqlError {
  return new SqlError({ code: '57P03', message: 'the audit log cannot be written' })
}
