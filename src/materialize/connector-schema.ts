/** What may stand in `connectors/<name>/connector.yml`. */
import { z } from 'zod'
import { slug, sourceLimits, sourceShape, template, text } from './source-schema.ts'

const limits = { entitiesMax: 200, knobsMax: 100, hostsMax: 50, scopesMax: 50, requestsPerMinuteMax: 100_000 } as const

/**
 * The part of JSON schema (draft 2020-12) that knobs are described by. Anything else is refused rather than passed over:
 * a rule that is misspelt would hold nothing back.
 */
const common = {
  title: text().optional(),
  description: text(sourceLimits.textMaxBytes, true).optional(),
  default: z.unknown().optional(),
}
const textKnob = z.strictObject({
  ...common,
  type: z.literal('string'),
  enum: z.array(z.string()).min(1).optional(),
  format: z.enum(['date', 'date-time', 'uri', 'email', 'uuid']).optional(),
  pattern: z.string().refine(isPattern, 'is no regular expression').optional(),
  minLength: z.int().min(0).optional(),
  maxLength: z.int().min(0).optional(),
})
const numberKnob = (type: 'integer' | 'number') =>
  z.strictObject({
    ...common,
    type: z.literal(type),
    enum: z.array(z.number()).min(1).optional(),
    minimum: z.number().optional(),
    maximum: z.number().optional(),
  })
const booleanKnob = z.strictObject({ ...common, type: z.literal('boolean') })
const scalarKnobs = [textKnob, numberKnob('integer'), numberKnob('number'), booleanKnob] as const
const scalarKnob = z.discriminatedUnion('type', scalarKnobs)
const objectKnob = z.strictObject({
  ...common,
  type: z.literal('object'),
  properties: z.record(z.string(), scalarKnob),
  required: z.array(z.string()).optional(),
  additionalProperties: z.literal(false).default(false),
})
const arrayKnob = z.strictObject({
  ...common,
  type: z.literal('array'),
  items: z.discriminatedUnion('type', [...scalarKnobs, objectKnob]),
  minItems: z.int().min(0).optional(),
  maxItems: z.int().min(0).optional(),
})

const knobName = z.string().regex(/^[a-z][a-z0-9_]*$/, 'must be lower case: letters, digits and "_"')

const knobs = z.strictObject({
  type: z.literal('object').default('object'),
  description: common.description,
  properties: z
    .record(knobName, z.discriminatedUnion('type', [...scalarKnobs, arrayKnob, objectKnob]))
    .refine(all => Object.keys(all).length <= limits.knobsMax, 'has too many'),
  required: z.array(z.string()).default([]),
})

/** How a client of a token endpoint shows who it is (RFC 6749, section 2.3.1). */
const clientAuth = z.enum(['basic', 'post']).default('basic')
const scopes = z.array(text(255)).max(limits.scopesMax).default([])

const auth = z.strictObject({
  none: z.strictObject({}).optional(),
  bearer: z.strictObject({}).optional(),
  /** A header of one's own. Without a name here it is said when the credentials are. */
  header: z.strictObject({ name: headerName().optional(), prefix: z.string().max(64).default('') }).optional(),
  basic: z.strictObject({}).optional(),
  /** OAuth 2 client credentials (RFC 6749, section 4.4). */
  'client-credentials': z.strictObject({ token_url: template(), scopes, client_auth: clientAuth }).optional(),
  /** OAuth 2 authorization code with PKCE (RFC 7636), by `postern connector connect`. */
  oauth: z
    .strictObject({
      authorization_url: template(),
      token_url: template(),
      scopes,
      client_auth: clientAuth,
      /** Further parameters of the authorization request, such as `access_type: offline`. */
      parameters: z.record(text(255), template()).default({}),
    })
    .optional(),
})

export const connectorDocument = z.strictObject({
  name: slug(),
  description: text(sourceLimits.textMaxBytes, true).optional(),
  auth: auth.refine(kinds => Object.keys(kinds).length > 0, 'needs at least one of its kinds; none is one'),
  /** Requests go to it and below it alone. */
  base_url: template().optional(),
  /** What its own API allows; pacing keeps under it. */
  rate_limit: z
    .strictObject({
      requests_per_minute: z.int().min(1).max(limits.requestsPerMinuteMax),
      concurrent: z.int().min(1).max(100).default(2),
    })
    .optional(),
  /** Hosts that may be reached besides that of base_url and of the token endpoint; a template that gives an address counts by its host. */
  hosts: z.array(template()).max(limits.hostsMax).default([]),
  /** Whether they may be on this machine or in private networks. */
  private_hosts: z.boolean().default(false),
  loader: z.enum(['rest', 'postgres', 'file', 'script']).default('rest'),
  knobs: knobs.prefault({ properties: {} }),
  /** Knobs that decide where credentials go: the operator's, set with the connector and not for a pipeline. */
  fixed: z.array(z.string()).default([]),
  entities: z
    .record(slug(), z.strictObject(sourceShape))
    .refine(all => Object.keys(all).length <= limits.entitiesMax, 'has too many')
    .default({}),
})

export type ConnectorDocument = z.output<typeof connectorDocument>

function headerName() {
  // RFC 9110, section 5.6.2
  return z.string().regex(/^[!#$%&'*+.^_`|~\w-]{1,100}$/, 'is no name of a header')
}

function isPattern(pattern: string): boolean {
  try {
    new RegExp(pattern, 'u')
    return true
  } catch {
    return false
  }
}
