import { DEFAULT_ENV, run } from '@ostler/kit/run.ts'

/** Where systemd listens for its services; it is not set where nobody waits for us. */
const SOCKET = 'NOTIFY_SOCKET'

/**
 * Tells systemd that this service serves, so that what comes after it may start. Does nothing where no service manager asks.
 * @throws RunError when systemd's program is missing or is not heard.
 */
export async function tellReady(): Promise<void> {
  const socket = process.env[SOCKET]
  if (socket === undefined) return
  // The runtime has no datagram sockets of the file system.
  await run('systemd-notify', ['--ready'], { env: { ...DEFAULT_ENV, [SOCKET]: socket } })
}
