/** Which columns hold what must not be shown, by their names. */

export type IsSensitive = (column: string) => boolean

/** @param patterns words as in settings catalog.sensitive: `card`, `national_id`, `*token*` */
export function sensitiveMatcher(patterns: readonly string[]): IsSensitive {
  const expressions = patterns.map(patternOf)
  return column => {
    const words = wordsOf(column)
    return expressions.some(expression => expression.test(words))
  }
}

/** Whole words, of which the last may be plural. */
function patternOf(pattern: string): RegExp {
  const words = wordsOf(pattern, '*').slice(1, -1)
  return new RegExp(`_${words.replaceAll('*', '.*')}s?_`, 'su')
}

/** `cardNumber`, `card-number` and `CARD_NUMBER` are all `_card_number_`. */
function wordsOf(name: string, kept = ''): string {
  const spaced = name.replace(/(\p{Ll})(\p{Lu})/gu, '$1_$2').toLowerCase()
  const separators = kept === '' ? /[^\p{L}\p{N}]+/gu : /[^\p{L}\p{N}*]+/gu
  return `_${spaced.replace(separators, '_')}_`
}
