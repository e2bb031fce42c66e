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

/** Longer ones are not remembered. */
const rememberedMaxChars = 2_048
/** A power of two. */
const remembered = 512

/** Remembers texts: clients say the same thing again and again. */
export class StatementTexts {
  private readonly literals: Literals
  private readonly statements = new Memory<Statement>()
  /** By text without constants, which many new texts have in common. */
  private readonly fingerprints = new Memory<string>()

  constructor(literals: Literals) {
    this.literals = literals
  }

  of(text: string): Statement {
    return this.statements.get(text, () => this.make(text))
  }

  private make(text: string): Statement {
    const redacted = redactLiterals(text)
    const shown = this.literals === 'keep' ? text : redacted
    if (redacted === undefined) return shown === undefined ? whole(text) : { shown }
    return { shown, fingerprint: this.fingerprints.get(redacted, () => hash('sha256', redacted).slice(0, 16)) }
  }
}

/** One place for each text, by its length and some of its letters: what comes there later takes it. */
class Memory<T> {
  private readonly texts: string[] = new Array<string>(remembered).fill('')
  private readonly values: (T | undefined)[] = new Array<T | undefined>(remembered).fill(undefined)

  get(text: string, make: () => T): T {
    const { length } = text
    if (length > rememberedMaxChars) return make()
    let place = length
    for (let at = length - 1; at >= 0; at -= 1 + (length >> 3)) place = (place * 31 + text.charCodeAt(at)) | 0
    place &= remembered - 1
    const known = this.texts[place] === text ? this.values[place] : undefined
    if (known !== undefined) return known
    const value = make()
    this.texts[place] = text
    this.values[place] = value
    return value
  }
}

export function whole(text: string): { hash: string; bytes: number } {
  return { hash: hash('sha256', text), bytes: Buffer.byteLength(text, 'utf8') }
}
