/**
 * How many tokens a text is for a model, guessed from above without a tokenizer (they differ, and are megabytes): what
 * fits by this count fits by o200k, which the tests measure. English costs about half as much again as it would.
 */

const piece = /\p{Lu}?\p{Ll}+|\p{Lu}+|\p{L}|\p{N}+|[^\S\n]+|[\s\S]/gu

export function estimateTokens(text: string): number {
  let tokens = 0
  for (const { 0: found, index } of text.matchAll(piece)) tokens += tokensOf(found, text[index + found.length] ?? '')
  return tokens
}

function tokensOf(found: string, next: string): number {
  if (/^[A-Za-z]/.test(found) && /^[A-Za-z]+$/.test(found)) return lettersTokens(found)
  // Digits go by three.
  if (/^\d+$/.test(found)) return Math.ceil(found.length / 3)
  // One space belongs to the word or sign that follows it.
  if (/^\s/.test(found) && found !== '\n') return found.length === 1 && /[^\d\s]/.test(next) ? 0 : 1
  let tokens = 0
  for (const char of found) tokens += charTokens(char.codePointAt(0) ?? 0)
  return tokens
}

/** Words are cheap, what is no word of any language is not. */
function lettersTokens(letters: string): number {
  const isWordlike = letters.length > 2 && !/[^aeiouy]{4}|[aeiouy]{4}/i.test(letters) && /[aeiouy]/i.test(letters)
  return isWordlike ? Math.ceil(letters.length / 5) : Math.max(1, Math.ceil((letters.length * 2) / 3))
}

/** Arrows, dashes and the like, and every letter up to Arabic, are one; pictures three; what is between is one or two. */
function charTokens(codePoint: number): number {
  if (codePoint < 0x800 || (codePoint >= 0x2010 && codePoint < 0x2200)) return 1
  return codePoint < 0x2800 || (codePoint >= 0x2c00 && codePoint < 0x10000) ? 2 : 3
}
