/** What the log keeps of statements' texts. */
import { hash } from 'node:crypto'
import { redactLiterals } from './redact.ts'

export type Literals = 'redact' | 'keep'

export interface Statement {
  /** Undefined: it cannot be told what of it is a constant. */
  readonly shown?: string | undefined
  /** Of the whole text, where it is not shown whole: SHA-256 in hex, and its length. */
  readonly hash?: string | undefined
  readonly bytes?: number | undefined
  /** The first 16 hex digits of the SHA-256 of the text without its constants. */
  readonly fingerprint?: string | undefined
}

const remembered = { textsMax: 1_000, textMaxChars: 2_048 }

/** Remembers texts: clients say the same thing again and again. */
export class StatementTexts {
  private readonly literals: Literals
  private readonly statements = new Map<string, Statement>()
  /** By text without constants, which many new texts have in common. */
  private readonly fingerprints = new Map<string, string>()

  constructor(literals: Literals) {
    this.literals = literals
  }

  of(text: string): Statement {
    if (text.length > remembered.textMaxChars) return this.make(text)
    const known = this.statements.get(text)
    if (known !== undefined) return known
    return remember(this.statements, text, this.make(text))
  }

  private make(text: string): Statement {
    const redacted = redactLiterals(text)
    const fingerprint = redacted === undefined ? undefined : this.fingerprintOf(redacted)
    const shown = this.literals === 'keep' ? text : redacted
    return shown === undefined ? whole(text) : { shown, fingerprint }
  }

  private fingerprintOf(redacted: string): string {
    if (redacted.length > remembered.textMaxChars) return hash('sha256', redacted).slice(0, 16)
    const known = this.fingerprints.get(redacted)
    return known ?? remember(this.fingerprints, redacted, hash('sha256', redacted).slice(0, 16))
  }
}

function remember<T>(map: Map<string, T>, text: string, value: T): T {
  if (map.size >= remembered.textsMax) map.clear()
  map.set(text, value)
  return value
}

export function whole(text: string): { hash: string; bytes: number } {
  return { hash: hash('sha256', text), bytes: Buffer.byteLength(text, 'utf8') }
}
