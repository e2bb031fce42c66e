import { SqlError } from '../errors.ts'

export type StartupSetting = readonly [name: string, value: string]

/**
 * The settings in the startup parameter `options`, read as Postgres reads its own command line (manual, sections 20.1.4 and
 * 54.2.1): words are split at white space, a backslash takes the next character as it is, and `-c name=value`,
 * `-cname=value` and `--name=value` set something, with `-` in a name meaning `_`.
 * @throws SqlError 42601 for any other switch, FATAL.
 */
export function parseStartupOptions(options: string): StartupSetting[] {
  const words = splitOptions(options)
  const settings: StartupSetting[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (word === '-c') {
      i += 1
      settings.push(parseSetting(words[i] ?? '', '-c '))
    } else if (word.startsWith('-c')) settings.push(parseSetting(word.slice(2), '-c '))
    else if (word.startsWith('--') && word.length > 2) settings.push(parseSetting(word.slice(2), '--'))
    else throw refused(`invalid command-line argument for server process: ${word}`)
  }
  return settings
}

function splitOptions(options: string): string[] {
  const words: string[] = []
  let word = ''
  let open = false
  for (let i = 0; i < options.length; i++) {
    let character = options[i]!
    if (isSpace(character)) {
      if (open) words.push(word)
      word = ''
      open = false
      continue
    }
    if (character === '\\') {
      i += 1
      character = options[i] ?? ''
    }
    word += character
    open = true
  }
  if (open) words.push(word)
  return words
}

/** isspace() of the C locale, as Postgres uses it here. */
function isSpace(character: string): boolean {
  return character === ' ' || (character >= '\t' && character <= '\r')
}

function parseSetting(text: string, before: string): StartupSetting {
  const equals = text.indexOf('=')
  const name = (equals < 0 ? text : text.slice(0, equals)).replaceAll('-', '_')
  if (equals < 0) throw refused(`${before}${name} requires a value`)
  return [name, text.slice(equals + 1)]
}

function refused(message: string): SqlError {
  return new SqlError({
    code: '42601',
    severity: 'FATAL',
    message,
    hint: 'The startup options may set parameters: -c name=value or --name=value.',
  })
}
