import type { Command } from 'commander'
import { checkMachine } from '../serve/doctor-machine.ts'
import { checkPeers } from '../serve/doctor-peers.ts'
import { checkStores } from '../serve/doctor-stores.ts'
import type { Finding } from '../serve/finding.ts'
import { withStores } from './administer.ts'
import { type Cli, describeCommand, type Run, runCommand } from './command.ts'
import { toFailure } from './failure.ts'

export function doctorCommand(cli: Cli): Command {
  const command = describeCommand(
    'doctor',
    'test everything that a deployment needs, and say how to mend what is missing',
    ['doctor', 'doctor --json'],
  )
  return command.action(() => runCommand(cli, command, doctor))
}

async function doctor(run: Run): Promise<boolean> {
  const findings: Finding[] = [...(await checkMachine(run.config)), ...(await checkPeers(run.config))]
  try {
    findings.push(
      ...(await withStores(run, (stores, administration) => checkStores(run.config, stores, administration))),
    )
  } catch (thrown) {
    const { message, hint } = toFailure(thrown)
    findings.push({ what: 'control database', state: 'fault', found: message, mend: hint })
  }
  run.terminal.answer(findings, () => {
    for (const finding of findings) tell(run, finding)
  })
  return findings.every(finding => finding.state !== 'fault')
}

function tell({ terminal }: Run, { what, state, found, mend }: Finding): void {
  const { style } = terminal
  const mark = { good: style.green('✓'), doubt: style.yellow('!'), fault: style.red('✗') }[state]
  terminal.say(`${mark} ${what}: ${found}`)
  if (state !== 'good' && mend !== undefined) terminal.say(`    ${mend}`)
}
