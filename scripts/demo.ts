import { takePidFile } from '@ostler/kit/pid-file.ts'
import { apiClient } from '@ostler/qa/api-client.ts'
import { type Console, runCommand } from '@ostler/qa/commands.ts'
import { Fault, lastSentence } from '@ostler/contract/fault.ts'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { LocalNode, removeLocalNode } from './local-node.ts'

const FOLDER = '/var/lib/ostler-demo'
const PID_FILE = '/run/ostler-demo.pid'
const USAGE = `usage: npm run demo [-- --listen ADDRESS --port PORT]

Starts a whole node on this machine with one user and one desktop, until you press Ctrl-C.
  --listen ADDRESS   where the door listens (127.0.0.1)
  --port PORT        its port (8443)`
const ANSWER_MS = 60_000

const began = performance.now()

function step(text: string): void {
  console.log(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`)
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      listen: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8443' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (options.help) return void console.log(USAGE)
  if (process.getuid?.() !== 0) throw new Fault('node.notRoot', { program: 'the demo' })
  const pidFile = takePidFile(PID_FILE)
  if ('holder' in pidFile) throw new Fault('node.running', { program: 'the demo', pid: pidFile.holder.pid })
  using _ = pidFile.taken

  // Waiting for a signal alone does not keep a process alive.
  const alive = setInterval(() => {}, 60_000)
  const interrupted = new Promise<'interrupted'>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => resolve('interrupted'))
  })
  try {
    if (existsSync(FOLDER)) {
      step('removing what an earlier demo left')
      await removeLocalNode(FOLDER)
    }
    const address = options.listen
    const outcome = await Promise.race([open(address, Number(options.port)), interrupted])
    if (outcome !== 'interrupted') {
      console.log(outcome)
      await interrupted
    }
  } finally {
    clearInterval(alive)
    step('stopping: the desktop, the services, the database')
    await removeLocalNode(FOLDER)
    step('everything is removed')
  }
}

/** Brings the node up and returns what the visitor needs to know. */
async function open(address: string, port: number): Promise<string> {
  step('preparing the node')
  const settings = { folder: FOLDER, port, address, bridge: 'ostler-demo', subnet: 15, prefix: 'odemo-' }
  const node = await LocalNode.make(settings)
  step('starting housekeeping and its private PostgreSQL')
  await node.start('hkd')
  step('starting the door and the api')
  await Promise.all([node.start('l7r'), node.start('api')])
  step('creating user demo and a desktop')
  const password = randomBytes(6).toString('base64url')
  const qa = administrator(node.apiSocket, password)
  await qa('user add login=demo password=-')
  await qa('osf add name=instant memory=1024 cpus=2')
  await qa('di add name=this-machine osf=instant kind=instant')
  await qa('vm add name=demo user=demo osf=instant')
  step('starting the desktop')
  await qa('vm start -f name=demo')
  await untilRunning(node)
  step('the desktop answers')
  return `
  In a browser:   https://${address === '0.0.0.0' ? 'localhost' : address}:${port}/
                  (its certificate is made by itself, so the browser warns once)
  Natively:       npm run ostler -- connect ${address} --port ${port} --user demo
  User:           demo
  Password:       ${password}

  Administer it:  OSTLER_API_SOCKET=${node.apiSocket} npm run qa -- vm list
  Press Ctrl-C to stop; the demo and everything in it is then removed.
`
}

/** Runs `qa` commands against the demo's api; their output is not shown. */
function administrator(socket: string, password: string): (command: string) => Promise<void> {
  const out: Console = { print: () => {}, readInput: () => Promise.resolve(password) }
  return (command) => runCommand(command.split(' '), apiClient(socket), out)
}

async function untilRunning(node: LocalNode): Promise<void> {
  const api = apiClient(node.apiSocket)
  for (let waited = 0; waited < ANSWER_MS; waited += 50) {
    const [vm] = (await api.get('/v1/desktops')) as { state: string; fault: string | null }[]
    if (vm?.state === 'running') return
    if (vm?.state === 'failed') throw new Fault('desktop.startFailed', { reason: vm.fault ?? 'unknown' })
    await sleep(50)
  }
  throw new Fault('desktop.startTimeout')
}

main().catch((error: unknown) => {
  const { sentence, exitCode } = lastSentence(error)
  console.error(error instanceof Fault ? sentence : error instanceof Error ? error.message : String(error))
  process.exitCode = error instanceof Fault ? exitCode : 1
})
