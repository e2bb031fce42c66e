/** The screen of `postern up` when everything stands. */
import type { DemoEnv } from '../serve/demo-env.ts'
import type { Serving } from '../serve/doors.ts'
import type { Run } from './command.ts'

export function welcome(run: Run, serving: Serving, env: DemoEnv | undefined): void {
  const { terminal, config } = run
  const { style } = terminal
  const databases = serving.databases.all().map(served => ({
    tenant: served.row.tenantName,
    database: served.alias,
    name: served.name,
    refusal: served.refusal()?.message ?? null,
    ...served.proof(),
  }))
  const { host } = config.gateway
  const mcp = serving.mcp === undefined ? null : (config.mcp.publicUrl ?? serving.mcp.url)
  terminal.answer(
    {
      host,
      port: serving.gateway.port,
      mcp,
      demoEnv: env === undefined ? null : `${config.dataDir}/demo.env`,
      databases,
    },
    () => {
      terminal.say('')
      for (const one of databases) {
        const name = `${one.tenant}/${one.database}`
        if (one.refusal !== null) terminal.say(style.red(`  ✗ ${name}: ${one.refusal}`))
        else if (one.held === 0)
          terminal.say(style.yellow(`  ? ${name}: cannot be reached now; it is tried again when somebody asks for it`))
        else terminal.say(`  ${style.green('✓')} ${name}: attacked through its own login, all ${one.held} locks hold`)
      }
      if (databases.length === 0) terminal.say('  No database yet: npx postern database add --help')
      if (env !== undefined) sayDemo(run, env)
      else if (mcp !== null) terminal.say(`  Agents (MCP): ${mcp}, with an API key: npx postern key add --help`)
      const { rowsMax, statementTimeoutMs } = config.limits
      terminal.say('')
      terminal.say(
        `  Limits: ${rowsMax.toLocaleString('en')} rows and ${config.limits.bytesMax / 1024 ** 2} MiB a statement, ${statementTimeoutMs / 1000} s; read only, always.`,
      )
      terminal.say(
        `  Log: ${config.log.file ?? `${config.dataDir}/postern.log`}    Administration: npx postern --help    Stop: Ctrl-C`,
      )
    },
  )
}

function sayDemo({ terminal, config }: Run, env: DemoEnv): void {
  const { style } = terminal
  const say = (text: string) => terminal.say(text)
  say('')
  say('  Copy this into another terminal:')
  say('')
  say(
    style.bold(
      `    psql "host=${env.PGHOST} port=${env.PGPORT} user=${env.PGUSER} dbname=${env.PGDATABASE} password=${env.PGPASSWORD}"`,
    ),
  )
  say('')
  say(`  or:  set -a; . ${config.dataDir}/demo.env; set +a; psql`)
  say('')
  say('  Agents (MCP): configuration for Claude, Cursor and VS Code lies in')
  say(`    ${config.dataDir}/mcp/`)
  say('  or, for Claude Code, with the values of demo.env:')
  say(
    style.bold(
      `    claude mcp add --transport http postern ${env.POSTERN_MCP_URL} --header "Authorization: Bearer $POSTERN_MCP_TOKEN"`,
    ),
  )
  say('')
  say('  Then try, in psql:')
  say('    \\d                                                      the tables of a little company')
  say('    select country, count(*) from customers group by 1 order by 2 desc limit 5;')
  say('    delete from customers;                                  refused, and the connection lives on')
  say('    select * from order_items;                              cut off exactly at the limit')
  say("    select datname from pg_database;                        this tenant's own, and no other")
}
