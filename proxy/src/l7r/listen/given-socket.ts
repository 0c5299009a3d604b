import { Fault } from '@ostler/contract/fault.ts'

/** Where the first socket stands that a service manager has opened (sd_listen_fds(3)). */
const FIRST_FD = 3

/**
 * The listening socket that a service manager gave to this process; `undefined` without one. What says so is taken
 * out of the environment: it is not meant for children.
 *
 * @param pid of this process: a socket for another one is none for us.
 * @throws Fault `config.invalid` when there is not exactly one.
 */
export function takeGivenSocket(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const { LISTEN_PID: forWhom, LISTEN_FDS: count } = env
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'LISTEN_PIDFDID'])
    Reflect.deleteProperty(env, name)
  if (count === undefined || forWhom !== String(pid)) return undefined
  if (count !== '1')
    throw new Fault('config.invalid', {
      problems: `LISTEN_FDS is ${count}: the door takes one socket, with one ListenStream= in its socket unit`,
    })
  return FIRST_FD
}
