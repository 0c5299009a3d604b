import { loopbackPeer } from '@ostler/kit/loopback-peer.ts'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net'
import { Transform, type TransformCallback } from 'node:stream'
import { PulseFrames } from './pulse-frames.ts'
import { pulsePolicy, type SoundGrant } from './pulse-policy.ts'

/** A way from a desktop to the user's sound server, for one connection. */
export interface SoundDoorSettings extends SoundGrant {
  readonly pulse: NetConnectOpts
}

/** More connections than a desktop's sound server makes. */
const CONNECTIONS = 16

/** The way, while it is open. */
export interface SoundDoor extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number
}

/**
 * Lets a desktop play on the user's sound server, and nothing else (docs/decisions/0055). nxproxy takes no unix socket for
 * sound, so it is a port, which programs of this user alone may use.
 */
export async function openSoundDoor(settings: SoundDoorSettings): Promise<SoundDoor> {
  const open = new Set<Socket>()
  const mine = process.getuid?.()
  const server = createServer((desktop) => {
    if (mine !== undefined && loopbackPeer(desktop) !== mine) return void desktop.destroy()
    const pulse = connect(settings.pulse)
    const end = (): void => {
      for (const socket of [desktop, pulse]) {
        socket.destroy()
        open.delete(socket)
      }
    }
    for (const socket of [desktop, pulse]) {
      socket.setNoDelay(true)
      open.add(socket)
      socket.on('error', end)
      socket.once('close', end)
    }
    carry(desktop, pulse, settings, end)
  })
  server.maxConnections = CONNECTIONS
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

function carry(desktop: Socket, pulse: Socket, grant: SoundGrant, end: () => void): void {
  const judge = pulsePolicy(grant)
  // Whole frames only, so that an answer of ours never falls into one of the server's.
  const answers = inFrames((frames) => frames.map(({ bytes }) => bytes))
  const requests = inFrames((frames) =>
    frames.flatMap((frame) => {
      const verdict = judge(frame)
      if ('pass' in verdict) return [verdict.pass]
      answers.push(verdict.refuse)
      return []
    }),
  )
  for (const stream of [requests, answers]) stream.on('error', end)
  desktop.pipe(requests).pipe(pulse)
  pulse.pipe(answers).pipe(desktop)
}

function inFrames(through: (frames: ReturnType<PulseFrames['take']>) => readonly Buffer[]): Transform {
  const frames = new PulseFrames()
  return new Transform({
    transform(chunk: Buffer, _, done: TransformCallback) {
      try {
        for (const bytes of through(frames.take(chunk))) this.push(bytes)
        done()
      } catch (error) {
        done(error as Error)
      }
    },
  })
}
