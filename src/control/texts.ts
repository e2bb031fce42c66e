/** What every text that people and agents write down about their data must be. */
import { SqlError } from '../errors.ts'

/** Bytes are those of UTF-8. */
export interface TextRule {
  readonly maxBytes: number
  /** Line breaks and tabs may stand in it. */
  readonly lines?: boolean
  readonly mayBeEmpty?: boolean
}

// Control characters, halves of surrogate pairs, and what reorders or hides text on a screen while a model reads it:
// the overrides of the bidirectional algorithm and the invisible tag characters.
const unseen = /[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069\u{E0000}-\u{E007F}]/u
const unseenButLines = /(?![\t\n\r])[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069\u{E0000}-\u{E007F}]/u

/** What is wrong with a text, to be said after its name; undefined: nothing. */
export function textFault(text: string, rule: TextRule): string | undefined {
  if (rule.mayBeEmpty !== true && text.trim() === '') return 'must not be empty'
  const bytes = Buffer.byteLength(text)
  if (bytes > rule.maxBytes) return `must be at most ${rule.maxBytes} bytes long, and is ${bytes}`
  const found = (rule.lines === true ? unseenButLines : unseen).exec(text)?.[0]
  if (found === undefined) return undefined
  const code = found.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
  return `must not hold the character U+${code}`
}

/** @throws SqlError 22023 */
export function checkText(what: string, text: string, rule: TextRule): void {
  const fault = textFault(text, rule)
  if (fault !== undefined) throw new SqlError({ code: '22023', message: `${what} ${fault}` })
}

/** Each of them, and how many. @throws SqlError 22023 */
export function checkTexts(what: string, texts: readonly string[], rule: TextRule, countMax: number): void {
  if (texts.length > countMax) {
    throw new SqlError({ code: '22023', message: `${what}: at most ${countMax}, and there are ${texts.length}` })
  }
  for (const text of texts) checkText(what, text, rule)
}

/** Whether it can be the id of a row: anything else is an id that does not exist, whatever Postgres would say of it. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text)
}

/** Of one kind, in one tenant. @throws SqlError 54000 */
export function refuseMore(what: string, there: number, countMax: number): void {
  if (there < countMax) return
  throw new SqlError({
    code: '54000',
    message: `this tenant has ${there} ${what}, which is the most that is kept`,
    hint: 'Remove what is out of date: "postern knowledge list" shows all.',
  })
}
