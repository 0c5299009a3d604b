import { HOP_NAME, HOP_PROTOCOL } from '@ostler/proxy/l7r/hop/hop-words.ts'
import { digestOf } from '@ostler/proxy/model/ticket-text.ts'
import { addTicket } from '@ostler/proxy/store/tickets.ts'
import { run } from '@ostler/kit/run.ts'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { logLines, openRfb } from '../fixtures/door.ts'
import { NodeDatabase } from '../fixtures/node-database.ts'
import { startWorld, type World } from '../fixtures/world.ts'

/** Who must not reach the display of a desktop, on every way that there is to it. */
let world: World
let database: NodeDatabase
let ann: { id: number; address: string }
let eve: number

beforeAll(async () => {
  // The fence keeps desktops from all of this (fence.test.ts): here is what holds behind it.
  world = await startWorld({ 'l7r.address': '*', 'internal.vm.network.firewall.enable': '0' })
  database = world.scope.own(new NodeDatabase(world))
  for (const login of ['ann', 'eve']) {
    const client = await openRfb(world, login, await world.addUser(login))
    await client.greeting
    client.close()
  }
  ann = await world.vm('ann')
  eve = (await world.vm('eve')).id
})
afterAll(async () => await world[Symbol.asyncDispose]())

/** Runs a program as somebody; returns what it printed, and whether it failed. */
type Person = (argv: readonly string[]) => Promise<{ ok: boolean; said: string }>

async function outcome(what: Promise<string>): Promise<{ ok: boolean; said: string }> {
  return await what.then(
    (said) => ({ ok: true, said }),
    (error: unknown) => ({ ok: false, said: String(error) }),
  )
}

const PEOPLE: Readonly<Record<string, Person>> = {
  'root of another desktop': (argv) => outcome(world.inside(eve, argv)),
  'a user of another desktop': (argv) =>
    outcome(world.inside(eve, ['/sbin/runuser', '-u', 'eve', '--', ...argv])),
  'an ordinary user of the node': (argv) => {
    const drop = ['--reuid=65534', '--regid=65534', '--clear-groups', '--']
    return outcome(run('setpriv', [...drop, ...argv], { timeoutMs: 30_000 }).then(({ stdout }) => stdout))
  },
}

/** Connects to a port and says what came. */
const CALL = (host: string, port: number): readonly string[] => [
  ...['timeout', '10', 'bash', '-c'],
  `exec 5<>/dev/tcp/${host}/${port} && head -c 12 <&5`,
]
/** Speaks TLS and sends what comes from a file, as a door of another node would. */
const HOP = (host: string, ticket: Buffer): readonly string[] => [
  ...['timeout', '10', 'bash', '-c'],
  `(printf '${[...ticket].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'; sleep 3) |
    openssl s_client -quiet -connect ${host}:${world.port} -servername ${HOP_NAME} -alpn ${HOP_PROTOCOL} | od -An -tx1`,
]

describe.each(Object.entries(PEOPLE))('%s', (_, person) => {
  test('cannot open the unix socket of the display', async () => {
    const socket = join(world.node.settings.folder, 'run/desktops', String(ann.id), 'display/rfb.sock')
    const connect = `use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "none";
      connect($s, sockaddr_un("${socket}")) or die "refused: $!"; print "open"`
    const { ok, said } = await person(['perl', '-e', connect])
    expect({ ok, said }).toEqual({
      ok: false,
      said: expect.stringMatching(/refused: (Perm|No such)/) as string,
    })
  })

  test.each([4100, 5900, 5901, 6000, 6001, 6010])('finds nothing at port %i of the desktop', async (port) => {
    const { ok, said } = await person(CALL(ann.address, port))
    expect({ ok, said }).toEqual({ ok: false, said: expect.stringMatching(/refused/i) as string })
  })

  test("gets nothing from the agent's port without a certificate", async () => {
    const curl = ['curl', '--silent', '--show-error', '--insecure', '--max-time', '10']
    const url = `https://${ann.address}:3030/vma/x_start`
    const { ok, said } = await person([...curl, '-X', 'POST', '-d', '{}', url])
    expect({ ok, said }).toEqual({
      ok: false,
      said: expect.stringMatching(/certificate required|alert|SSL/i) as string,
    })
  })

  test('gets no hop from the door, not even with a good ticket', async () => {
    const ticket = randomBytes(32)
    const { epoch } = await database.db
      .selectFrom('vm')
      .select('epoch')
      .where('id', '=', ann.id)
      .executeTakeFirstOrThrow()
    await addTicket(database.db, {
      digest: digestOf(ticket),
      kind: 'hop',
      vmId: ann.id,
      epoch,
      by: 'elsewhere/1',
      detail: { socket: 'rfb' },
      seconds: 60,
    })
    const refusals = () =>
      logLines(world.node.output('l7r')).filter(({ message }) => message === 'hop refused')
    const before = refusals().length
    const gateway = `10.3.${world.node.settings.subnet}.1`
    const { said } = await person(HOP(gateway, ticket))
    expect(said).not.toMatch(/^ 00 00/m)
    expect(refusals().slice(before)).toMatchObject([{ reason: 'no certificate' }])
  })
})
