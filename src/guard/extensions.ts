/** Known extensions and which of their functions may be called: extensions.json, reviewed by hand. */
import lists from './extensions.json' with { type: 'json' }

/**
 * `functions` are names, or prefixes ending in `*`; `except` is taken out of them again: what takes SQL or names of
 * relations as text, writes, or reaches out.
 */
interface ExtensionList {
  readonly functions: readonly string[]
  readonly except?: readonly string[]
}

interface Known {
  readonly names: ReadonlySet<string>
  readonly prefixes: readonly string[]
  readonly except: ReadonlySet<string>
}

const known: ReadonlyMap<string, Known> = new Map(
  Object.entries<ExtensionList>(lists).map(([extension, list]) => [
    extension,
    {
      names: new Set(list.functions.filter(name => !name.endsWith('*'))),
      prefixes: list.functions.filter(name => name.endsWith('*')).map(name => name.slice(0, -1)),
      except: new Set(list.except ?? []),
    },
  ]),
)

/** Whether its operators, types and casts are C code that reads nothing but its arguments. */
export function isKnownExtension(extension: string): boolean {
  return known.has(extension)
}

export function isAdmittedByExtension(extension: string | null, name: string): boolean {
  const list = extension === null ? undefined : known.get(extension)
  if (list === undefined || list.except.has(name)) return false
  return list.names.has(name) || list.prefixes.some(prefix => name.startsWith(prefix))
}
