/** The effective settings and the README's table of them. Never shows a secret. */
import { stringify } from 'yaml'
import { isTree, type Leaf } from './leaves.ts'
import { Secret } from './secret.ts'

/** As a YAML file that says beside each value where it comes from. */
export function printSettings(
  config: object,
  leaves: readonly Leaf[],
  said: (key: string) => string | undefined,
): string {
  const lines: string[] = []
  let open: readonly string[] = []
  for (const leaf of leaves) {
    const groups = leaf.path.slice(0, -1)
    const shared = groups.findIndex((group, depth) => open[depth] !== group)
    if (shared >= 0)
      for (const [depth, group] of groups.entries()) if (depth >= shared) lines.push(`${'  '.repeat(depth)}${group}:`)
    open = groups
    const text = `${'  '.repeat(groups.length)}${leaf.path.at(-1)}: ${stringify(shown(config, leaf), inline).trim()}`
    const place = said(leaf.key)
    lines.push(place === undefined ? text : `${text.padEnd(44)} # ${place}`)
  }
  return lines.join('\n')
}

/** Lists stay on their line. */
const inline = { collectionStyle: 'flow', lineWidth: 0 } as const

/** As plain data for JSON. */
export function plainSettings(config: object, leaves: readonly Leaf[]): Record<string, unknown> {
  return Object.fromEntries(leaves.map(leaf => [leaf.key, shown(config, leaf)]))
}

/** A Markdown table of all settings. */
export function settingsTable(config: object, leaves: readonly Leaf[]): string {
  const rows = leaves.map(leaf => {
    const choices = leaf.choices.length > 0 ? ` One of ${leaf.choices.map(choice => `\`${choice}\``).join(', ')}.` : ''
    const value = leaf.secret === undefined ? JSON.stringify(shown(config, leaf)) : 'null'
    return `| \`${leaf.key}\` | \`${leaf.environment}\` | ${value === 'null' ? '' : `\`${value}\``} | ${leaf.description}${choices} |`
  })
  return ['| `postern.yml` | environment | default | |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function shown(config: object, leaf: Leaf): unknown {
  let value: unknown = config
  for (const part of leaf.path) value = isTree(value) ? value[part] : undefined
  if (!(value instanceof Secret)) return value
  return leaf.secret === 'url' ? maskedUrl(value.reveal()) : String(value)
}

function maskedUrl(text: string): string {
  if (!URL.canParse(text)) return '***'
  const url = new URL(text)
  if (url.password !== '') url.password = '***'
  for (const name of url.searchParams.keys()) if (/pass/i.test(name)) url.searchParams.set(name, '***')
  return url.href
}
