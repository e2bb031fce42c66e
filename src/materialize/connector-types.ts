/** The text of a `connector.yml` → a connector type, or everything that is wrong with it. Pure. */
import { z } from 'zod'
import { describeIssues, type Fault, parseYaml, placeFaults } from '../catalog/strict-yaml.ts'
import type { Knobs } from '../control/pipelines.ts'
import { nearest } from '../nearest.ts'
import { type ConnectorDocument, connectorDocument } from './connector-schema.ts'
import type { LoaderName, WrittenSource } from './source-schema.ts'
import { fillAddress, templateNames } from './templates.ts'

export type AuthKinds = ConnectorDocument['auth']
export type AuthKind = keyof AuthKinds

export interface ConnectorType {
  readonly name: string
  readonly description: string | null
  /** Where its files are: scripts and models are found from here. */
  readonly folder: string
  readonly auth: AuthKinds
  /** A template. */
  readonly baseUrl: string | null
  readonly rateLimit: { readonly requestsPerMinute: number; readonly concurrent: number } | null
  /** Templates. */
  readonly hosts: readonly string[]
  readonly privateHosts: boolean
  readonly loader: LoaderName
  /** JSON schema (draft 2020-12) of what may be set for its connectors: an object. */
  readonly knobs: ConnectorDocument['knobs']
  /** Knobs that are set with the connector alone. */
  readonly fixed: readonly string[]
  /** What a source may say that it is of. */
  readonly entities: ReadonlyMap<string, WrittenSource>
}

export type Read<Value> = { readonly value: Value } | { readonly faults: readonly string[] }

const shape: unknown = z.toJSONSchema(connectorDocument, { io: 'output', unrepresentable: 'any' })

/** @param name stands before the lines of faults */
export function parseConnectorType(text: string, name: string, folder: string): Read<ConnectorType> {
  const yaml = parseYaml(text, name)
  if ('faults' in yaml) return yaml
  const parsed = connectorDocument.safeParse(yaml.plain)
  const faults = parsed.success ? checkDocument(parsed.data) : describeIssues(parsed.error.issues, shape, yaml.plain)
  if (!parsed.success || faults.length > 0) return { faults: placeFaults(yaml, name, faults) }
  const { base_url, rate_limit, private_hosts, entities, description, ...rest } = parsed.data
  return {
    value: {
      ...rest,
      folder,
      description: description ?? null,
      baseUrl: base_url ?? null,
      rateLimit:
        rate_limit === undefined
          ? null
          : { requestsPerMinute: rate_limit.requests_per_minute, concurrent: rate_limit.concurrent },
      privateHosts: private_hosts,
      entities: new Map(Object.entries(entities)),
    },
  }
}

function checkDocument(document: ConnectorDocument): Fault[] {
  const known = Object.keys(document.knobs.properties)
  const faults: Fault[] = [
    ...strangers(['knobs', 'required'], document.knobs.required, known),
    ...strangers(['fixed'], document.fixed, known),
    ...knobFaults(document, known),
  ]
  if (document.loader === 'rest' && document.base_url === undefined)
    faults.push({ path: ['base_url'], message: 'is missing: the loader rest needs it' })
  // What decides where credentials are sent must not be open to whoever may configure a pipeline.
  for (const one of destinationTemplates(document)) {
    for (const name of templateNames(one.text)) {
      const knob = name.startsWith('knobs.') ? name.slice('knobs.'.length) : undefined
      if (knob === undefined) faults.push({ path: one.path, message: `cannot take "${name}": there is knobs.<name>` })
      else if (known.includes(knob) && !document.fixed.includes(knob))
        faults.push({ path: one.path, message: `takes "${name}", so that "${knob}" must stand in fixed` })
    }
  }
  return faults
}

interface Placed {
  readonly path: readonly (string | number)[]
  readonly text: string
}

/** Every template of a value, wherever it stands. */
export function placedTemplates(value: unknown, path: Placed['path']): Placed[] {
  if (typeof value === 'string') return value.includes('{{') ? [{ path, text: value }] : []
  if (Array.isArray(value)) return value.flatMap((one, index) => placedTemplates(one, [...path, index]))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, one]) => placedTemplates(one, [...path, key]))
}

/** Of the addresses that credentials go to. */
function destinationTemplates({ base_url, hosts, auth }: ConnectorDocument): Placed[] {
  const { authorization_url, token_url } = auth.oauth ?? {}
  const clientTokenUrl = auth['client-credentials']?.token_url
  return [
    ...placedTemplates(base_url, ['base_url']),
    ...placedTemplates(hosts, ['hosts']),
    ...placedTemplates(authorization_url, ['auth', 'oauth', 'authorization_url']),
    ...placedTemplates(token_url, ['auth', 'oauth', 'token_url']),
    ...placedTemplates(clientTokenUrl, ['auth', 'client-credentials', 'token_url']),
  ]
}

function knobFaults({ entities, base_url, hosts, auth }: ConnectorDocument, known: readonly string[]): Fault[] {
  return placedTemplates({ base_url, hosts, auth, entities }, []).flatMap(({ path, text }) =>
    unknownKnobs(path, text, known),
  )
}

/** Knobs that a template takes and the type does not have. */
export function unknownKnobs(path: Placed['path'], text: string, known: readonly string[]): Fault[] {
  return templateNames(text)
    .filter(name => name.startsWith('knobs.') && !known.includes(name.slice('knobs.'.length)))
    .map(name => ({ path, message: `takes "${name}", which is no knob${meantOf(name.slice('knobs.'.length), known)}` }))
}

function strangers(path: Placed['path'], names: readonly string[], known: readonly string[]): Fault[] {
  return names.flatMap((name, index) =>
    known.includes(name) ? [] : [{ path: [...path, index], message: `"${name}" is no knob${meantOf(name, known)}` }],
  )
}

export function meantOf(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  if (meant !== undefined) return `; did you mean ${meant}?`
  return known.length === 0 ? '' : `; there is ${known.join(', ')}`
}

/**
 * The address that everything of a connector is below, with its knobs in it.
 * @throws SqlError 22023 where a knob that it needs is not set
 */
export function baseUrlOf(type: ConnectorType, knobs: Knobs): string | null {
  return type.baseUrl === null ? null : fillAddress(`the address of connector type "${type.name}"`, type.baseUrl, knobs)
}

/**
 * Hosts (with a port where one is named) that requests of a connector may go to.
 * @throws SqlError 22023 as {@link baseUrlOf}
 */
export function hostsOf(type: ConnectorType, knobs: Knobs): readonly string[] {
  const what = `the hosts of connector type "${type.name}"`
  const written = [baseUrlOf(type, knobs), ...type.hosts.map(host => fillAddress(what, host, knobs))]
  return [...new Set(written.flatMap(one => (one === null || one.startsWith('/') ? [] : [hostOf(one)])))]
}

function hostOf(written: string): string {
  return URL.canParse(written) && written.includes('://') ? new URL(written).host : written.toLowerCase()
}
