import type { AgentHandlers } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { generateKeyPairSync } from 'node:crypto'
import type { EnrolledIdentity } from './enrol.ts'

/** Lets hkd renew the agent's certificate over the channel that the present one protects. The new key, too, stays in memory. */
export class Renewal {
  /** Presents a new identity to callers. */
  present: (identity: EnrolledIdentity) => void = () => {
    throw new Fault('server.stopping')
  }
  readonly #log: Log
  #next: ReturnType<typeof makeKey> | undefined

  constructor(log: Log) {
    this.#log = log
  }

  readonly calls: Pick<AgentHandlers, 'renew_key' | 'renew_certificate'> = {
    renew_key: () => {
      this.#next = makeKey()
      const publicKey = this.#next.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
      return Promise.resolve({ publicKey })
    },
    renew_certificate: (signed) => {
      if (this.#next === undefined)
        throw new Fault('request.invalid', { problem: 'no key waits for a certificate' })
      this.present({ ...signed, key: this.#next.privateKey.export({ type: 'pkcs8', format: 'pem' }) })
      this.#next = undefined
      this.#log.info('certificate renewed')
      return Promise.resolve({})
    },
  }
}

function makeKey() {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}
