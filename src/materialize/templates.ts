/**
 * `{{ knobs.domain }}` in a text: a knob of the connector, `config.<name>` of the source, or `watermark`. Of several
 * names parted by `|` the first that is set counts. Pure.
 */
import { SqlError } from '../errors.ts'

export interface TemplateValues {
  readonly knobs?: Readonly<Record<string, unknown>>
  readonly config?: Readonly<Record<string, unknown>>
  readonly watermark?: string | number | undefined
}

const place = /\{\{\s*([^{}]*?)\s*\}\}/g
const name = /^(watermark|(knobs|config)\.[a-z_][a-z0-9_]*)$/

/** What is wrong with it, to be said after its name; undefined: nothing. */
export function templateFault(text: string): string | undefined {
  if (/\{\{|\}\}/.test(text.replaceAll(place, ''))) return 'has a "{{" or "}}" without the other'
  const bad = templateNames(text).find(one => !name.test(one))
  if (bad === undefined) return undefined
  return `cannot take "${bad}": there is knobs.<name>, config.<name> and watermark`
}

/** Every name in it. */
export function templateNames(text: string): string[] {
  return [...text.matchAll(place)].flatMap(match => (match[1] ?? '').split('|').map(one => one.trim()))
}

/**
 * @param encode how a value is written where it stands between other text, as `encodeURIComponent` in a path; `offset`
 * is where it begins
 * @returns undefined where a name that it takes is set nowhere
 */
export function fillTemplate(
  text: string,
  values: TemplateValues,
  encode: (value: string, offset: number) => string = value => value,
): string | undefined {
  let missing = false
  const filled = text.replace(place, (whole, names: string, offset: number) => {
    const found = names
      .split('|')
      .map(one => readValue(one.trim(), values))
      .find(value => value !== undefined && value !== null && value !== '')
    if (found === undefined) missing = true
    const plain = typeof found === 'object' ? JSON.stringify(found) : String(found)
    return whole === text ? plain : encode(plain, offset)
  })
  return missing ? undefined : filled
}

function readValue(one: string, { knobs, config, watermark }: TemplateValues): unknown {
  if (one === 'watermark') return watermark
  const [of, key = ''] = one.split('.')
  const from = of === 'knobs' ? knobs : config
  return from !== undefined && Object.hasOwn(from, key) ? from[key] : undefined
}

/** For a path: a value stays within its segment. @throws SqlError 22023 for one that would leave it */
export function encodeSegment(value: string): string {
  // Addresses are made without dot segments, however they are encoded (RFC 3986, section 5.2.4).
  if (value !== '.' && value !== '..') return encodeURIComponent(value)
  throw new SqlError({ code: '22023', message: `"${value}" cannot stand in an address` })
}

/**
 * An address, which may begin with a knob that is one; other knobs cannot leave their place in it.
 * @throws SqlError 22023 that names what has to be set
 */
export function fillAddress(what: string, text: string, knobs: NonNullable<TemplateValues['knobs']>): string {
  const filled = fillTemplate(text, { knobs }, (value, offset) => (offset === 0 ? value : encodeSegment(value)))
  if (filled !== undefined) return filled
  const unset = templateNames(text).filter(one => readValue(one, { knobs }) === undefined)
  throw new SqlError({ code: '22023', message: `${what} needs ${unset.join(', ')} to be set` })
}
