import { AGENT_OPTIONS } from '@ostler/agent/config/options.ts'
import { mountFolder } from '@ostler/agent/folders/fuse-mount.ts'
import { SlaveChannel } from '@ostler/agent/slave/slave-channel.ts'
import { foldersOnFirstUse, mountShareIn } from '@ostler/agent/wiring/folders.ts'
import { type ClientSide, openClientSide } from '@ostler/client/slave/client-side.ts'
import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import { askSlave, type SlaveCall, type SlaveReply } from '@ostler/contract/slave-call.ts'
import { parsePorts } from '@ostler/contract/slave-port-list.ts'
import { loadConfig } from '@ostler/kit/config.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { Observable } from '@ostler/kit/observable.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectNxPair, type NxPair } from '../fixtures/nx-pair.ts'
import { asUserInRoom } from '../fixtures/folder-room.ts'

export const KEY = 'Ab0'.repeat(21) + 'z'
const CARRIER = join(import.meta.dirname, '../../build/agent/ostler-slave')

/** Both ends of a slave channel over a real nxagent and a real nxproxy, without an agent or a door around them. */
export interface ChannelRoom extends AsyncDisposable {
  /** What belongs to the guest's user, and what to the client's; both in a folder that goes with the room. */
  readonly guestHome: string
  readonly clientHome: string
  readonly client: ClientSide
  /** Where a share is mounted, under `~/Redirected`'s own name for it. */
  readonly point: (name: string) => string
  readonly pair: NxPair
  /** The parameters of the session; may be changed. */
  readonly parameters: Map<string, string>
  readonly news: Observable<SessionEvent>
  /** A port of loopback that echoes, and may be reached from both sides; and one that may be, and does not answer. */
  readonly echo: number
  readonly closed: number
  /** The agent's sockets. */
  readonly sockets: { readonly slave: string; readonly open: string }
  /** What programs were started with to open or attach something, in order: a line for each. */
  opened(): string[]
  /** A raw stream to the guest's end through nxproxy, and to the client's through nxagent. */
  readonly toGuest: () => Promise<Socket>
  readonly toClient: () => Promise<Socket>
  /** A call of the guest to the client, with any key. */
  readonly askClient: (call: SlaveCall, key?: string) => Promise<SlaveReply>
  readonly askGuest: (call: SlaveCall, key?: string) => Promise<SlaveReply>
}

export async function openChannelRoom(): Promise<ChannelRoom> {
  const scope = new Scope()
  try {
    return await open(scope)
  } catch (error) {
    await scope.close()
    throw error
  }
}

async function open(scope: Scope): Promise<ChannelRoom> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-slave-'))
  scope.defer(() => rmSync(folder, { recursive: true, force: true }))
  const place = (name: string): string => {
    mkdirSync(join(folder, name))
    return join(folder, name)
  }
  const [guestHome, clientHome, run, private_] = [
    place('guest'),
    place('client'),
    place('run'),
    place('private'),
  ]
  const { opener, opened } = recorder(folder)
  const echo = await echoPort(scope)
  const closed = await closedPort()
  const parameters = new Map([['qvd.slave.key', KEY]])
  const news = new Observable<SessionEvent>({ state: 'connected', session: 1 })
  const account = { name: `slave${process.pid}`, uid: 0, gid: 0, home: guestHome, shell: '/bin/sh' }
  scope.defer(() => rmSync(join(mountFolder(account), '..'), { recursive: true, force: true }))
  const sockets = { slave: join(run, 'slave.sock'), open: join(run, 'open.sock') }
  const ports = `${echo},${closed}`
  const client = scope.own(
    await openClientSide(
      private_,
      new Secret(KEY),
      {
        ports: (port) => parsePorts(ports).has(port),
        forwards: [],
        isNeeded: true,
        open: { links: true, documents: true, extensions: ['pdf', 'txt'], program: opener },
      },
      () => {},
    ),
  )
  const environment = { NX_SLAVE_CMD: CARRIER, OSTLER_SLAVE_SOCKET: sockets.slave }
  const pair = scope.own(await connectNxPair(environment, client))
  const overrides = {
    'internal.nxagent.display': String(pair.display),
    'vma.slave.forward.ports': ports,
    'vma.slave.command.qvd-vma-slaveserver-usbip': opener,
    'command.open_file': opener,
  }
  const config = loadConfig(AGENT_OPTIONS, [], overrides).values
  const session = {
    news,
    account,
    get pairs() {
      return [...parameters]
    },
  }
  const parts = { session, config: () => config, asUser: asUserInRoom, log: silentLog }
  const mountShare = mountShareIn(foldersOnFirstUse(parts, scope))
  const channel = scope.own(new SlaveChannel({ ...parts, mountShare, sockets }))
  await channel.listenFor(account)
  const [guestSocket = ''] = client.options.map((option) => option.replace('slave=unix:', ''))
  const toGuest = (): Promise<Socket> => connected(scope, connect({ path: guestSocket, allowHalfOpen: true }))
  const toClient = (): Promise<Socket> =>
    connected(scope, connect({ host: '127.0.0.1', port: 11_000 + pair.display, allowHalfOpen: true }))
  const asker =
    (reach: () => Promise<Socket>) =>
    async (call: SlaveCall, key = KEY): Promise<SlaveReply> =>
      await askSlave(await reach(), new Secret(key), call)
  return {
    ...{ guestHome, clientHome, client, pair, parameters, news, echo, closed, sockets, opened },
    ...{
      point: (name) => join(mountFolder(account), name),
      toGuest,
      toClient,
      askGuest: (call, key = KEY) => (key === KEY ? client.guest.ask(call) : asker(toGuest)(call, key)),
      askClient: asker(toClient),
    },
    [Symbol.asyncDispose]: () => scope.close(),
  }
}

/** A program that notes its arguments, and the first line of what it is given. */
function recorder(folder: string): { opener: string; opened: () => string[] } {
  const [opener, record] = [join(folder, 'opener'), join(folder, 'opened')]
  writeFileSync(record, '')
  writeFileSync(
    opener,
    `#!/bin/sh\n[ $# = 0 ] && read -r line\nprintf '%s\\n' "\${1:-read $line}" >>${record}\n[ $# = 0 ] && echo "got $line"\nexit 0\n`,
    { mode: 0o755 },
  )
  return { opener, opened: () => readFileSync(record, 'utf8').split('\n').filter(Boolean) }
}

async function echoPort(scope: Scope): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    scope.defer(() => void socket.destroy())
    socket.pipe(socket)
  })
  scope.defer(() => void server.close())
  return await listen(server)
}

async function closedPort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('it has no port')
  return address.port
}

async function connected(scope: Scope, socket: Socket): Promise<Socket> {
  socket.on('error', () => socket.destroy())
  scope.defer(() => void socket.destroy())
  await once(socket, 'connect')
  return socket
}
