import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { connectWithChannels } from '../fixtures/channel-client.ts'
import { startGuest } from '../fixtures/guest.ts'
import { SAMPLES, startSoundServer, type TestSoundServer } from '../fixtures/sound-server.ts'
import { until } from '../fixtures/world.ts'
import { openScreen } from '../fixtures/x-screen.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { load, median, print } from './figures.ts'

/**
 * How long a sound takes from a program in a desktop to the client's loudspeaker: through the NX channel and our filter, beside a
 * tunnel sink that speaks to the client's PulseAudio over plain TCP. Both play from the same guest through the
 * same PulseAudio there. Prints; never judges.
 */
const ROUNDS = Number(process.argv[2] ?? 15)
const TCP_PORT = 47_391
const DIRECT = 'direct'
/** Bytes of ten milliseconds. */
const TEN_MS = 441 * 4
/** Between two rounds: both servers are quiet again. */
const QUIET_MS = 1_200

const screen = await openScreen()
process.env['DISPLAY'] = screen.display
const server = await startSoundServer(TCP_PORT)
const guest = await startGuest({ config: ['vma.audio.enable = 1'] })
try {
  const wanted = { printers: [], sound: true, microphone: false } as const
  await connectWithChannels(guest, wanted, server.environment)
  const host = guest.address.replace(/\d+$/, '1')
  await using relay = await relayTcp(host)
  print(`relay for the direct tunnel: ${relay.port}`)
  await until('the sink', () =>
    asAnn('pactl', 'get-default-sink').then(
      (name) => name.trim() === 'QVD_Audio',
      () => false,
    ),
  )
  await asAnn(
    'pactl',
    'load-module',
    'module-tunnel-sink-new',
    `sink_name=${DIRECT}`,
    `server=tcp:${host}:${relay.port}`,
  )
  await until('the direct sink', async () =>
    (await asAnn('pactl', 'list', 'short', 'sinks')).includes(DIRECT),
  )
  print(`load average before: ${load()}`)
  const took: Record<string, number[]> = { QVD_Audio: [], [DIRECT]: [] }
  for (let round = 0; round < ROUNDS; round++)
    for (const [sink, all] of Object.entries(took)) {
      all.push(await latency(sink, server))
      await sleep(QUIET_MS)
    }
  for (const [sink, all] of Object.entries(took)) {
    const sorted = all.toSorted((a, b) => a - b).map((ms) => ms.toFixed(0))
    print(`${sink.padEnd(10)} median ${median(all).toFixed(0)} ms; all: ${sorted.join(' ')}`)
  }
  const ratio = median(took['QVD_Audio'] ?? []) / median(took[DIRECT] ?? [])
  print(`through the channel / direct: ${ratio.toFixed(2)} (to reach: 1.50)`)
  print(`load average after: ${load()}`)
} finally {
  await guest[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await screen[Symbol.asyncDispose]()
}

/** Milliseconds from the moment a program's first samples are written to the moment they are heard. */
async function latency(sink: string, { environment }: TestSoundServer): Promise<number> {
  const listening = ['--device=loudspeaker.monitor', ...SAMPLES, '--latency-msec=5']
  const recorder = spawn('parec', listening, { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
  const heard = Promise.withResolvers<number>()
  let begun = Number.POSITIVE_INFINITY
  recorder.stdout.on('data', (chunk: Buffer) => {
    if (performance.now() > begun && chunk.some((byte) => byte !== 0)) heard.resolve(performance.now())
  })
  await once(recorder.stdout, 'data')
  const player = await startPlayer(sink)
  // It plays silence, so that the stream stands; then comes a loud one.
  const silence = setInterval(() => player.stdin?.write(Buffer.alloc(TEN_MS)), 10)
  await sleep(1_000)
  clearInterval(silence)
  begun = performance.now()
  const loud = Buffer.alloc(TEN_MS * 50)
  for (let at = 0; at < loud.length; at += 2) loud.writeInt16LE((at / 2) % 100 < 50 ? 16_000 : -16_000, at)
  player.stdin?.write(loud)
  try {
    return (await withDeadline('the sound', 10_000, () => heard.promise)) - begun
  } finally {
    await end(player)
    await end(recorder)
  }
}

async function startPlayer(sink: string): Promise<ChildProcess> {
  const argv = ['pacat', '--playback', `--device=${sink}`, ...SAMPLES, '--latency-msec=40']
  const into = ['--target', String(guest.init), '--mount', '--pid', '--net', '--uts', '--ipc', '--']
  const player = spawn('nsenter', [...into, ...(await becomeAnn()), ...argv], {
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  player.stdin.on('error', () => {})
  return player
}

async function becomeAnn(): Promise<string[]> {
  const uid = (await guest.inside('id', '-u', 'ann')).trim()
  const become = ['setpriv', '--reuid=ann', '--regid=ann', '--init-groups', 'env', '-i']
  return [...become, 'HOME=/home/ann', `XDG_RUNTIME_DIR=/run/user/${uid}`, 'PATH=/usr/bin:/bin', 'LC_ALL=C']
}

async function asAnn(...argv: string[]): Promise<string> {
  return await guest.inside(...(await becomeAnn()), ...argv)
}

/** PulseAudio listens on the loopback alone; the guest has a cable to us. A kernel's copy would be faster by microseconds. */
async function relayTcp(host: string): Promise<AsyncDisposable & { port: number }> {
  const port = TCP_PORT + 1
  const ways = [`TCP-LISTEN:${port},bind=${host},fork,reuseaddr,nodelay`, `TCP:127.0.0.1:${TCP_PORT},nodelay`]
  // It has a child for each connection: they end together.
  const socat = spawn('socat', ways, { stdio: 'ignore', detached: true })
  await sleep(500)
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      const gone = once(socat, 'exit')
      if (socat.pid !== undefined && socat.exitCode === null) process.kill(-socat.pid, 'SIGTERM')
      await gone
    },
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}
