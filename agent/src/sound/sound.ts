import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Observable } from '@ostler/kit/observable.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { connect } from 'node:net'
import type { AgentValues } from '../config/options.ts'
import type { SessionRequest } from '../desktop/request.ts'
import { WhileConnected } from '../desktop/while-connected.ts'
import type { AsUser } from '../platform/linux/as-user.ts'
import { SoundServer } from './sound-server.ts'

const MEDIA_BASE_PORT = 7_000
const CHANNEL_MS = 20_000
const AGAIN_MS = 250

export interface SoundParts {
  readonly config: () => AgentValues
  readonly news: Observable<SessionEvent>
  /** What the present session was opened with, and whose it is; `undefined` without a session. */
  readonly request: () => SessionRequest | undefined
  readonly account: () => Account | undefined
  readonly asUser: AsUser
  readonly log: Log
}

/**
 * Joins the user's sound server in the desktop to the one of her client while she is connected (compatibility page 4.5). It never
 * stops a session: what fails is in the log.
 */
export function followSound({ config, news, request, account, asUser, log }: SoundParts): AsyncDisposable {
  const server = new SoundServer(config, asUser)
  const following = new WhileConnected(news, {
    begin: async (signal) => {
      const [user, wanted] = [account(), request()]
      if (!config()['vma.audio.enable'] || user === undefined || wanted === undefined) return
      if (!wanted.policy.audio || !wanted.sound.play) return
      const port = MEDIA_BASE_PORT + config()['internal.nxagent.display']
      const opens = (): Promise<boolean> => accepts(port)
      if (!(await comesToHold(() => signal.aborted || opens(), CHANNEL_MS, AGAIN_MS)))
        return void log.info('the client has no sound')
      signal.throwIfAborted()
      await server.ensureRunning(user, signal)
      await server.leave(user) // what an agent left that was killed has lost its client
      await server.join(user, port, wanted.sound.microphone, signal)
      log.info('sound goes to the client', { microphone: wanted.sound.microphone })
    },
    end: async () => {
      const user = account()
      if (config()['vma.audio.enable'] && user !== undefined) await server.leave(user)
    },
    complain: (error) => log.warn('the sound of the client is not in order', { error }),
  })
  const unsubscribe = news.subscribe(({ state }) => {
    if (state === 'stopped') server.stop()
  })
  return {
    [Symbol.asyncDispose]: async () => {
      unsubscribe()
      await following[Symbol.asyncDispose]()
    },
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    const end = (came: boolean) => (): void => {
      socket.destroy()
      resolve(came)
    }
    socket.once('connect', end(true))
    socket.once('error', end(false))
  })
}
