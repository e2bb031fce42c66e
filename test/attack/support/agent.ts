/** An agent that hands a text to the MCP tool `query`, as the server carries its calls out. */
import { randomBytes, randomUUID } from 'node:crypto'
import pg from 'pg'
import { createParser, type Parser } from '../../../src/guard/parse.ts'
import { Calls } from '../../../src/mcp/calls.ts'
import type { ToolServices } from '../../../src/mcp/tool.ts'
import { queryTool } from '../../../src/mcp/tools/query.ts'
import type { Served } from '../../support/served.ts'

export class Agent {
  private readonly served: Served
  private readonly parser: Parser
  private readonly calls: Calls
  /** The tool under attack needs none of the control database. */
  private readonly control = new pg.Pool({ max: 0 })

  private constructor(served: Served, parser: Parser) {
    this.served = served
    this.parser = parser
    const services: Partial<ToolServices> = {
      directory: { all: () => [served.database], find: () => served.database },
      callers: served.callers('mcp'),
      limiter: { take: () => undefined, setOverrides: () => {}, close: async () => {} },
      limits: { rowsDefault: 500, rowsMax: 10_000, resultMaxBytes: 256 * 1024, cellMaxBytes: 8 * 1024 },
      parse: text => parser.parseNow(text),
      now: Date.now,
    }
    const key = randomBytes(32)
    this.calls = new Calls({
      services: services as ToolServices,
      tools: [queryTool],
      control: this.control,
      audit: { append: record => void served.records.push(record), flush: () => {}, healthy: true },
      log: { error: () => {}, warn: () => {}, info: () => {}, debug: () => {}, child: () => this.silent },
      cursorKey: key,
      confirmationKey: key,
    })
  }

  private readonly silent = {
    error: () => {},
    warn: () => {},
    info: () => {},
    debug: () => {},
    child: () => this.silent,
  }

  static async open(served: Served): Promise<Agent> {
    return new Agent(served, await createParser())
  }

  /** All that the agent is told. */
  async ask(sql: string): Promise<{ readonly told: string; readonly failed: boolean }> {
    const { structured, text, isError, meta } = await this.calls.call({
      name: 'query',
      args: { sql },
      meta: { tenant: undefined, database: undefined, schema: undefined, traceId: undefined, authorization: undefined },
      caller: {
        principal: this.served.principal,
        sinceMs: performance.now(),
        address: 'local',
        session: randomUUID(),
        applicationName: 'attack',
      },
      signal: new AbortController().signal,
      endedBy: () => undefined,
      progress: undefined,
      canAsk: false,
      reply: undefined,
    })
    return { told: `${JSON.stringify(structured)}\n${text}\n${JSON.stringify(meta)}`, failed: isError }
  }

  async close(): Promise<void> {
    await this.parser.close()
    await this.control.end()
  }
}
