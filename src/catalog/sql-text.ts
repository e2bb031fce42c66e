/** Names and texts of a tenant's on one line: as SQL has to write them, or as data that cannot break out of its line. */

/** Line breaks, control and invisible formatting characters become spaces; what is too long is cut with a mark. */
export function oneLine(text: string, maxChars: number): string {
  const flat = text.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()
  if (flat.length <= maxChars) return flat
  const chars = [...flat]
  return chars.length <= maxChars ? flat : `${chars.slice(0, maxChars - 1).join('')}…`
}

/** A name as SQL has to write it: bare, quoted, or with escapes where it holds what cannot be seen. */
export function sqlName(name: string): string {
  if (/^[a-z_][a-z\d_]*$/.test(name) && !reserved.has(name)) return name
  if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(name)) return `"${name.replaceAll('"', '""')}"`
  const escaped = [...name].map(char => {
    if (char === '"') return '""'
    if (char === '\\') return '\\\\'
    if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(char)) return char
    return `\\+${char.codePointAt(0)!.toString(16).padStart(6, '0')}`
  })
  return `U&"${escaped.join('')}"`
}

/** Fully reserved, and those that may not be a table's or column's name: manual, appendix C. */
const reserved = new Set(
  (
    'all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation ' +
    'column concurrently constraint create cross current_catalog current_date current_role current_schema ' +
    'current_time current_timestamp current_user default deferrable desc distinct do else end except false fetch for ' +
    'foreign freeze from full grant group having ilike in initially inner intersect into is isnull join lateral ' +
    'leading left like limit localtime localtimestamp natural not notnull null offset on only or order outer ' +
    'overlaps placing primary references returning right select session_user similar some symmetric system_user ' +
    'table tablesample then to trailing true union unique user using variadic verbose when where window with'
  ).split(' '),
)

/** A type under its shorter name, which SQL takes as well. */
export function shortType(type: string): string {
  return shortNames.reduce((text, [long, short]) => text.replace(long, short), type)
}

const shortNames: readonly (readonly [RegExp, string])[] = [
  [/^timestamp(\(\d\))? with time zone/, 'timestamptz$1'],
  [/^timestamp(\(\d\))? without time zone/, 'timestamp$1'],
  [/^time(\(\d\))? with time zone/, 'timetz$1'],
  [/^time(\(\d\))? without time zone/, 'time$1'],
  [/^character varying/, 'varchar'],
  [/^character\b/, 'char'],
  [/^double precision/, 'float8'],
  [/^integer/, 'int'],
  [/^boolean/, 'bool'],
]

/** `~49k`; 0 to 999 as they are. */
export function roughly(count: number): string {
  const power = count < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(count) / 3))
  const value = count / 1000 ** power
  return `~${power > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)}${['', 'k', 'M', 'G', 'T'][power]}`
}
