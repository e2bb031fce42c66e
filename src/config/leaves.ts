/**
 * The schema as a flat list of settings, taken from its JSON Schema: what `postern.yml` calls a setting, what the
 * environment calls it, what it may hold. Environment names follow from the keys: `gateway.tls.cert` is
 * POSTERN_GATEWAY_TLS_CERT, `masterKey` is POSTERN_MASTER_KEY.
 */
import { z } from 'zod'

export interface Leaf {
  readonly path: readonly string[]
  /** The path with dots. */
  readonly key: string
  readonly environment: string
  readonly type: 'string' | 'integer' | 'boolean' | 'list'
  readonly nullable: boolean
  readonly choices: readonly string[]
  /** value: never shown, in the file only as a `file:` or `env:` reference. url: the same where it holds a password. */
  readonly secret: 'value' | 'url' | undefined
  readonly default: unknown
  readonly description: string
}

export type Tree = { readonly [key: string]: unknown }

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Every setting of the schema, in its order. */
export function leavesOf(schema: z.ZodType): readonly Leaf[] {
  return walk(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), [])
}

function walk(node: unknown, path: readonly string[]): Leaf[] {
  if (!isTree(node)) return []
  const properties = node.properties
  if (!isTree(properties)) return [leaf(node, path)]
  return Object.entries(properties).flatMap(([name, child]) => walk(child, [...path, name]))
}

function leaf(node: Tree, path: readonly string[]): Leaf {
  const types = [
    node.type,
    ...(Array.isArray(node.anyOf) ? node.anyOf.map(option => (isTree(option) ? option.type : '')) : []),
  ].flat()
  const choices = Array.isArray(node.enum) ? node.enum.filter(choice => typeof choice === 'string') : []
  const secret = node.secret
  return {
    path,
    key: path.join('.'),
    environment: environmentName(path),
    type: types.includes('array')
      ? 'list'
      : types.includes('integer')
        ? 'integer'
        : types.includes('boolean')
          ? 'boolean'
          : 'string',
    nullable: types.includes('null'),
    choices,
    secret: secret === 'value' || secret === 'url' ? secret : undefined,
    default: node.default,
    description: typeof node.description === 'string' ? node.description : '',
  }
}

function environmentName(path: readonly string[]): string {
  return `POSTERN_${path.map(part => part.replace(/[A-Z]/g, '_$&').toUpperCase()).join('_')}`
}
