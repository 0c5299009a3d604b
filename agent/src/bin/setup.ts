import { Fault, lastSentence } from '@ostler/contract/fault.ts'
import { run } from '@ostler/kit/run.ts'
import { runMain } from '@ostler/kit/service.ts'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { setUp, takeDown } from '../platform/windows/setup.ts'
import { WindowsTools } from '../platform/windows/tools.ts'

/** What the installer for Windows calls: `setup up|down --data FOLDER [--port PORT] [--firewall 0|1]`. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      data: { type: 'string', default: '' },
      port: { type: 'string', default: '' },
      firewall: { type: 'string', default: '1' },
    },
  })
  const [verb] = positionals
  if ((verb !== 'up' && verb !== 'down') || values.data === '')
    throw new Fault('config.invalid', {
      problems: 'the installer calls this program, and says what to do where',
    })
  const tools = new WindowsTools(run, process.env)
  const parts = { tools, data: resolve(values.data), program: process.execPath }
  if (verb === 'up') await setUp(parts, { port: values.port, firewall: values.firewall !== '0' })
  else await takeDown(parts)
}

runMain(main, lastSentence)
