import { hashPassword, verifyPassword } from '../../proxy/src/auth/password.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { DoorRoom } from '../fixtures/door-room.ts'
import { load, median, print } from './figures.ts'
import { cpuOfTree } from './processes.ts'

/**
 * A storm of password sign-ins, each on a connection of its own, beside somebody who is in: how long her pings take
 * before and during it, and what a sign-in costs beside the bare argon2id of the same password. Prints; never judges.
 */
const LOGINS = Number(process.argv[2] ?? 500)
const ROUNDS = Number(process.argv[3] ?? 3)
const PASSWORD = 'correct horse'
const PING_EVERY_MS = 5

if (process.send !== undefined) await storm(Number(process.argv[2]), Number(process.argv[3]))
else await measure()

async function measure(): Promise<void> {
  const room = await DoorRoom.open({ 'l7r.limit.connections_per_address': '0' })
  try {
    const users = Array.from({ length: LOGINS }, (_, index) => `user${index}`)
    await room.addUsers(users, PASSWORD)
    const { id } = await room.addDesktop('user0', 'desktop')
    const session = await openSession(room.port, id)
    print(`load average before: ${load()}`)
    const quiet = await pingFor(session, sleep(5_000))
    const [during, ratios, rates]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < ROUNDS; round++) {
      const raw = await rawCost()
      const [door, base] = [cpuOfTree(room.workerPid), cpuOfTree(room.postmasterPid)]
      const began = performance.now()
      during.push(...(await pingFor(session, runStorm(room.port))))
      rates.push(LOGINS / ((performance.now() - began) / 1_000))
      const each = (cpuOfTree(room.workerPid) - door) / LOGINS
      ratios.push(each / raw)
      print(
        `round ${round + 1}: ${ms(each)} of CPU a sign-in in the door (raw argon2id ${ms(raw)}: ${(each / raw).toFixed(2)} x), ` +
          `${ms((cpuOfTree(room.postmasterPid) - base) / LOGINS)} in PostgreSQL`,
      )
    }
    session.destroy()
    print(`sign-ins per second: ${rates.map((rate) => rate.toFixed(0)).join(' ')}`)
    print(`CPU of a sign-in / raw argon2id, median: ${median(ratios).toFixed(2)} (to reach: 1.30)`)
    print(
      `ping, quiet:  p50 ${at(quiet, 0.5)} p99 ${at(quiet, 0.99)} max ${at(quiet, 1)} ms (${quiet.length} pings)`,
    )
    print(
      `ping, storm:  p50 ${at(during, 0.5)} p99 ${at(during, 0.99)} max ${at(during, 1)} ms (${during.length} pings)`,
    )
    print(
      `delay at p99: ${(Number(at(during, 0.99)) - Number(at(quiet, 0.99))).toFixed(1)} ms (to reach: 20)`,
    )
    print(`load average after: ${load()}`)
  } finally {
    await room[Symbol.asyncDispose]()
  }
}

/** Runs the storm in a process of its own: its work must not delay the pings of this one. */
async function runStorm(port: number): Promise<void> {
  const child = fork(import.meta.filename, [String(LOGINS), String(port)])
  const failed = await new Promise<number>((resolve, reject) => {
    child.once('message', (count) => resolve(Number(count)))
    child.once('exit', (code) => reject(new Error(`the storm ended with ${code ?? 0}`)))
  })
  if (failed > 0) print(`${failed} of ${LOGINS} sign-ins FAILED: the figures of this round say little`)
}

/** All at once. */
async function storm(logins: number, port: number): Promise<void> {
  const outcomes = await Promise.all(
    Array.from({ length: logins }, (_, index) => signIn(port, `user${index}`)),
  )
  process.send?.(outcomes.filter((ok) => !ok).length, () => process.exit(0))
}

function signIn(port: number, login: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
      socket.write(`GET /qvd/list_of_vm HTTP/1.1\r\n${authorization(login)}\r\n\r\n`),
    )
    socket.once('data', (data: Buffer) => {
      resolve(data.toString('latin1').startsWith('HTTP/1.1 200'))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}

async function openSession(port: number, id: number): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  socket.setNoDelay(true)
  const upgrade = 'Connection: Upgrade\r\nUpgrade: QVD/1.0'
  socket.write(`GET /qvd/connect_to_vm?id=${id} HTTP/1.1\r\n${authorization('user0')}\r\n${upgrade}\r\n\r\n`)
  let said = ''
  while (!said.includes('101 Switching')) said += ((await once(socket)) as Buffer).toString('latin1')
  return socket
}

/** Sends a message through the session and waits for its echo, again and again until something is done. */
async function pingFor(session: TLSSocket, done: Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  const over = new AbortController()
  const end = done.finally(() => over.abort())
  while (!over.signal.aborted) {
    const began = performance.now()
    session.write('ping')
    await once(session)
    times.push(performance.now() - began)
    await sleep(PING_EVERY_MS)
  }
  await end
  return times
}

function once(socket: TLSSocket): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const failed = (): void => reject(new Error('the session ended'))
    socket.once('close', failed)
    socket.once('data', (data) => {
      socket.off('close', failed)
      resolve(data)
    })
  })
}

/** CPU seconds of one verification, as bare as it gets: two at a time, like the door. */
async function rawCost(): Promise<number> {
  const hash = await hashPassword(new Secret(PASSWORD))
  const before = process.cpuUsage()
  const count = 60
  const lane = async (): Promise<void> => {
    for (let i = 0; i < count / 2; i++) await verifyPassword(new Secret(PASSWORD), hash)
  }
  await Promise.all([lane(), lane()])
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6 / count
}

function authorization(login: string): string {
  return `Authorization: Basic ${Buffer.from(`${login}:${PASSWORD}`).toString('base64')}`
}

function at(values: readonly number[], quantile: number): string {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? 0).toFixed(1)
}

function ms(seconds: number): string {
  return `${(seconds * 1_000).toFixed(1)} ms`
}
