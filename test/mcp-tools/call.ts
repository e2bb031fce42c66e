/** Calls of tools as the server makes them, from the name and the arguments to the envelope. */
import { randomBytes, randomUUID } from 'node:crypto'
import { encode } from 'gpt-tokenizer/encoding/o200k_base'
import { expect } from 'vitest'
import type { z } from 'zod'
import type { Principal } from '../../src/identity/principal.ts'
import { type CallRequest, Calls } from '../../src/mcp/calls.ts'
import type { Tool, ToolContext } from '../../src/mcp/tool.ts'
import type { World } from './world.ts'

export interface Told<Data> {
  readonly data: Data
  readonly text: string
  readonly warnings: readonly string[]
  readonly structured: Record<string, unknown>
}

export interface ToldError {
  readonly code: string
  readonly sqlstate: string
  readonly message: string
  readonly hint: string | undefined
  readonly text: string
}

export type Options = Partial<Pick<CallRequest, 'meta' | 'signal' | 'endedBy' | 'progress'>>

export class Caller {
  readonly #calls: Calls
  readonly #principal: Principal

  constructor(world: World, principal: Principal, tools: readonly Tool[]) {
    this.#principal = principal
    const { control, records, services } = world
    this.#calls = new Calls({
      services,
      tools,
      control: control.service,
      audit: { append: record => void records.push(record), flush: () => {}, healthy: true },
      log: silent,
      cursorKey,
      confirmationKey: cursorKey,
    })
  }

  /** An answer; its data is what the tool's output schema says, and the text is on hand. */
  async ask<Output extends z.ZodObject>(
    tool: Tool<z.ZodObject, Output>,
    args: Record<string, unknown> = {},
    o: Options = {},
  ): Promise<Told<z.output<Output>>> {
    const { structured, text, isError } = await this.#calls.call(this.#request(tool.name, args, o))
    expect(isError, text).toBe(false)
    const sent = JSON.parse(JSON.stringify(structured))
    return { data: tool.output.parse(sent.data), text, warnings: sent.warnings, structured: sent }
  }

  /** A refusal. */
  async fail(tool: Tool, args: Record<string, unknown> = {}, o: Options = {}): Promise<ToldError> {
    const { structured, text, isError } = await this.#calls.call(this.#request(tool.name, args, o))
    expect(isError, text).toBe(true)
    const { error } = JSON.parse(JSON.stringify(structured))
    return { ...error, text }
  }

  /** For what is no tool. */
  async context(target: ToolContext['target'] = { database: undefined, schema: undefined }): Promise<ToolContext> {
    return { ...(await this.#calls.contextFor(this.#request('resources/read', {}, {}))), target }
  }

  #request(name: string, args: Record<string, unknown>, o: Options): CallRequest {
    const caller = {
      principal: this.#principal,
      address: 'test',
      session: randomUUID(),
      applicationName: 'test',
      sinceMs: 0,
    }
    return {
      ...{ name, args, caller, canAsk: false, reply: undefined },
      meta: o.meta ?? metaOf({}),
      signal: o.signal ?? new AbortController().signal,
      endedBy: o.endedBy ?? (() => undefined),
      progress: o.progress,
    }
  }
}

const cursorKey = randomBytes(32)
const silent = {
  error: (fields: object) => console.error(fields),
  warn: () => {},
  info: () => {},
  debug: () => {},
  child: () => silent,
}
export function metaOf(named: Partial<CallRequest['meta']>): CallRequest['meta'] {
  return {
    tenant: undefined,
    database: undefined,
    schema: undefined,
    authorization: undefined,
    traceId: undefined,
    ...named,
  }
}

export function tokens(text: string): number {
  return encode(text).length
}
