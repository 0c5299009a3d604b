import { agentApi } from '@ostler/contract/agent-api.ts'
import { mayFollow, SESSION_STATES } from '@ostler/contract/session.ts'
import { edges, VM_STATES, vmMachine } from '@ostler/proxy/model/vm-machine.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The page of states and procedures, printed from the values that the code itself uses. */
export function statesPage(): string {
  return `# States and procedures

Printed from the code by \`npm run docs\`; a test compares. Do not edit.

## A desktop

\`\`\`mermaid
stateDiagram-v2
  [*] --> stopped
${edges()
  .map(({ from, event, to }) => `  ${from} --> ${to}: ${event}`)
  .join('\n')}
\`\`\`

| state | clients see | deadline |
|---|---|---|
${VM_STATES.map((state) => `| ${state} | ${vmMachine[state].qvd} | ${seconds(vmMachine[state].deadlineMs)} |`).join('\n')}

## A session

| state | may be followed by |
|---|---|
${SESSION_STATES.map((from) => `| ${from} | ${SESSION_STATES.filter((to) => to !== from && mayFollow(from, to)).join(', ')} |`).join('\n')}

## What an agent can be asked

| procedure | callers | waits at most | |
|---|---|---|---|
${Object.entries(agentApi)
  .map(
    ([name, { callers, deadlineMs, summary }]) =>
      `| ${name} | ${callers.join(', ')} | ${seconds(deadlineMs)} | ${summary} |`,
  )
  .join('\n')}

What can fail, with its HTTP status and exit code: [troubleshooting.md](troubleshooting.md).
`
}

function seconds(ms: number | null): string {
  return ms === null ? '–' : `${ms / 1000} s`
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/states.md'), statesPage())
